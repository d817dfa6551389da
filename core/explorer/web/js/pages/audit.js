// Who did what in Nexthink: the events of the audit trail, by account, action and time; and what is missing.

import { html, useState } from "../dom.js";
import { literal, pinnedPath, queryHref, useApp, useQuery } from "../app.js";
import { useCall } from "../api.js";
import { Answer, Notice, Problem } from "../parts.js";
import { setParams } from "../router.js";
import { DataTable } from "../table.js";
import { Time, count, number } from "../text.js";

/** How many events are shown. */
const EVENTS = 2000;

/** The query of the filters. @param {Record<string, string>} filter */
function queryOf({ account, action, from, to }) {
  const conditions = [];
  if (account) conditions.push(`account ilike ${literal(`%${account}%`)}`);
  if (action) conditions.push(`action = ${literal(action)}`);
  if (from) conditions.push(`"observedOn" >= timestamp ${literal(`${from}T00:00:00Z`)}`);
  if (to) conditions.push(`"observedOn" < timestamp ${literal(`${to}T00:00:00Z`)} + interval '1 day'`);
  const where = conditions.length ? ` where ${conditions.join(" and ")}` : "";
  return `select * exclude (_key, _type, _class) from nexthink_audit_event${where} order by "observedOn" desc`;
}

/** @param {{ route: import("../router.js").Route }} props */
export function AuditPage({ route }) {
  const loaded = useCall(pinnedPath(useApp(), "overview"));
  return html`<header><h1>Audit</h1><span class="muted">who did what in Nexthink</span></header>
    <${Answer} loaded=${loaded}>${(/** @type {any} */ { status }) => html`
      <${Trails} trails=${status.trails} events=${status.events} />
      ${status.events > 0 && html`<${Events} route=${route} />`}`}<//>`;
}

/** What was read of each trail. @param {{ trails: any[], events: number }} props */
function Trails({ trails, events }) {
  if (trails.length === 0) {
    return html`<div class="card"><p>The audit trail is not read. A table <code>[audit]</code> in the configuration turns it on;
      the next run then reads it.</p></div>`;
  }
  const lost = trails.flatMap((trail) => trail.lost.map((/** @type {any} */ period) => ({ ...period, name: trail.name })));
  return html`${lost.length > 0 && html`<${Notice} kind="bad">${count(lost.length, "period")} can no longer be read:
      ${lost.map((period) => html`<p>${period.name}: <${Time} value=${period.from} /> to <${Time} value=${period.to} /></p>`)}<//>`}
    <details class="card"><summary>${count(events, "event")} of ${count(trails.length, "trail")}</summary><table>
      <thead><tr><th scope="col">trail</th><th scope="col">newest event</th><th scope="col">not read yet</th></tr></thead>
      <tbody>${trails.map((trail) => html`<tr><td>${trail.name}</td><td><${Time} value=${trail.newestEvent} /></td>
        <td>${trail.gaps.map((/** @type {any} */ gap) => html`<div><${Time} value=${gap.from} /> to <${Time} value=${gap.to} /></div>`)}</td></tr>`)}</tbody></table></details>`;
}

/** @param {{ route: import("../router.js").Route }} props */
function Events({ route }) {
  const { tenant, session } = useApp();
  const filter = { account: "", action: "", from: "", to: "", ...Object.fromEntries(route.params) };
  const query = queryOf(filter);
  const actions = useQuery({ query: "select action, count(*) n from nexthink_audit_event group by 1 order by 2 desc", limit: 100 });
  const loaded = useQuery({ query, limit: EVENTS });
  const [account, setAccount] = useState(filter.account);
  const set = (/** @type {string} */ name) => (/** @type {any} */ event) => setParams({ [name]: event.target.value }, false);
  return html`<form class="row" onSubmit=${(/** @type {Event} */ event) => { event.preventDefault(); setParams({ account }, false); }}>
      ${session.role === "analyst" && html`<label class="field grow">Account contains
        <input class="input" value=${account} onInput=${(/** @type {any} */ event) => setAccount(event.target.value)} onBlur=${() => setParams({ account }, false)} /></label>`}
      <label class="field">Action <select class="input" value=${filter.action} onChange=${set("action")}><option value="">all</option>
        ${(actions.data?.rows ?? []).map((/** @type {any} */ row) => html`<option value=${row.action}>${row.action} (${number(row.n)})</option>`)}</select></label>
      <label class="field">From <input class="input" type="date" value=${filter.from} onChange=${set("from")} /></label>
      <label class="field">To <input class="input" type="date" value=${filter.to} onChange=${set("to")} /></label>
    </form>
    ${loaded.error ? html`<${Problem} error=${loaded.error} />` : html`<${Answer} loaded=${loaded}>${(/** @type {any} */ data) => html`
      <div class="row" role="status"><strong>${data.total > data.rows.length ? `The newest ${number(data.rows.length)} of ${count(data.total, "event")}` : count(data.total, "event")}</strong>
        <a class="button" href=${queryHref(tenant, query)}>As a query</a></div>
      <${DataTable} columns=${data.columns} rows=${data.rows} label="Events" sort=${route.params.get("sort")} />`}<//>`}`;
}
