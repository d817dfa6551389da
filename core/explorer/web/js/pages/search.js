// Everything that a search has found.

import { html } from "../dom.js";
import { entityHref, graphHref, pinnedPath, useApp } from "../app.js";
import { useCall } from "../api.js";
import { Answer } from "../parts.js";
import { href, setParams } from "../router.js";
import { titleOf } from "../searchbox.js";
import { DataTable } from "../table.js";
import { Name, number, typeWords } from "../text.js";

/** How many answers are shown. */
const HITS = 500;

/** @param {{ route: import("../router.js").Route }} props */
export function SearchPage({ route }) {
  const app = useApp();
  const text = route.params.get("text") ?? "";
  const type = route.params.get("type") ?? "";
  const tables = useCall(pinnedPath(app, "tables")).data ?? [];
  const types = tables.filter((/** @type {any} */ table) => table.kind === "entity" && table.rows > 0);
  const loaded = useCall(text ? pinnedPath(app, "search", { text, type, limit: HITS }) : null);
  return html`<header><h1>Search</h1></header>
    <form class="row" onSubmit=${(/** @type {Event} */ event) => event.preventDefault()}>
      <label class="field grow">Part of a name, e-mail address, serial number, IP address or key
        <input class="input" type="search" value=${text} onInput=${(/** @type {any} */ event) => setParams({ text: event.target.value })} /></label>
      <label class="field">Type <select class="input" value=${type} onChange=${(/** @type {any} */ event) => setParams({ type: event.target.value })}>
        <option value="">all</option>
        ${types.map((/** @type {any} */ table) => html`<option value=${table.name}>${typeWords(table.name)}</option>`)}</select></label>
    </form>
    ${text === "" ? html`<p class="muted">Type what you know of a device, a user, a package or an alert.</p>`
      : html`<${Answer} loaded=${loaded}>${(/** @type {any} */ data) => html`<${Found} data=${data} sort=${route.params.get("sort")} />`}<//>`}`;
}

/** @param {{ data: any, sort: string | null }} props */
function Found({ data, sort }) {
  const { tenant } = useApp();
  const rows = data.hits.map((/** @type {any} */ hit) => ({ ...hit, title: titleOf(hit), type: typeWords(hit._type) }));
  const columns = [
    { name: "title", title: "name" }, { name: "type" }, { name: "property", title: "found in" }, { name: "value", title: "as" },
  ];
  const cell = (/** @type {any} */ row, /** @type {any} */ column) => column.name === "title"
    ? html`<a href=${entityHref(tenant, row._key)}><${Name} text=${row.title} /></a>` : null;
  if (rows.length === 0) {
    return html`<p role="status">Nothing contains this text. A <a href=${href(tenant, "query")}>query</a> looks into every property.</p>`;
  }
  return html`<div class="row"><p role="status"><strong>${number(rows.length + data.more)} found</strong>
      ${data.more > 0 && html`, the best ${number(rows.length)} are shown; add letters or choose a type`}</p>
      <a class="button" href=${graphHref(tenant, rows.map((/** @type {any} */ row) => row._key))}>Show in the graph</a></div>
    <${DataTable} columns=${columns} rows=${rows} label="Found" sort=${sort} cell=${cell}
      rowHref=${(/** @type {any} */ row) => (row ? entityHref(tenant, row._key) : null)} />`;
}
