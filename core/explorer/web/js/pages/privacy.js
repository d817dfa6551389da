// What is kept of people, for how long, and who has read or changed what.

import { html } from "../dom.js";
import { useApp } from "../app.js";
import { tenantPath, useCall } from "../api.js";
import { Answer, Notice } from "../parts.js";
import { DataTable } from "../table.js";
import { Time, count, number, typeWords } from "../text.js";

/** How many entries of the ledger are shown. */
const ENTRIES = 1000;

/** @param {{ route: import("../router.js").Route }} props */
export function PrivacyPage({ route }) {
  const { tenant, generation } = useApp();
  const loaded = useCall(tenantPath(tenant, "privacy", { limit: ENTRIES }), undefined, generation);
  return html`<header><h1>Privacy</h1></header>
    <${Answer} loaded=${loaded}>${(/** @type {any} */ data) => html`
      <div class="columns"><${Profile} generation=${data.generation} /><${Retention} status=${data.status} /></div>
      <${Personal} personal=${data.status.personal} generation=${data.generation} />
      <${Ledger} data=${data} sort=${route.params.get("sort")} />`}<//>`;
}

const PROFILES = {
  full: "every declared value is kept",
  pseudonymous: "values that name a person are replaced by pseudonyms",
  minimal: "values that tell about a person are not kept",
};

/** @param {{ generation: any }} props */
function Profile({ generation }) {
  if (!generation) return html`<div class="card"><h2>Profile</h2><p class="muted">Nothing is published yet.</p></div>`;
  const columns = Object.entries(generation.columns);
  const profile = generation.profile ?? "full";
  const meaning = Object.hasOwn(PROFILES, profile) ? PROFILES[/** @type {keyof typeof PROFILES} */ (profile)] : "";
  return html`<div class="card"><h2>Profile</h2><dl class="facts">
    <dt>Profile</dt><dd>${profile}${meaning && html` <span class="muted">(${meaning})</span>`}</dd>
    ${generation.key && html`<dt>Key of the pseudonyms</dt><dd><code>${generation.key}</code></dd>`}
    <dt>Changed columns</dt><dd>${columns.length === 0 ? "none" : columns.map(([name, action]) => html`<div>${name}: ${action}</div>`)}</dd>
    <dt>Region</dt><dd>${generation.region}</dd></dl></div>`;
}

/** @param {{ status: any }} props */
function Retention({ status }) {
  return html`<div class="card"><h2>Retention</h2>
    ${status.clock && html`<${Notice} kind="warn">${status.clock}<//>`}
    ${status.windows.length === 0 ? html`<p class="muted">The configuration of this tenant says how long; without one nothing is removed.</p>` : html`<dl class="facts">
      ${status.windows.map((/** @type {any} */ kept) => html`<dt>${kept.what}</dt><dd>${kept.kept}</dd>`)}
      <dt>Due now</dt><dd>${status.due.length === 0 ? "nothing" : `${count(status.due.length, "item")}; the next run removes them`}</dd></dl>
      ${status.due.length > 0 && html`<details><summary>Show them</summary><ul>${status.due.map((/** @type {any} */ due) => html`<li>${due.item}, kept since <${Time} value=${due.keptSince} /></li>`)}</ul></details>`}`}</div>`;
}

/** @param {{ personal: any[], generation: any }} props */
function Personal({ personal }) {
  return html`<div class="card"><header><h2>Properties with personal data</h2><span class="muted">as the steps declare them</span></header><table>
    <thead><tr><th scope="col">type</th><th scope="col">name a person</th><th scope="col">point at a person together with other data</th></tr></thead>
    <tbody>${personal.map((type) => html`<tr><td>${typeWords(type.type)}</td><td>${type.direct.join(", ")}</td><td>${type.indirect.join(", ")}</td></tr>`)}</tbody></table></div>`;
}

/** @param {{ data: any, sort: string | null }} props */
function Ledger({ data, sort }) {
  const { session } = useApp();
  const facts = (/** @type {any} */ entry) => Object.entries(entry.facts)
    .filter(([name]) => name !== "program").map(([name, value]) => `${name} ${typeof value === "string" ? value : JSON.stringify(value)}`).join(", ");
  const rows = data.ledger.map((/** @type {any} */ entry) => ({ ...entry, event: entry.event.replaceAll("_", " "), facts: facts(entry) }));
  const columns = [
    { name: "sequence", title: "number", type: "integer" }, { name: "at", title: "time", type: "timestamp" },
    { name: "event", title: "what" }, ...(session.role === "viewer" ? [] : [{ name: "who" }]), { name: "facts", title: "details" },
  ];
  return html`<div class="card"><header><h2>Ledger</h2><span class="muted">${data.entries > rows.length ? `the newest ${number(rows.length)} of ${number(data.entries)} entries` : count(data.entries, "entry")}; <code>nexthink-graph privacy ledger verify</code> checks that none was changed</span></header>
    <${DataTable} columns=${columns} rows=${rows} label="Ledger" sort=${sort} /></div>`;
}
