// The runs of the kept generations, and the report of one.

import { html } from "../dom.js";
import { queryHref, useApp } from "../app.js";
import { tenantPath, useCall } from "../api.js";
import { Answer, Outcome, Problem } from "../parts.js";
import { href } from "../router.js";
import { Time, ago, bytes, count, number } from "../text.js";

/** The sum of a number over steps. @param {any[]} steps @param {(step: any) => number} of */
const total = (steps, of) => steps.reduce((sum, step) => sum + of(step), 0);

export function RunsPage() {
  const { tenant, generation } = useApp();
  const loaded = useCall(tenantPath(tenant, "runs"), undefined, generation);
  return html`<header><h1>Runs</h1><span class="muted">those whose generation is kept</span></header>
    <${Answer} loaded=${loaded}>${(/** @type {any[]} */ runs) => html`<div class="scroll" tabindex="0" role="region" aria-label="Runs"><table>
      <thead><tr><th scope="col">published</th><th scope="col">outcome</th><th scope="col">steps that are not complete</th>
        <th scope="col" class="number">rows</th><th scope="col" class="number">quarantined</th><th scope="col" class="number">entities</th>
        <th scope="col" class="number">relationships</th><th scope="col" class="number">downloaded</th></tr></thead>
      <tbody>${runs.map((run) => html`<${Row} run=${run} />`)}</tbody></table></div>
      ${runs.length === 0 && html`<p class="muted">There is no run yet.</p>`}
      <p class="muted">A run that publishes nothing leaves no report. The <a href=${href(tenant, "privacy")}>ledger</a> has it, with its exit code.</p>`}<//>`;
}

/** @param {{ run: any }} props */
function Row({ run }) {
  const { tenant } = useApp();
  if (!run.generation) return html`<tr><td><code>${run.id}</code></td><td><${Outcome} outcome="damaged" /></td><td colspan="6">${run.problem}</td></tr>`;
  const incomplete = run.steps.filter((/** @type {any} */ step) => step.outcome !== "complete");
  return html`<tr>
    <td><a href=${href(tenant, "run", {}, run.id)}><${Time} value=${run.generation.createdAt} /></a>
      ${run.published && html` <span class="badge good">shown</span>`}<div class="muted">${ago(run.generation.createdAt)}</div></td>
    <td><${Outcome} outcome=${run.generation.outcome} /></td>
    <td>${incomplete.map((/** @type {any} */ step) => html`<div>${step.id}: ${step.outcome}</div>`)}</td>
    <td class="number">${number(total(run.steps, (step) => step.rows.read))}</td>
    <td class="number">${number(total(run.steps, (step) => step.rows.quarantined))}</td>
    <td class="number">${number(run.entities)}</td><td class="number">${number(run.relationships)}</td>
    <td class="number">${bytes(total(run.steps, (step) => step.bytes))}</td></tr>`;
}

/** @param {{ route: import("../router.js").Route }} props */
export function RunPage({ route }) {
  const { tenant } = useApp();
  const loaded = useCall(tenantPath(tenant, `runs/${encodeURIComponent(route.id)}`));
  return html`<header><h1>Run</h1><code class="muted">${route.id}</code></header>
    ${loaded.error ? html`<${Problem} error=${loaded.error} />` : html`<${Answer} loaded=${loaded}>${(/** @type {any} */ report) => html`<${Report} report=${report} />`}<//>`}`;
}

/** @param {{ report: any }} props */
function Report({ report }) {
  const { tenant } = useApp();
  if (!report) return html`<p>This generation has no report: it was not made by a run.</p>`;
  const download = tenantPath(tenant, `runs/${encodeURIComponent(report.runId)}`);
  return html`<div class="row"><${Outcome} outcome=${report.outcome} />
      <span>started <${Time} value=${report.startedAt} />, ended <${Time} value=${report.finishedAt} /></span>
      <span class="muted">program ${report.programVersion}</span>
      <a class="button" href=${download} download=${`run-${report.runId}.json`}>Download the report</a></div>
    <div class="card"><h2>Steps</h2><div class="scroll" tabindex="0" role="region" aria-label="Steps"><table>
      <thead><tr><th scope="col">step</th><th scope="col">outcome</th><th scope="col" class="number">read</th><th scope="col" class="number">used</th>
        <th scope="col" class="number">merged</th><th scope="col" class="number">quarantined</th><th scope="col" class="number">suppressed</th>
        <th scope="col" class="number">carried over</th><th scope="col" class="number">dangling</th><th scope="col" class="number">bytes</th>
        <th scope="col" class="number">fetch</th><th scope="col" class="number">apply</th></tr></thead>
      <tbody>${report.steps.map((/** @type {any} */ step) => html`<tr><td>${step.id}</td>
        <td><${Outcome} outcome=${step.outcome} />${step.reason && html`<div>${step.reason}</div>`}</td>
        ${[step.rows.read, step.rows.used, step.rows.merged, step.rows.quarantined, step.rows.suppressed, step.carriedOver, step.dangling]
          .map((value) => html`<td class="number">${number(value)}</td>`)}
        <td class="number">${bytes(step.bytes)}</td><td class="number nowrap">${(step.fetchMs / 1000).toFixed(1)} s</td>
        <td class="number nowrap">${(step.applyMs / 1000).toFixed(1)} s</td></tr>`)}</tbody></table></div></div>
    ${report.steps.filter((/** @type {any} */ step) => step.quarantine?.length).map((/** @type {any} */ step) => html`<${Quarantine} step=${step} />`)}
    <div class="card"><h2>Types</h2><table><thead><tr><th scope="col">type</th><th scope="col" class="number">objects</th><th scope="col" class="number">before</th><th scope="col">partial</th></tr></thead>
      <tbody>${report.types.map((/** @type {any} */ type) => html`<tr><td>${type.type}</td>
        <td class="number"><a href=${queryHref(tenant, `select * exclude (_type, _class) from ${type.type}`, { asOf: report.runId })}>${number(type.objects)}</a></td>
        <td class="number">${number(type.objectsBefore)}</td><td>${type.partial ? html`<span class="badge warn">partial</span>` : ""}</td></tr>`)}</tbody></table></div>`;
}

/** Rows that could not be used. @param {{ step: any }} props */
function Quarantine({ step }) {
  return html`<div class="card"><h2>${step.id}: ${count(step.rows.quarantined, "quarantined row")}</h2>
    <table><tbody>${step.quarantine.map((/** @type {any} */ row) => html`<tr><td class="nowrap">line ${number(row.line)}</td><td>${row.reason}</td></tr>`)}</tbody></table></div>`;
}
