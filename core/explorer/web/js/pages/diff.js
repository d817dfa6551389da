// What changed between two generations: objects that came and went, values that changed.

import { html } from "../dom.js";
import { csvPath, entityHref, literal, pinnedPath, useApp, useQuery } from "../app.js";
import { useCall } from "../api.js";
import { Answer, Notice, Problem } from "../parts.js";
import { setParams } from "../router.js";
import { DataTable } from "../table.js";
import { Name, number, timeTexts, typeWords } from "../text.js";

/** How many changes are shown. */
const ROWS = 5000;

const COUNTS = `select _type, change, count(distinct _key) objects from diff_entities group by 1, 2
  union all select _type, change, count(distinct _key) objects from diff_relationships group by 1, 2`;

/** The query for the changes of a type. @param {string} type @param {string} change @param {boolean} isEntity */
function changesOf(type, change, isEntity) {
  const table = isEntity ? "diff_entities" : "diff_relationships";
  const conditions = [type && `_type = ${literal(type)}`, change && `change = ${literal(change)}`].filter(Boolean);
  return `select * from ${table}${conditions.length ? ` where ${conditions.join(" and ")}` : ""}`;
}

/** @param {{ route: import("../router.js").Route }} props */
export function DiffPage({ route }) {
  const loaded = useCall(pinnedPath(useApp(), "overview"));
  return html`<header><h1>Diff</h1><span class="muted">what changed between two generations</span></header>
    <${Answer} loaded=${loaded}>${(/** @type {any} */ data) => data.history.length < 2
      ? html`<p>There is only one generation so far. After the next run, this page compares the two.</p>`
      : html`<${Compared} route=${route} data=${data} />`}<//>`;
}

/** @param {{ route: import("../router.js").Route, data: any }} props */
function Compared({ route, data }) {
  const all = [...data.history].reverse();
  const after = route.params.get("after") ?? all[0].id;
  const before = route.params.get("before") ?? all[Math.min(all.length - 1, all.findIndex((point) => point.id === after) + 1)].id;
  const loaded = useQuery({ query: COUNTS, compareWith: before, asOf: after, limit: 1000 });
  // The oldest first, so that a number of a generation stays when newer ones come.
  const times = timeTexts(data.history.map((/** @type {any} */ point) => point.createdAt)).reverse();
  const select = (/** @type {string} */ name, /** @type {string} */ value) => html`<select class="input" value=${value}
    onChange=${(/** @type {any} */ event) => setParams({ [name]: event.target.value, type: null, change: null }, false)}>
    ${all.map((point, at) => html`<option value=${point.id}>${times[at]} (${point.outcome})</option>`)}</select>`;
  return html`<div class="row"><label class="field">Before ${select("before", before)}</label><label class="field">After ${select("after", after)}</label></div>
    ${loaded.error ? html`<${Problem} error=${loaded.error} />` : html`<${Answer} loaded=${loaded}>${(/** @type {any} */ counts) => html`
      <${Counts} rows=${counts.rows} types=${data.types} />
      <${Changes} route=${route} before=${before} after=${after} types=${data.types} first=${counts.rows[0]?._type} />`}<//>`}`;
}

const CHANGES = ["added", "removed", "changed", "unknown"];

/** The number of changes by type. @param {{ rows: any[], types: any[] }} props */
function Counts({ rows, types }) {
  const names = [...new Set(rows.map((row) => row._type))].sort();
  const partial = types.filter((type) => type.partial).map((type) => typeWords(type.type));
  if (names.length === 0) return html`<p role="status">Nothing differs, besides values that differ with every run.</p>`;
  const cell = (/** @type {string} */ type, /** @type {string} */ change) => {
    const found = rows.find((row) => row._type === type && row.change === change);
    return found ? html`<button type="button" class="button quiet" onClick=${() => setParams({ type, change }, false)}>${number(found.objects)}</button>` : html`<span class="muted">0</span>`;
  };
  return html`<div class="card"><h2>In numbers</h2>
    ${partial.length > 0 && html`<${Notice} kind="warn">Not certain, because the newest export of them was not complete: ${partial.join(", ")}<//>`}
    <table><thead><tr><th scope="col">type</th>${CHANGES.map((change) => html`<th scope="col" class="number">${change}</th>`)}</tr></thead>
    <tbody>${names.map((type) => html`<tr><td>${typeWords(type)}</td>${CHANGES.map((change) => html`<td class="number">${cell(type, change)}</td>`)}</tr>`)}</tbody></table></div>`;
}

/** The changes of one type. @param {any} props */
function Changes({ route, before, after, types, first }) {
  const app = useApp();
  const { tenant } = app;
  const type = route.params.get("type") ?? first ?? "";
  const change = route.params.get("change") ?? "";
  const isEntity = types.find((/** @type {any} */ known) => known.type === type)?.kind !== "relationship";
  const query = changesOf(type, change, isEntity);
  const loaded = useQuery(type ? { query, compareWith: before, asOf: after, limit: ROWS } : null);
  if (!type) return null;
  const rowHref = (/** @type {any} */ row) => (row && isEntity ? entityHref(tenant, row._key) : null);
  const cell = (/** @type {any} */ row, /** @type {any} */ column) => (column.name === "_key" && isEntity
    ? html`<a href=${entityHref(tenant, row._key)}><${Name} text=${row._key} /></a>` : null);
  return html`<h2>${typeWords(type)}${change && `, ${change}`}</h2>
    <${Answer} loaded=${loaded}>${(/** @type {any} */ data) => html`<div class="row" role="status">
      <strong>${data.total > data.rows.length ? `The first ${number(data.rows.length)} of ${number(data.total)} changes` : `${number(data.total)} changes`}</strong>
      <a class="button" download href=${csvPath(app, { query, compareWith: before, asOf: after })}>Download all as CSV</a></div>
      <${DataTable} columns=${data.columns.filter((/** @type {any} */ column) => column.name !== "_type")} rows=${data.rows} label="Changes"
        sort=${route.params.get("sort")} rowHref=${rowHref} cell=${cell} />`}<//>`;
}
