// Saved questions: shipped ones and those of the user, by topic. An answer is a number, bars, a line or a table.

import { html, useState } from "../dom.js";
import { csvPath, pinnedPath, queryHref, useApp, useQuery } from "../app.js";
import { useCall } from "../api.js";
import { BarChart, LineChart } from "../chart.js";
import { Answer, Notice, Problem, Source } from "../parts.js";
import { href, setParams } from "../router.js";
import { cellText } from "../table.js";
import { count, number, timeText } from "../text.js";
import { InGraph, Rows } from "./query.js";

/** How many rows a page holds; the rest is a download. */
const ROWS = 5000;
/** How many bars a chart has. */
const BARS = 30;

/** @param {{ route: import("../router.js").Route }} props */
export function QuestionsPage({ route }) {
  const loaded = useCall(pinnedPath(useApp(), "questions"));
  return html`<${Answer} loaded=${loaded}>${(/** @type {any[]} */ questions) => {
    const question = questions.find((known) => known.id === route.id);
    if (question) return html`<${Asked} key=${question.id} question=${question} route=${route} />`;
    return html`<${List} questions=${questions} unknown=${route.id} />`;
  }}<//>`;
}

/** @param {{ questions: any[], unknown: string }} props */
function List({ questions, unknown }) {
  const { tenant } = useApp();
  const [text, setText] = useState("");
  const fits = (/** @type {any} */ question) => `${question.title} ${question.description} ${question.tags.join(" ")}`.toLowerCase().includes(text.toLowerCase());
  const shown = questions.filter(fits);
  const tags = [...new Set(shown.map((question) => question.tags[0] ?? "other"))];
  return html`<header><h1>Questions</h1><span class="muted">${count(questions.filter((question) => !question.unavailable).length, "question")}, ready to ask</span></header>
    ${unknown && html`<${Notice} kind="warn">There is no question “${unknown}”.<//>`}
    <label class="field">Filter <input class="input" type="search" value=${text} onInput=${(/** @type {any} */ event) => setText(event.target.value)} /></label>
    <div class="columns">${tags.map((tag) => html`<section class="card"><h2>${tag}</h2><ul class="list">
      ${shown.filter((question) => (question.tags[0] ?? "other") === tag).map((question) => html`<li>
        ${question.unavailable ? question.title : html`<a href=${href(tenant, "questions", {}, question.id)}>${question.title}</a>`}
        ${!question.isShipped && html` <span class="badge">own</span>`}
        ${question.unavailable && html`<div><span class="badge warn">cannot be asked</span> ${question.unavailable}</div>`}
        ${question.description && html`<div class="muted">${question.description}</div>`}</li>`)}</ul></section>`)}</div>
    ${shown.length === 0 && html`<p class="muted">No question has this text.</p>`}`;
}

/** A question and its answer. @param {{ question: any, route: import("../router.js").Route }} props */
function Asked({ question, route }) {
  const app = useApp();
  const { tenant } = app;
  const given = Object.fromEntries(question.parameters.map((/** @type {any} */ parameter) =>
    [parameter.name, route.params.get(parameter.name) ?? parameter.default ?? ""]));
  const isReady = !question.unavailable && question.parameters.every((/** @type {any} */ parameter) => given[parameter.name] !== "");
  const loaded = useQuery(isReady ? { question: question.id, parameters: given, limit: ROWS } : null);
  const tables = useCall(pinnedPath(app, "tables")).data ?? [];
  return html`<header><h1>${question.title}</h1><a href=${href(tenant, "questions")}>all questions</a></header>
    ${question.description && html`<p class="muted">${question.description}</p>`}
    ${question.unavailable && html`<${Notice} kind="warn">This question cannot be asked of this generation: ${question.unavailable}<//>`}
    ${!question.unavailable && question.parameters.length > 0 && html`<${Parameters} parameters=${question.parameters} given=${given} />`}
    ${question.unavailable ? null : !isReady ? html`<p role="status">Fill in what is missing to see the answer.</p>` : loaded.error ? html`<${Problem} error=${loaded.error} />`
      : html`<${Answer} loaded=${loaded}>${(/** @type {any} */ data) => html`
        <div class="row"><a class="button" download href=${csvPath(app, { question: question.id, parameters: JSON.stringify(given) })}>Download all ${count(data.total, "row")} as CSV</a>
          <${InGraph} data=${data} />
          ${question.parameters.length === 0 && html`<a class="button" href=${queryHref(tenant, question.query)}>Change the query</a>`}
          <${Source} title=${question.language === "j1ql" ? "Show J1QL and SQL" : "Show the SQL"}
            text=${question.language === "j1ql" ? `${question.query.trim()}\n\n${data.sql}` : question.query.trim()} /></div>
        ${data.partialTables.length > 0 && html`<${Notice} kind="warn">Made from partial tables, which may lack rows or hold older ones: ${data.partialTables.join(", ")}<//>`}
        <${Shown} show=${question.show} title=${question.title} data=${data} tables=${tables} sort=${route.params.get("sort")} />`}<//>`}`;
}

/** What has to be said besides. @param {{ parameters: any[], given: Record<string, string> }} props */
function Parameters({ parameters, given }) {
  const [values, setValues] = useState(given);
  const kinds = { integer: "number", number: "number", text: "text", boolean: "text" };
  return html`<form class="row" onSubmit=${(/** @type {Event} */ event) => { event.preventDefault(); setParams(values, false); }}>
    ${parameters.map((parameter) => html`<label class="field">${parameter.description || parameter.name}
      <input class="input" type=${kinds[/** @type {keyof typeof kinds} */ (parameter.type)] ?? "text"} step="any" min=${parameter.minimum ?? undefined} value=${values[parameter.name]}
        onInput=${(/** @type {any} */ event) => setValues({ ...values, [parameter.name]: event.target.value })} /></label>`)}
    <button class="button primary">Ask</button></form>`;
}

/** An answer as its question wants it. @param {any} props */
function Shown({ show, title, data, tables, sort }) {
  const numbers = data.columns.filter((/** @type {any} */ column) => ["integer", "number"].includes(column.type));
  const last = numbers[numbers.length - 1]?.name;
  if (show === "number" && data.rows.length === 1 && last) {
    return html`<p class="big-number">${number(data.rows[0][last])}</p>`;
  }
  const table = html`<${Rows} data=${data} tables=${tables} sort=${sort} />`;
  if (show === "bar" && last) {
    const names = data.columns.filter((/** @type {any} */ column) => !numbers.includes(column));
    const bars = data.rows.slice(0, BARS).map((/** @type {any} */ row) => ({
      name: names.map((/** @type {any} */ column) => cellText(row[column.name], column.type) || "(none)").join(" · "), value: Number(row[last] ?? 0),
    }));
    return html`<div class="card"><${BarChart} bars=${bars} label=${title} />
      ${data.rows.length > BARS && html`<p class="muted">The first ${BARS} of ${number(data.total)}; the table has the others.</p>`}</div>${table}`;
  }
  if (show === "line" && last && data.rows.length > 0) {
    const at = data.columns[0];
    const points = data.rows.map((/** @type {any} */ row) => ({ at: at.type === "timestamp" ? timeText(row[at.name]) : String(row[at.name]), value: Number(row[last] ?? 0) }));
    return html`<div class="card"><${LineChart} points=${points} label=${title} /></div>${table}`;
  }
  return table;
}
