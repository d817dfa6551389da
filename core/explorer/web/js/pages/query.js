// The console: SQL and J1QL, errors with a caret, completion of types and properties.

import { html, useEffect, useRef, useState } from "../dom.js";
import { allOf, csvPath, entityHref, graphHref, pinnedPath, queryHref, useApp, useQuery } from "../app.js";
import { useCall } from "../api.js";
import { Answer, Notice, Problem, Source } from "../parts.js";
import { setParams } from "../router.js";
import { DataTable } from "../table.js";
import { Name, number } from "../text.js";
import { Suggestions, apply, suggest } from "../complete.js";

/** How many rows a page holds; the rest is a download. */
const ROWS = 5000;

/** Queries to begin with, and the tables that they need. They name no person, so viewers may ask them. */
const EXAMPLES = [
  { needs: ["nexthink_device_installed_package"], query: "FIND Device THAT INSTALLED Application WITH name ~= 'Zoom'" },
  { needs: ["nexthink_device_has_alert"], query: "FIND Device THAT HAS Alert RETURN Device.osName, count(Alert) AS alerts" },
  { needs: ["nexthink_device"], query: "select osName, count(*) devices from nexthink_device group by 1 order by 2 desc" },
];

/** @param {{ route: import("../router.js").Route }} props */
export function QueryPage({ route }) {
  const app = useApp();
  const query = route.params.get("q") ?? "";
  const tables = useCall(pinnedPath(app, "tables")).data ?? [];
  const [run, setRun] = useState(0);
  const asOf = route.params.get("asOf");
  const older = asOf ? { asOf } : {};
  const loaded = useQuery(query ? { query, limit: ROWS, ...older } : null, run);
  const start = (/** @type {string} */ text) => {
    setParams({ q: text, sort: null }, text === query);
    setRun(run + 1);
  };
  return html`<header><h1>Query</h1><span class="muted">in SQL (SELECT …) or J1QL (FIND …)</span></header>
    <${Editor} key=${query} query=${query} tables=${tables} onRun=${start} isRunning=${loaded.loading && query} />
    ${asOf && html`<${Notice}>Answered from generation <code>${asOf}</code>. <a href=${queryHref(app.tenant, query)}>Ask the generation of the other pages</a><//>`}
    ${query ? html`<${Result} loaded=${loaded} asked=${{ query, ...older }} tables=${tables} sort=${route.params.get("sort")} />`
      : html`<${Start} tables=${tables} onRun=${start} />`}`;
}

/** @param {{ query: string, tables: any[], onRun: (text: string) => void, isRunning: any }} props */
function Editor({ query, tables, onRun, isRunning }) {
  const [text, setText] = useState(query);
  const [choice, setChoice] = useState(/** @type {any} */ (null));
  const area = useRef(/** @type {HTMLTextAreaElement | null} */ (null));
  useEffect(() => {
    if (!query) area.current?.focus({ preventScroll: true });
  }, []);
  const look = (/** @type {HTMLTextAreaElement} */ field) => {
    const found = suggest(field.value, field.selectionStart, tables);
    setChoice(found ? { ...found, at: 0 } : null);
  };
  const take = (/** @type {string} */ word) => {
    const field = area.current;
    if (!field || !choice) return;
    const [next, caret] = apply(field.value, choice, word);
    setText(next);
    setChoice(null);
    requestAnimationFrame(() => {
      field.focus();
      field.setSelectionRange(caret, caret);
    });
  };
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      onRun(text);
    } else if (!choice) {
      return;
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const step = event.key === "ArrowDown" ? 1 : choice.words.length - 1;
      setChoice({ ...choice, at: (choice.at + step) % choice.words.length });
    } else if (event.key === "Tab" || event.key === "Enter") {
      take(choice.words[choice.at].word);
    } else if (event.key === "Escape") {
      setChoice(null);
    } else {
      return;
    }
    event.preventDefault();
  };
  return html`<form class="stack" onSubmit=${(/** @type {Event} */ event) => { event.preventDefault(); onRun(text); }}>
    <div class="editor"><label class="visually-hidden" for="query">Query</label>
      <textarea id="query" class="input" ref=${area} value=${text} spellcheck="false" autocapitalize="off" autocomplete="off"
        aria-autocomplete="list" aria-controls=${choice ? "completions" : undefined}
        aria-activedescendant=${choice ? `completions-${choice.at}` : undefined}
        placeholder="FIND Device THAT INSTALLED Application WITH name ~= 'Zoom'"
        onInput=${(/** @type {any} */ event) => { setText(event.target.value); look(event.target); }}
        onBlur=${() => setTimeout(() => setChoice(null), 150)} onKeyDown=${onKeyDown}></textarea>
      ${choice && html`<${Suggestions} choice=${choice} onTake=${take} />`}</div>
    <div class="row"><button class="button primary" disabled=${!text.trim()}>${isRunning ? "Running…" : "Run"} <kbd>Ctrl Enter</kbd></button></div>
  </form>`;
}

/** What to try, and what there is. @param {{ tables: any[], onRun: (text: string) => void }} props */
function Start({ tables, onRun }) {
  const app = useApp();
  const isThere = (/** @type {string} */ name) => tables.some((table) => table.name === name);
  const examples = EXAMPLES.filter((example) => example.needs.every(isThere));
  return html`<div class="columns">
    ${examples.length > 0 && html`<div class="card"><h2>Try one of these</h2>${examples.map(({ query }) => html`<p>
      <button type="button" class="button example" style=${{ textAlign: "left" }} onClick=${() => onRun(query)}><code>${query}</code></button></p>`)}</div>`}
    <div class="card"><h2>Tables</h2><table><thead><tr><th scope="col">table</th><th scope="col">class, for J1QL</th><th scope="col" class="number">rows</th></tr></thead>
      <tbody>${tables.map((table) => html`<tr><td><a href=${queryHref(app.tenant, allOf(app, table.name, table.kind === "entity"))}>${table.name}</a></td>
        <td>${table.class.join(", ")}</td><td class="number">${number(table.rows)}</td></tr>`)}</tbody></table></div></div>`;
}

/** @param {{ loaded: import("../api.js").Loaded, asked: Record<string, string>, tables: any[], sort: string | null }} props */
function Result({ loaded, asked, tables, sort }) {
  const app = useApp();
  if (loaded.error) return html`<${Problem} error=${loaded.error} />`;
  return html`<${Answer} loaded=${loaded}>${(/** @type {any} */ data) => html`
    <div class="row" role="status">
      <strong>${data.total > data.rows.length ? `The first ${number(data.rows.length)} of ${number(data.total)} rows` : `${number(data.total)} ${data.total === 1 ? "row" : "rows"}`}</strong>
      ${loaded.loading && html`<span class="muted">running…</span>`}
      ${data.total > 0 && html`<a class="button" download href=${csvPath(app, asked)}>Download ${data.total === 1 ? "the row" : `all ${number(data.total)} rows`} as CSV</a>`}
      <${InGraph} data=${data} />
      <${Source} title="Show the SQL" text=${data.sql} /></div>
    ${data.partialTables.length > 0 && html`<${Notice} kind="warn">Made from partial tables, which may lack rows or hold older ones: ${data.partialTables.join(", ")}<//>`}
    ${data.warnings.map((/** @type {string} */ warning) => html`<${Notice} kind="warn"><pre>${warning}</pre><//>`)}
    <${Rows} data=${data} tables=${tables} sort=${sort} />`}<//>`;
}

/** Whether a value is the key of an entity; those of relationships have both ends in them. @param {any} value */
const isEntityKey = (value) => typeof value === "string" && !value.includes("|");

/** The column with the keys of entities. @param {any} data @returns {string | undefined} */
const keyColumn = (data) => data.columns.find((/** @type {any} */ column) => /(^|\.)_key$/.test(column.name))?.name;

/** Columns with the keys of entities, or of both ends of relationships. */
const KEYS = /(^|\.)_(key|fromEntityKey|toEntityKey)$/;

/** The keys of the entities of an answer, row by row, so that entities that are related come together.
 * @param {any} data @returns {string[]} */
function keysOf(data) {
  const names = data.columns.map((/** @type {any} */ column) => column.name).filter((/** @type {string} */ name) => KEYS.test(name));
  return data.rows.flatMap((/** @type {any} */ row) => names.map((/** @type {string} */ name) => row[name])).filter(isEntityKey);
}

/** A link to the graph of the first entities of an answer, if it has any. @param {{ data: any }} props */
export function InGraph({ data }) {
  const { tenant } = useApp();
  const keys = keysOf(data);
  return keys.length > 0 ? html`<a class="button" href=${graphHref(tenant, keys)}>Show in the graph</a>` : null;
}

/** The rows of an answer. Keys lead to their entities.
 * @param {{ data: any, tables: any[], sort: string | null }} props */
export function Rows({ data, tables, sort }) {
  const { tenant } = useApp();
  const personal = new Set(tables.flatMap((/** @type {any} */ table) => table.personal));
  const columns = data.columns.map((/** @type {any} */ column) => ({ ...column, personal: personal.has(column.name) }));
  const key = keyColumn(data);
  const rowHref = (/** @type {any} */ row) => (key && isEntityKey(row?.[key]) ? entityHref(tenant, row[key]) : null);
  const cell = (/** @type {any} */ row, /** @type {any} */ column) => {
    const value = row[column.name];
    if (KEYS.test(column.name) && isEntityKey(value)) {
      return html`<a href=${entityHref(tenant, value)}><${Name} text=${value} /></a>`;
    }
    return null;
  };
  return html`<${DataTable} columns=${columns} rows=${data.rows} label="Rows" sort=${sort} rowHref=${rowHref} cell=${cell} />`;
}
