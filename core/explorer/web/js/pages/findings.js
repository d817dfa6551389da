// What the rules have found: the list, one finding, and what an analyst does with it.

import { html, useEffect, useRef, useState } from "../dom.js";
import { entityHref, useApp } from "../app.js";
import { call, tenantPath, useCall } from "../api.js";
import { Answer, Dialog, Notice, Problem, Severity } from "../parts.js";
import { href, setParams } from "../router.js";
import { DataTable } from "../table.js";
import { Name, Time, ago, count, number } from "../text.js";
import { Value } from "../value.js";

/** The severities, the most severe first. */
const SEVERITIES = ["critical", "high", "medium", "low", "informational"];
const STATES = ["open", "acknowledged", "clearing", "pending", "resolved"];
const rank = (/** @type {string[]} */ words) => Object.fromEntries(words.map((word, index) => [word, index]));

const COLUMNS = [
  { name: "severity", rank: rank(SEVERITIES) }, { name: "state", rank: rank(STATES) }, { name: "text", title: "finding", wide: true },
  { name: "rule" }, { name: "since", type: "timestamp" }, { name: "acknowledgedBy", title: "acknowledged by" },
];

/** When a finding came into its state. @param {any} finding */
const since = (finding) => (finding.state === "resolved" ? finding.resolved : finding.opened) ?? finding.firstSeen;

/** @param {{ route: import("../router.js").Route }} props */
export function FindingsPage({ route }) {
  const { tenant, generation } = useApp();
  const [version, setVersion] = useState(0);
  const filter = { state: "", severity: "", exactSeverity: "", rule: "", entity: "", ...Object.fromEntries(route.params) };
  const params = { state: filter.state, severity: filter.severity, exactSeverity: filter.exactSeverity, rule: filter.rule, entity: filter.entity };
  const loaded = useCall(tenantPath(tenant, "findings", params), undefined, `${generation} ${version}`);
  return html`<header><h1>Findings</h1><span class="muted">what the rules have found, and who looks after it</span></header>
    <${Answer} loaded=${loaded}>${(/** @type {any} */ data) => (data.rules.length === 0 ? html`<${NoRules} />` : html`
      <${Filters} filter=${filter} data=${data} />
      <${List} data=${data} filter=${filter} sort=${route.params.get("sort")} />
      <${Silences} silences=${data.silences} onChange=${() => setVersion(version + 1)} />
      <${Rules} rules=${data.rules} />`)}<//>`;
}

/** Nothing is looked for yet. */
function NoRules() {
  return html`<div class="card"><h2>No rule was evaluated yet</h2>
    <p>A rule looks for something in every generation: devices that went silent, packages past their end of support, alerts that stay.
      Its findings are shown here, from the first time they are seen until they are over.</p>
    <ol class="steps"><li><code>nexthink-graph rules list</code> shows the rules that come with the program</li>
      <li><code>nexthink-graph rules enable ID</code> switches one on</li>
      <li><code>nexthink-graph rules run</code> evaluates it now; every later run does so by itself</li></ol></div>`;
}

/** @param {{ filter: Record<string, string>, data: any }} props */
function Filters({ filter, data }) {
  const set = (/** @type {string} */ name) => (/** @type {any} */ event) => setParams({ [name]: event.target.value }, false);
  // No severity is above critical.
  const exact = filter.exactSeverity || (filter.severity === "critical" ? "critical" : "");
  const setSeverity = (/** @type {any} */ event) => {
    const [word, exact] = event.target.value.split("only ");
    setParams({ severity: word, exactSeverity: exact }, false);
  };
  return html`<form class="row" onSubmit=${(/** @type {Event} */ event) => event.preventDefault()}>
    <label class="field">State <select class="input" value=${filter.state} onChange=${set("state")}>
      <option value="">current</option>${STATES.map((state) => html`<option value=${state}>${state}</option>`)}
      <option value=${STATES.join(",")}>all</option></select></label>
    <label class="field">Severity <select class="input" value=${exact ? `only ${exact}` : filter.severity} onChange=${setSeverity}>
      <option value="">all</option>${SEVERITIES.slice(1, -1).map((severity) => html`<option value=${severity}>${severity} or higher</option>`)}
      ${SEVERITIES.map((severity) => html`<option value=${`only ${severity}`}>only ${severity}</option>`)}</select></label>
    <label class="field">Rule <select class="input" value=${filter.rule} onChange=${set("rule")}>
      <option value="">all</option>${data.rules.map((/** @type {any} */ rule) => html`<option value=${rule.id}>${rule.id} (${number(rule.open)})</option>`)}</select></label>
    ${filter.entity && html`<span class="row">About <bdi>${filter.entity}</bdi>
      <button type="button" class="button" onClick=${() => setParams({ entity: null }, false)}>Show all</button></span>`}</form>`;
}

/** @param {{ data: any, filter: any, sort: string | null }} props */
function List({ data, filter, sort }) {
  const { tenant, session } = useApp();
  const isViewer = session.role === "viewer";
  const rows = data.findings.map((/** @type {any} */ finding) => ({ ...finding, since: since(finding), text: finding.text ?? finding.title }));
  const isFiltered = filter.state || filter.severity || filter.exactSeverity || filter.rule || filter.entity;
  if (rows.length === 0) {
    return html`<div class="card"><p>${isFiltered ? "No finding is like that." : "Nothing is wrong as far as the rules can tell."}
      ${isFiltered && html` <a href=${href(tenant, "findings")}>Show all that are current</a>`}</p></div>`;
  }
  const open = (/** @type {any} */ row) => href(tenant, "finding", {}, row.id);
  const cell = (/** @type {any} */ row, /** @type {any} */ column) => {
    if (column.name === "severity") return html`<${Severity} severity=${row.severity} />`;
    if (column.name === "state") return html`<${State} finding=${row} />`;
    if (column.name === "text") return html`<a href=${open(row)}><${Name} text=${row.text} /></a>`;
    return undefined;
  };
  const by = SEVERITIES.map((severity) => [severity, rows.filter((/** @type {any} */ row) => row.severity === severity).length])
    .filter(([, number]) => number);
  return html`<div class="row" role="status"><strong>${count(rows.length + data.more, "finding")}</strong>
      ${by.map(([severity, number]) => html`<span class="muted">${number} ${severity}</span>`)}
      ${data.more > 0 && html`<span class="muted">the most severe ${number(rows.length)} are shown</span>`}</div>
    <${DataTable} columns=${isViewer ? COLUMNS.filter((column) => column.name !== "acknowledgedBy") : COLUMNS} rows=${rows} label="Findings" sort=${sort} rowHref=${open} cell=${cell} />`;
}

/** Where a finding is in its life. @param {{ finding: any }} props */
function State({ finding }) {
  const kind = { open: "bad", clearing: "good", resolved: "good" }[/** @type {"open"} */ (finding.state)] ?? "";
  return html`<span class="row tight"><span class=${`badge ${kind}`}>${finding.state}</span>
    ${finding.unknown && html`<span class="badge warn" title="the last evaluation could not tell whether it still holds">unknown</span>`}
    ${finding.silenced && html`<span class="badge" title="nobody is told of it">silenced</span>`}</span>`;
}

/** @param {{ silences: any[], onChange: () => void }} props */
function Silences({ silences, onChange }) {
  const { tenant, session } = useApp();
  const [error, setError] = useState(/** @type {any} */ (null));
  const inForce = silences.filter((silence) => silence.inForce);
  if (inForce.length === 0) return null;
  const end = (/** @type {string} */ id) => call(tenantPath(tenant, "findings/unsilence"), { body: { id } }).then(onChange, setError);
  return html`<section class="card"><header><h2>${count(inForce.length, "silence")} in force</h2></header>
    ${error && html`<${Problem} error=${error} />`}
    <table><thead><tr><th scope="col">of</th><th scope="col">until</th><th scope="col">why</th><th scope="col">by</th><th scope="col"><span class="visually-hidden">what to do</span></th></tr></thead>
    <tbody>${inForce.map((silence) => html`<tr><td><${Name} text=${silence.matcher} /></td><td><${Time} value=${silence.until} /></td>
      <td><${Name} text=${silence.why} /></td><td><${Name} text=${silence.by} /></td>
      <td>${session.role === "analyst" && html`<button type="button" class="button quiet" onClick=${() => end(silence.id)}>End it</button>`}</td></tr>`)}</tbody></table></section>`;
}

/** @param {{ rules: any[] }} props */
function Rules({ rules }) {
  const { tenant } = useApp();
  const kinds = { complete: "good", unknown: "warn", failed: "bad" };
  return html`<section class="card"><header><h2>${count(rules.length, "rule")}</h2></header>
    <table><thead><tr><th scope="col">rule</th><th scope="col">severity</th><th scope="col" class="number">open</th><th scope="col">last result</th><th scope="col">evaluated</th></tr></thead>
    <tbody>${rules.map((rule) => html`<tr><td>${rule.title}<div class="muted mono">${rule.id}</div></td><td><${Severity} severity=${rule.severity} /></td>
      <td class="number"><a href=${href(tenant, "findings", { rule: rule.id })} aria-label=${`${rule.open} findings of ${rule.id}`}>${number(rule.open)}</a></td>
      <td><span class=${`badge ${kinds[/** @type {"failed"} */ (rule.result)]}`}>${rule.result}</span>${rule.why && html`<div class="muted">${rule.why}</div>`}</td>
      <td><${Time} value=${rule.at} /></td></tr>`)}</tbody></table></section>`;
}

/** One finding. @param {{ route: import("../router.js").Route }} props */
export function FindingPage({ route }) {
  const { tenant, generation } = useApp();
  const [version, setVersion] = useState(0);
  const loaded = useCall(tenantPath(tenant, "finding", { id: route.id }), undefined, `${generation} ${version}`);
  if (loaded.error) return html`<header><h1>Finding</h1></header><${Problem} error=${loaded.error} />`;
  return html`<${Answer} loaded=${loaded}>${(/** @type {any} */ finding) => html`<${Found} finding=${finding} onChange=${() => setVersion(version + 1)} />`}<//>`;
}

/** @param {{ finding: any, onChange: () => void }} props */
function Found({ finding, onChange }) {
  const { tenant, session } = useApp();
  const row = Object.entries(finding.row ?? {});
  return html`<header><h1><${Name} text=${finding.text ?? finding.title ?? finding.rule} /></h1>
      <${Severity} severity=${finding.severity} /><${State} finding=${finding} /></header>
    ${session.role === "analyst" && html`<${Actions} finding=${finding} onChange=${onChange} />`}
    ${finding.unknown && html`<${Notice} kind="warn">A type that its rule reads was not complete, so the last evaluation could not tell whether this still holds.<//>`}
    <div class="columns"><div class="stack">
      <section class="card"><h2>Why</h2><dl class="facts">
        <dt>Rule</dt><dd>${finding.title ?? finding.rule} <span class="muted mono">${finding.rule}</span></dd>
        <dt>First seen</dt><dd><${Time} value=${finding.firstSeen} /> <span class="muted">${ago(finding.firstSeen)}</span></dd>
        ${finding.opened && html`<dt>Opened</dt><dd><${Time} value=${finding.opened} /></dd>`}
        ${finding.resolved && html`<dt>Resolved</dt><dd><${Time} value=${finding.resolved} /></dd>`}
        ${finding.entity && html`<dt>About</dt><dd><a href=${entityHref(tenant, finding.entity)}><${Name} text=${finding.entity} /></a></dd>`}
        ${finding.acknowledgement && html`<dt>Acknowledged</dt><dd>by <${Name} text=${finding.acknowledgement.by} /> on <${Time} value=${finding.acknowledgement.at} />
          ${finding.acknowledgement.note && html`<div><${Name} text=${finding.acknowledgement.note} /></div>`}</dd>`}
        ${finding.silence && html`<dt>Silenced</dt><dd>until <${Time} value=${finding.silence.until} />${finding.silence.by && html` by <${Name} text=${finding.silence.by} />`}
          ${finding.silence.why && html`<div><${Name} text=${finding.silence.why} /></div>`}</dd>`}</dl></section>
      <${History} history=${finding.history} /></div>
    ${row.length > 0 && html`<section class="card"><h2>The row that was found</h2>
      <dl class="facts">${row.map(([name, value]) => html`<dt>${name}</dt><dd>${value === null ? html`<span class="muted">–</span>` : html`<${Value} name=${name} value=${value} />`}</dd>`)}</dl></section>`}</div>`;
}

/** What happened to it. @param {{ history: any[] }} props */
function History({ history }) {
  const words = { seen: "seen for the first time", opened: "opened", reopened: "opened again", clearing: "did not hold any more", returned: "held again",
    resolved: "resolved", acknowledged: "acknowledged", unacknowledged: "acknowledgement withdrawn" };
  return html`<section class="card"><h2>History</h2><ol class="list">${[...history].reverse().map((entry) => html`<li class="row">
    <${Time} value=${entry.at} /><strong>${words[/** @type {"seen"} */ (entry.what)] ?? entry.what}</strong>
    ${entry.reason && html`<span>${entry.reason}</span>`}<${By} by=${entry.by} /></li>`)}</ol></section>`;
}

/** Who or which run did something. @param {{ by: string }} props */
function By({ by }) {
  const { tenant } = useApp();
  if (!by) return null;
  const isRun = /^[0-9A-HJKMNP-TV-Z]{26}$/.test(by);
  return html`<span class="muted">${isRun ? html`in <a href=${href(tenant, "run", {}, by)}>a run</a>` : html`by <${Name} text=${by} />`}</span>`;
}

/** @param {{ finding: any, onChange: () => void }} props */
function Actions({ finding, onChange }) {
  const { tenant } = useApp();
  const [asked, setAsked] = useState("");
  const [error, setError] = useState(/** @type {any} */ (null));
  const [done, setDone] = useState("");
  const send = (/** @type {string} */ what, /** @type {any} */ body, /** @type {string} */ words) =>
    call(tenantPath(tenant, `findings/${what}`), { body }).then(() => {
      setAsked("");
      setError(null);
      setDone(words);
      onChange();
    }, setError);
  const isOver = finding.state === "resolved";
  const ids = [finding.id];
  return html`<div class="row">
      ${!isOver && !finding.acknowledgement && html`<button type="button" class="button primary" onClick=${() => setAsked("acknowledge")}>Acknowledge</button>`}
      ${finding.acknowledgement && html`<button type="button" class="button" onClick=${() => send("acknowledge", { ids, undo: true }, "Acknowledgement withdrawn")}>Withdraw acknowledgement</button>`}
      ${!isOver && !finding.silence && html`<button type="button" class="button" onClick=${() => setAsked("silence")}>Silence</button>`}
      ${finding.silence && html`<button type="button" class="button" onClick=${() => send("unsilence", { id: finding.silence.id }, "The silence has ended")}>End the silence</button>`}
      ${finding.entity && html`<a class="button" href=${entityHref(tenant, finding.entity)}>Show what it is about</a>
        <a class="button" href=${href(tenant, "graph", { key: finding.entity })}>Show in the graph</a>`}
      <span role="status" class="muted">${done}</span></div>
    ${error && !asked && html`<${Problem} error=${error} />`}
    ${asked === "acknowledge" && html`<${Acknowledge} error=${error} onClose=${() => setAsked("")} onSend=${(/** @type {string} */ note) => send("acknowledge", { ids, note }, "Acknowledged")} />`}
    ${asked === "silence" && html`<${SilenceForm} finding=${finding} error=${error} onClose=${() => setAsked("")} onSend=${(/** @type {any} */ body) => send("silence", body, "Silenced")} />`}`;
}

/** Puts the focus into the first field of a dialog. */
function useFirstField() {
  const field = useRef(/** @type {any} */ (null));
  useEffect(() => field.current?.focus(), []);
  return field;
}

/** @param {{ error: any, onClose: () => void, onSend: (note: string) => void }} props */
function Acknowledge({ error, onClose, onSend }) {
  const [note, setNote] = useState("");
  const field = useFirstField();
  return html`<${Dialog} title="Acknowledge" onClose=${onClose}>
    <form class="stack" onSubmit=${(/** @type {Event} */ event) => { event.preventDefault(); onSend(note); }}>
      <p>Others see that you look after it, and nobody is told of it again while it holds.</p>
      <label class="field">Remark, if there is one <input class="input" ref=${field} maxlength="500" value=${note} onInput=${(/** @type {any} */ event) => setNote(event.target.value)} /></label>
      ${error && html`<${Problem} error=${error} />`}
      <div><button type="submit" class="button primary">Acknowledge</button></div></form><//>`;
}

const HOURS = [[1, "an hour"], [8, "8 hours"], [24, "a day"], [7 * 24, "a week"], [30 * 24, "30 days"], [90 * 24, "90 days"]];

/** @param {{ finding: any, error: any, onClose: () => void, onSend: (body: any) => void }} props */
function SilenceForm({ finding, error, onClose, onSend }) {
  const [of, setOf] = useState("finding");
  const [hours, setHours] = useState(7 * 24);
  const [why, setWhy] = useState("");
  const field = useFirstField();
  const what = of === "rule" ? { rule: finding.rule } : { finding: finding.id };
  const set = (/** @type {(value: any) => void} */ take) => (/** @type {any} */ event) => take(event.target.value);
  return html`<${Dialog} title="Silence" onClose=${onClose}>
    <form class="stack" onSubmit=${(/** @type {Event} */ event) => { event.preventDefault(); onSend({ ...what, hours: Number(hours), why }); }}>
      <p>What is silenced stays in the list. No message is sent about it until the end of the silence.</p>
      <label class="field">Why <input class="input" ref=${field} required maxlength="500" value=${why} onInput=${set(setWhy)} /></label>
      <label class="field">For <select class="input" value=${hours} onChange=${set(setHours)}>${HOURS.map(([value, words]) => html`<option value=${value}>${words}</option>`)}</select></label>
      <label class="field">What <select class="input" value=${of} onChange=${set(setOf)}><option value="finding">this finding</option>
        <option value="rule">all findings of the rule ${finding.rule}</option></select></label>
      ${error && html`<${Problem} error=${error} />`}
      <div><button type="submit" class="button primary">Silence</button></div></form><//>`;
}

/** The findings about an entity. @param {{ entityKey: string }} props */
export function FindingsAbout({ entityKey }) {
  const { tenant, generation } = useApp();
  const loaded = useCall(tenantPath(tenant, "findings", { entity: entityKey, state: STATES.join(",") }), undefined, generation);
  const findings = loaded.data?.findings ?? [];
  if (loaded.error) return html`<${Problem} error=${loaded.error} />`;
  if (findings.length === 0) return null;
  const open = findings.filter((/** @type {any} */ finding) => finding.state !== "resolved").length;
  return html`<section class="card"><header><h2>Findings <span class="muted">${number(open)} current</span></h2>
      <a href=${href(tenant, "findings", { entity: entityKey, state: STATES.join(",") })}>as a table</a></header>
    <ul class="list">${findings.slice(0, 20).map((/** @type {any} */ finding) => html`<li class="row"><${Severity} severity=${finding.severity} />
      <a href=${href(tenant, "finding", {}, finding.id)}><${Name} text=${finding.text} /></a><${State} finding=${finding} />
      <span class="muted"><${Time} value=${since(finding)} /></span></li>`)}</ul></section>`;
}
