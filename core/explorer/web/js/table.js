// A table of many rows. Only those in view are in the document, each of one height.

import { html, useEffect, useLayoutEffect, useMemo, useRef, useState } from "./dom.js";
import { Name, timeText } from "./text.js";
import { navigate, setParams } from "./router.js";

/** The height of a row. Pixels at the normal size of text; measured when it is drawn. */
const ROW = 34;
/** Rows above and below those in view. */
const MARGIN = 12;

/**
 * @typedef {object} Column
 * @property {string} name
 * @property {string} [title]
 * @property {string} [type] text, integer, number, boolean, timestamp or list of text.
 * @property {Record<string, number>} [rank] The order of its values, if it is not that of their letters.
 * @property {boolean} [wide] Whether its texts are long.
 * @property {boolean} [personal] Whether it holds personal data.
 */

/** The text of a value. @param {unknown} value @param {string} [type] */
export function cellText(value, type) {
  if (value === null || value === undefined) return "";
  if (type === "timestamp") return timeText(String(value));
  if (Array.isArray(value)) return value.join(", ");
  if (typeof value === "object") return JSON.stringify(value);
  return String(value);
}

const isNumber = (/** @type {Column} */ column) => column.type === "integer" || column.type === "number";

/** Compares two values; missing ones come last. @param {any} one @param {any} two */
function compare(one, two) {
  if (one === null || one === undefined) return two === null || two === undefined ? 0 : 1;
  if (two === null || two === undefined) return -1;
  if (typeof one === "number" && typeof two === "number") return one - two;
  return String(one).localeCompare(String(two));
}

/** The rows in the order of a column, "name" or "-name".
 * @param {any[]} rows @param {string} sort @param {Column[]} columns */
function sorted(rows, sort, columns) {
  if (!sort) return rows;
  const [name, sign] = sort.startsWith("-") ? [sort.slice(1), -1] : [sort, 1];
  const rank = columns.find((column) => column.name === name)?.rank;
  const value = (/** @type {any} */ row) => (rank ? rank[row[name]] : row[name]);
  return [...rows].sort((one, two) => sign * compare(value(one), value(two)));
}

/** A table. Arrows move through its rows, Enter opens one.
 * @param {{ columns: Column[], rows: any[], label: string, sort: string | null,
 *   rowHref?: (row: any) => string | null, cell?: (row: any, column: Column) => any }} props */
export function DataTable({ columns, rows, label, sort, rowHref, cell }) {
  const scroller = useRef(/** @type {HTMLDivElement | null} */ (null));
  const body = useRef(/** @type {HTMLTableSectionElement | null} */ (null));
  const [view, setView] = useState({ top: 0, height: 700, row: ROW });
  const [active, setActive] = useState(0);
  const ordered = useMemo(() => sorted(rows, sort ?? "", columns), [rows, sort]);
  useEffect(() => setActive(0), [rows]);
  const measure = () => {
    const element = scroller.current;
    if (!element) return;
    const row = body.current?.querySelector("tr[data-row]")?.getBoundingClientRect().height || ROW;
    setView({ top: element.scrollTop, height: element.clientHeight || 700, row });
  };
  useLayoutEffect(measure, [ordered]);
  const first = Math.max(0, Math.floor(view.top / view.row) - MARGIN);
  const last = Math.min(ordered.length, Math.ceil((view.top + view.height) / view.row) + MARGIN);
  const move = (/** @type {number} */ to) => {
    const at = Math.max(0, Math.min(ordered.length - 1, to));
    setActive(at);
    const element = scroller.current;
    if (!element) return;
    const head = element.querySelector("thead")?.clientHeight ?? 0;
    const top = at * view.row;
    if (top < element.scrollTop) element.scrollTop = top;
    const bottom = top + view.row + head - element.clientHeight;
    if (bottom > element.scrollTop) element.scrollTop = bottom;
  };
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    if (event.target !== event.currentTarget) return;
    const page = Math.max(1, Math.floor(view.height / view.row) - 2);
    const steps = { ArrowDown: active + 1, ArrowUp: active - 1, PageDown: active + page, PageUp: active - page,
      Home: 0, End: ordered.length - 1 };
    if (event.key in steps) {
      move(steps[/** @type {keyof typeof steps} */ (event.key)]);
    } else if (event.key === "Enter") {
      const to = rowHref?.(ordered[active]);
      if (!to) return;
      navigate(to);
    } else {
      return;
    }
    event.preventDefault();
  };
  const id = `row-${label.replaceAll(/\W/g, "")}`;
  const shown = ordered.slice(first, last);
  const isActiveDrawn = active >= first && active < last;
  return html`<div class="scroll tall" ref=${scroller} onScroll=${measure}>
    <table class="fixed" role="grid" tabindex="0" onKeyDown=${onKeyDown} aria-rowcount=${ordered.length + 1}
      aria-label=${`${label}: arrows move, Enter opens`} aria-activedescendant=${isActiveDrawn ? `${id}-${active}` : undefined}>
      <thead><tr aria-rowindex="1">${columns.map((column) => html`<${Head} column=${column} sort=${sort} />`)}</tr></thead>
      <tbody ref=${body}>
        ${first > 0 && html`<tr aria-hidden="true"><td colspan=${columns.length} style=${{ height: `${first * view.row}px`, padding: 0 }}></td></tr>`}
        ${shown.map((row, index) => html`<tr key=${first + index} data-row id=${`${id}-${first + index}`}
            aria-rowindex=${first + index + 2} aria-selected=${first + index === active}
            onClick=${() => setActive(first + index)}>
          ${columns.map((column) => html`<${Cell} row=${row} column=${column} cell=${cell} />`)}</tr>`)}
        ${last < ordered.length && html`<tr aria-hidden="true"><td colspan=${columns.length} style=${{ height: `${(ordered.length - last) * view.row}px`, padding: 0 }}></td></tr>`}
      </tbody>
    </table>
    ${ordered.length === 0 && html`<p class="none">No rows.</p>`}
  </div>`;
}

/** @param {{ row: any, column: Column, cell?: (row: any, column: Column) => any }} props */
function Cell({ row, column, cell }) {
  const text = cellText(row[column.name], column.type);
  return html`<td class=${isNumber(column) ? "number" : column.wide ? "wide" : ""} title=${text.length > 40 ? text : undefined}>
    ${cell?.(row, column) ?? html`<${Name} text=${text} />`}</td>`;
}

/** The head of a column: a button that sorts by it. @param {{ column: Column, sort: string | null }} props */
function Head({ column, sort }) {
  const direction = sort === column.name ? "ascending" : sort === `-${column.name}` ? "descending" : "none";
  const next = direction === "ascending" ? `-${column.name}` : direction === "descending" ? null : column.name;
  const mark = { ascending: "▲", descending: "▼", none: "" }[direction];
  return html`<th scope="col" aria-sort=${direction} class=${isNumber(column) ? "number" : ""}>
    <button type="button" onClick=${() => setParams({ sort: next })} title="Sort by this column">
      <${Name} text=${column.title ?? column.name} />
      ${column.personal && html`<span class="badge person" title="personal data">personal</span>`}
      <span aria-hidden="true">${mark}</span></button></th>`;
}
