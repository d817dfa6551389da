// The value of a property, for people.

import { html } from "./dom.js";
import { cellText } from "./table.js";
import { Name, Time, number } from "./text.js";

/** What a property holds, for people. @param {{ name: string, value: any }} props */
export function Value({ name, value }) {
  if (typeof value === "string" && /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(value)) return html`<${Time} value=${value} />`;
  if (Array.isArray(value)) return html`${value.map((item, index) => html`${index > 0 && ", "}<${Name} text=${item} />`)}`;
  if (typeof value === "number" && !/id$/i.test(name)) return number(value);
  return html`<${Name} text=${cellText(value)} />`;
}
