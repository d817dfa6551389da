// One entity: its properties, its alerts, its neighbors in groups, its history.

import { html, useState } from "../dom.js";
import { entityHref, literal, pinnedPath, queryHref, useApp } from "../app.js";
import { useCall } from "../api.js";
import { Answer, Notice } from "../parts.js";
import { href } from "../router.js";
import { titleOf } from "../searchbox.js";
import { Name, Time, number, typeCount, typeWords } from "../text.js";
import { Value } from "../value.js";
import { FindingsAbout } from "./findings.js";

/** How many neighbors of a group are shown at first, and how many more each time. */
const NEIGHBORS = 10;

/** @param {{ route: import("../router.js").Route }} props */
export function EntityPage({ route }) {
  const app = useApp();
  const key = route.params.get("key") ?? "";
  const loaded = useCall(key ? pinnedPath(app, "entity", { key }) : null);
  return html`<${Answer} loaded=${loaded}>${(/** @type {any} */ data) =>
    data.lookup.result === "found" ? html`<${Found} entity=${data.lookup.value} groups=${data.groups} />`
      : html`<${Others} name=${key} lookup=${data.lookup} />`}<//>`;
}

/** No entity, or several. @param {{ name: string, lookup: any }} props */
function Others({ name, lookup }) {
  const { tenant } = useApp();
  const isSeveral = lookup.result === "ambiguous";
  return html`<header><h1><${Name} text=${name} /></h1></header>
    <p>${isSeveral ? "Several entities have this name." : "This generation has no entity with this key or name."}
      ${!isSeveral && lookup.value.hits.length > 0 && " These contain it:"}</p>
    <ul class="list">${lookup.value.hits.map((/** @type {any} */ hit) => html`<li>
      <a href=${entityHref(tenant, hit._key)}><${Name} text=${titleOf(hit)} /></a> <span class="muted">${typeWords(hit._type)}</span></li>`)}</ul>`;
}

/** @param {{ entity: any, groups: any[] }} props */
function Found({ entity, groups }) {
  const app = useApp();
  const { tenant, session } = app;
  const tables = useCall(pinnedPath(app, "tables")).data ?? [];
  const table = tables.find((/** @type {any} */ known) => known.name === entity._type);
  const alerts = groups.filter((group) => group.otherType === "nexthink_alert" && group.count > 0);
  const others = groups.filter((group) => group.otherType !== "nexthink_alert").sort((one, two) => two.count - one.count);
  const query = `select * from ${entity._type} where _key = ${literal(entity._key)}`;
  return html`<header><h1><${Name} text=${titleOf(entity)} /></h1>
      <span class="badge">${typeWords(entity._type)}</span>${entity._class.filter((/** @type {string} */ name) => name.toLowerCase() !== typeWords(entity._type)).map((/** @type {string} */ name) => html`<span class="badge">${name}</span>`)}
      ${entity.partial && html`<span class="badge warn" title="it may be of an earlier generation">partial type</span>`}</header>
    <div class="row"><a class="button primary" href=${href(tenant, "graph", { key: entity._key })}>Show in the graph</a>
      <a class="button" href=${queryHref(tenant, query)}>As a query</a>
      <a class="button" href=${href(tenant, "graph", { key: entity._key, pick: "path" })}>Find a path to another</a></div>
    <div class="columns">
      <div class="stack">${session.role === "analyst" && html`<${FindingsAbout} entityKey=${entity._key} />`}
        ${alerts.map((group) => html`<${Group} entityKey=${entity._key} group=${group} title="Alerts" />`)}
        ${others.map((group) => html`<${Group} entityKey=${entity._key} group=${group} />`)}
        <${History} entity=${entity} />
        ${groups.length === 0 && html`<p class="muted">It is related to nothing.</p>`}</div>
      <${Properties} entity=${entity} table=${table} />
    </div>`;
}

/** What became of it over the kept generations. @param {{ entity: any }} props */
function History({ entity }) {
  const loaded = useCall(pinnedPath(useApp(), "history", { key: entity._key, type: entity._type }));
  return html`<section class="card"><h2>History</h2><${Answer} loaded=${loaded}>${(/** @type {any} */ history) => html`
    <p class="muted">In ${number(history.generations)} kept ${history.generations === 1 ? "generation" : "generations"}: first on <${Time} value=${history.firstSeen?.createdAt} />,
      last on <${Time} value=${history.lastSeen?.createdAt} /></p>
    <ul class="list">${[...history.changes].reverse().map((change) => html`<li><${Time} value=${change.createdAt} /> <strong>${WORDS[/** @type {keyof typeof WORDS} */ (change.kind)] ?? change.kind}</strong>
      ${change.properties.map((/** @type {any} */ property) => html`<div>${property.name}: <${Value} name=${property.name} value=${property.before} /> → <${Value} name=${property.name} value=${property.after} /></div>`)}</li>`)}</ul>`}<//></section>`;
}

/** What happened to an entity between two generations. */
const WORDS = { appeared: "appeared", changed: "changed", removed: "removed", unknown: "not seen; its type was partial" };

/** @param {{ entity: any, table: any }} props */
function Properties({ entity, table }) {
  const personal = new Set(table?.personal ?? []);
  const known = Object.entries(entity.properties);
  const missing = (table?.columns ?? []).filter((/** @type {string} */ name) => !name.startsWith("_") &&
    !["name", "displayName"].includes(name) && !(name in entity.properties));
  const all = [["_key", entity._key], ["name", entity.name], ["displayName", entity.displayName], ...known].filter(([, value]) => value !== null);
  return html`<div class="card"><header><h2>Properties</h2><span class="muted">${number(all.length)} with a value</span></header>
    <dl class="facts">${all.map(([name, value]) => html`<dt>${name}${personal.has(name) && html` <span class="badge person" title="personal data">personal</span>`}</dt>
      <dd><${Value} name=${name} value=${value} /></dd>`)}</dl>
    ${missing.length > 0 && html`<details><summary>${number(missing.length)} without a value</summary><p class="muted">${missing.join(", ")}</p></details>`}</div>`;
}

/** The query for the neighbors of a group. @param {string} key @param {any} group */
export function groupQuery(key, group) {
  const [near, far] = group.direction === "out" ? ["_fromEntityKey", "_toEntityKey"] : ["_toEntityKey", "_fromEntityKey"];
  return `select e.* from ${group.otherType} e join ${group.relationship} r on r.${far} = e._key where r.${near} = ${literal(key)}`;
}

/** @param {{ entityKey: string, group: any, title?: string }} props */
function Group({ entityKey, group, title }) {
  const app = useApp();
  const { tenant } = app;
  const [limit, setLimit] = useState(NEIGHBORS);
  const params = { key: entityKey, relationship: group.relationship, direction: group.direction, limit };
  const loaded = useCall(group.count > 0 ? pinnedPath(app, "neighbors", params) : null);
  const query = groupQuery(entityKey, group);
  const words = group.direction === "out" ? `${group.class.toLowerCase()} →` : `← ${group.class.toLowerCase()}`;
  return html`<section class="card"><header><h2>${title ?? typeCount(group.otherType, group.count)} <span class="muted">${words}</span></h2>
      <a href=${queryHref(tenant, query)}>${title ? `all ${number(group.count)}` : "all as a table"}</a></header>
    ${group.partial && html`<${Notice} kind="warn">There may be more: the last export of them was not complete.<//>`}
    ${group.count > 0 && html`<${Answer} loaded=${loaded}>${(/** @type {any} */ page) => html`<ul class="list">
      ${page.neighbors.map((/** @type {any} */ neighbor) => html`<${Neighbor} neighbor=${neighbor} />`)}</ul>
      ${page.next !== null && html`<div><button type="button" class="button" onClick=${() => setLimit(limit * 3)}>
        Show more of ${number(group.count)}</button></div>`}`}<//>`}</section>`;
}

/** @param {{ neighbor: any }} props */
function Neighbor({ neighbor }) {
  const { tenant } = useApp();
  const facts = Object.entries(neighbor.properties).filter(([name]) => !name.startsWith("_")).slice(0, 4);
  return html`<li class="row"><a href=${entityHref(tenant, neighbor.entity._key)}><${Name} text=${titleOf(neighbor.entity)} /></a>
    <span class="muted">${facts.map(([name, value], index) => html`${index > 0 && " · "}${name} <${Value} name=${name} value=${value} />`)}</span></li>`;
}
