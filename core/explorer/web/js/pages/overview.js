// What there is, how it grew, what the last run left incomplete, and what is left of the day's exports.

import { html } from "../dom.js";
import { allOf, pinnedPath, queryHref, useApp } from "../app.js";
import { useCall } from "../api.js";
import { LineChart, Sparkline } from "../chart.js";
import { Answer, Delta, Notice, Outcome, Severity } from "../parts.js";
import { href, setParams } from "../router.js";
import { Time, ago, count, number, timeText, typePlural, typeWords } from "../text.js";

/** @param {{ route: import("../router.js").Route }} props */
export function OverviewPage({ route }) {
  const loaded = useCall(pinnedPath(useApp(), "overview"));
  return html`<header><h1>Overview</h1></header>
    <${Answer} loaded=${loaded}>${(/** @type {any} */ data) =>
      data.generation ? html`<${Filled} data=${data} route=${route} />` : html`<${Empty} data=${data} />`}<//>`;
}

/** The order of the tiles. */
const ORDER = ["nexthink_device", "nexthink_user", "nexthink_package", "nexthink_alert"];
const rank = (/** @type {string} */ type) => (ORDER.includes(type) ? ORDER.indexOf(type) : ORDER.length);

/** A store without a generation. @param {{ data: any }} props */
function Empty({ data }) {
  return html`<div class="card"><h2>Nothing is published yet</h2>
    ${data.status.running
      ? html`<p>A run is under way (${data.status.running}). This page shows its generation when it is published.</p>`
      : html`<p>Run <code>nexthink-graph run</code>: it fetches the estate and publishes the first generation. This page then shows it.</p>`}
  </div>`;
}

/** @param {{ data: any, route: import("../router.js").Route }} props */
function Filled({ data, route }) {
  const app = useApp();
  const { tenant } = app;
  const entities = data.types.filter((/** @type {any} */ type) => type.kind === "entity" && type.objects + (type.objectsBefore ?? 0) > 0)
    .sort((/** @type {any} */ one, /** @type {any} */ two) => rank(one.type) - rank(two.type));
  const others = data.types.filter((/** @type {any} */ type) => type.kind === "relationship");
  const partial = data.types.filter((/** @type {any} */ type) => type.partial);
  const { status, generation } = data;
  return html`
    <div class="row muted">
      <span>Generation of <${Time} value=${generation.createdAt} /> (${ago(generation.createdAt)})</span>
      <${Outcome} outcome=${generation.outcome} />
      <a href=${href(tenant, "run", {}, generation.id)}>its run</a>
      ${status.running && html`<span class="badge warn">a run is under way: ${status.running}</span>`}
    </div>
    ${partial.length > 0 && html`<${Partial} types=${partial} />`}
    <div class="tiles">${entities.map((/** @type {any} */ type) => html`<${Tile} type=${type} history=${data.history} />`)}</div>
    <div class="columns">
      <${Trend} types=${data.types} history=${data.history} chosen=${route.params.get("type")} />
      <div class="stack"><${Findings} findings=${data.findings} /><${Yesterday} history=${data.history} /><${State} status=${status} /></div>
      <div class="card"><header><h2>Relationships</h2></header>
        <table><thead><tr><th scope="col">from</th><th scope="col">relationship</th><th scope="col">to</th><th scope="col" class="number">number</th><th scope="col" class="number">change</th></tr></thead>
        <tbody>${others.map((/** @type {any} */ type) => html`<tr>
          <td>${typeWords(type.fromType ?? "")}</td><td>${type.class.join(", ")}</td><td>${typeWords(type.toType ?? "")}</td>
          <td class="number"><a href=${queryHref(tenant, allOf(app, type.type, false))}>${number(type.objects)}</a></td>
          <td class="number"><${Delta} now=${type.objects} before=${type.objectsBefore} /></td></tr>`)}</tbody></table></div>
      <div class="card"><header><h2>The last run by step</h2><a href=${href(tenant, "runs")}>all runs</a></header>
        <table><thead><tr><th scope="col">step</th><th scope="col">outcome</th><th scope="col" class="number">rows</th><th scope="col" class="number">quarantined</th></tr></thead>
        <tbody>${data.steps.map((/** @type {any} */ step) => html`<tr><td class="nowrap">${step.id}</td>
          <td><${Outcome} outcome=${step.outcome} />${step.reason && html`<div class="muted">${step.reason}</div>`}</td>
          <td class="number">${number(step.rows.read)}</td><td class="number">${number(step.rows.quarantined)}</td></tr>`)}</tbody></table></div>
    </div>`;
}

/** The types that may lack objects, and why. @param {{ types: any[] }} props */
function Partial({ types }) {
  const reasons = [...new Set(types.map((type) => type.reason ?? ""))];
  const of = (/** @type {string} */ reason) => types.filter((type) => (type.reason ?? "") === reason).map((type) => typeWords(type.type)).join(", ");
  return html`<${Notice} kind="warn"><strong>${count(types.length, "type")} may lack objects or show older ones</strong>
    ${reasons.map((reason) => html`<p>${of(reason)}${reason && `: ${reason}`}</p>`)}<//>`;
}

/** @param {{ type: any, history: any[] }} props */
function Tile({ type, history }) {
  const app = useApp();
  const values = history.map((point) => point.objects[type.type]).filter((value) => value !== undefined);
  const label = `${typeWords(type.type)}: ${values.length} generations, ${number(values[0])} to ${number(type.objects)}`;
  return html`<div class="tile"><span class="label">${typePlural(type.type)}${type.partial && html` <span class="badge warn">partial</span>`}</span>
    <a class="value" href=${queryHref(app.tenant, allOf(app, type.type))} aria-label=${`${number(type.objects)}: show all of type ${typeWords(type.type)}`}>${number(type.objects)}</a>
    <${Sparkline} values=${values} label=${label} />
    <span class="note">${history.length < 2 ? html`<span class="muted">first generation</span>`
      : html`<${Delta} now=${type.objects} before=${type.objectsBefore} /> <span class="muted">since the run before</span>`}</span></div>`;
}

/** The number of objects of one type over the kept generations. @param {{ types: any[], history: any[], chosen: string | null }} props */
function Trend({ types, history, chosen }) {
  if (history.length < 2) return null;
  const type = types.find((known) => known.type === chosen) ?? types.find((known) => known.type === "nexthink_device") ?? types[0];
  const points = history.filter((point) => type.type in point.objects)
    .map((point) => ({ at: timeText(point.createdAt), value: point.objects[type.type] }));
  return html`<div class="card"><header><h2>Over ${count(history.length, "generation")}</h2>
    <label class="row">Type <select class="input" style=${{ width: "auto" }} value=${type.type}
      onChange=${(/** @type {any} */ event) => setParams({ type: event.target.value })}>
      ${types.map((known) => html`<option value=${known.type}>${typeWords(known.type)}</option>`)}</select></label></header>
    <${LineChart} points=${points} label=${`Number of objects of type ${typeWords(type.type)}`} /></div>`;
}

/** What has changed since the last generation that is at least a day older. @param {{ history: any[] }} props */
function Yesterday({ history }) {
  const { tenant } = useApp();
  const newest = history[history.length - 1];
  const day = 24 * 60 * 60 * 1000;
  const time = (/** @type {any} */ point) => new Date(point.createdAt).valueOf();
  const before = history.filter((point) => time(newest) - time(point) >= day * 0.9).pop() ?? history[0];
  if (before === newest) return null;
  const changes = Object.entries(newest.objects)
    .map(([type, now]) => ({ type, now: Number(now), before: before.objects[type] ?? null }))
    .filter((change) => change.now !== change.before);
  return html`<div class="card"><header><h2>Changed since ${timeText(before.createdAt)}</h2></header>
    ${changes.length === 0 ? html`<p class="muted">No number has changed.</p>` : html`<table><tbody>
      ${changes.map((change) => html`<tr><td><a href=${href(tenant, "diff", { before: before.id, after: newest.id, type: change.type })}>${typeWords(change.type)}</a></td>
        <td class="number">${number(change.now)}</td>
        <td class="number"><${Delta} now=${change.now} before=${change.before} /></td></tr>`)}</tbody></table>`}</div>`;
}

/** What the rules have found, by severity. @param {{ findings: Record<string, number> | null }} props */
function Findings({ findings }) {
  const { tenant } = useApp();
  const found = Object.entries(findings ?? {}).reverse().filter(([, number]) => number > 0);
  return html`<div class="card"><header><h2>Findings</h2><a href=${href(tenant, "findings")}>${findings ? "all findings" : "how to look for problems"}</a></header>
    ${findings === null ? html`<p class="muted">No rule is on.</p>` : found.length === 0 ? html`<p class="muted">Nothing is wrong as far as the rules can tell.</p>`
      : html`<table><tbody>${found.map(([severity, value]) => html`<tr><td><${Severity} severity=${severity} /></td>
        <td class="number"><a href=${href(tenant, "findings", { exactSeverity: severity })} aria-label=${`${value} findings of severity ${severity}`}>${number(value)}</a></td></tr>`)}</tbody></table>`}</div>`;
}

/** Exports, audit trail. @param {{ status: any }} props */
function State({ status }) {
  const missing = status.trails.reduce((/** @type {number} */ sum, /** @type {any} */ trail) => sum + trail.gaps.length, 0);
  const lost = status.trails.reduce((/** @type {number} */ sum, /** @type {any} */ trail) => sum + trail.lost.length, 0);
  return html`<div class="card"><header><h2>State</h2></header><dl class="facts">
    ${status.quota && html`<dt>Exports today</dt><dd>${number(status.quota.of - status.quota.left)} of ${number(status.quota.of)} used
      ${status.quota.deferredUntil && html`<span class="badge warn">Nexthink asked to wait until <${Time} value=${status.quota.deferredUntil} /></span>`}</dd>`}
    <dt>Audit events</dt><dd>${status.events > 0 ? number(status.events) : "not read; [audit] in the configuration turns them on"}</dd>
    ${status.trails.length > 0 && html`<dt>Audit gaps</dt><dd>${missing === 0 ? "none" : `${count(missing, "period")} not read yet`}
      ${lost > 0 && html` <span class="badge bad">${count(lost, "period")} lost</span>`}</dd>`}
  </dl></div>`;
}
