// What the pages use of Preact. The file beside it is minified, so that its types cannot be inferred.
export interface Context<T> {
  Provider: (props: { value: T; children?: any }) => any;
}
export function createContext<T>(value: T): Context<T>;
export function render(node: any, parent: Element): void;
export function h(type: any, props?: any, ...children: any[]): any;
export const Fragment: any;
