// What the pages use of Preact's hooks.
import type { Context } from "./preact.js";
type Inputs = readonly unknown[];
export function useState<T>(initial: T | (() => T)): [T, (next: T | ((old: T) => T)) => void];
export function useRef<T>(initial: T): { current: T };
export function useMemo<T>(make: () => T, inputs: Inputs): T;
export function useCallback<T extends (...args: any[]) => any>(callback: T, inputs: Inputs): T;
export function useEffect(effect: () => void | (() => void), inputs?: Inputs): void;
export function useLayoutEffect(effect: () => void | (() => void), inputs?: Inputs): void;
export function useContext<T>(context: Context<T>): T;
export function useErrorBoundary(): [any, () => void];
export function useId(): string;
