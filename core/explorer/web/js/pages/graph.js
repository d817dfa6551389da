// The graph around an entity, or between several.

import { html, useCallback, useEffect, useMemo, useRef, useState } from "../dom.js";
import { entityHref, pinnedPath, queryHref, useApp } from "../app.js";
import { Notice, Problem, useSettled } from "../parts.js";
import { href, navigate, setParams } from "../router.js";
import { Found, titleOf } from "../searchbox.js";
import { useCall } from "../api.js";
import { useKey } from "../keys.js";
import { DataTable } from "../table.js";
import { Name, count, number, typeWords } from "../text.js";
import { layout } from "../graph/layout.js";
import { LONGEST, MOST, PAGE, readActions, useGraph } from "../graph/model.js";
import { savePng, saveSvg } from "../graph/picture.js";
import { GraphView, labelOf } from "../graph/view.js";
import { groupQuery } from "./entity.js";

/** @param {{ route: import("../router.js").Route }} props */
export function GraphPage({ route }) {
  const { tenant } = useApp();
  const roots = rootsOf(route.params);
  if (roots.length === 0) {
    return html`<header><h1>Graph</h1></header><p>Choose what to begin with: a device, a user, a package or an alert.</p>
      <${Picker} label="Begin with" onPick=${(/** @type {string} */ key) => navigate(href(tenant, "graph", { key }))} />`;
  }
  return html`<${Drawn} route=${route} roots=${roots} />`;
}

/** @param {URLSearchParams} params @returns {string[]} */
function rootsOf(params) {
  const key = params.get("key");
  if (key) return [key];
  return readActions(`[${params.get("keys") ?? "[]"}]`)[0]?.map(String) ?? [];
}

/** Searches an entity and picks it. @param {{ label: string, onPick: (key: string) => void }} props */
function Picker({ label, onPick }) {
  const app = useApp();
  const [text, setText] = useState("");
  const settled = useSettled(text.trim(), 100);
  const { data } = useCall(settled.length > 1 ? pinnedPath(app, "search", { text: settled, limit: 12 }) : null);
  return html`<div class="stack picker"><label class="field">${label}
      <input class="input" type="search" value=${text} autocomplete="off" onInput=${(/** @type {any} */ event) => setText(event.target.value)} /></label>
    <ul class="list">${(settled.length > 1 ? data?.hits ?? [] : []).map((/** @type {any} */ hit) => html`<li><button type="button" class="button quiet"
      onClick=${() => onPick(hit._key)}><${Name} text=${titleOf(hit)} /> <${Found} hit=${hit} /></button></li>`)}</ul></div>`;
}

/** @param {{ route: import("../router.js").Route, roots: string[] }} props */
function Drawn({ route, roots }) {
  const app = useApp();
  const { tenant } = app;
  const text = route.params.get("did");
  const actions = useMemo(() => readActions(text), [text]);
  const { graph, error, loading } = useGraph(app, roots, actions);
  const drawn = useMemo(() => (graph ? layout(graph) : null), [graph]);
  const [chosen, setChosen] = useState(roots[0]);
  const [zoom, setZoom] = useState(0);
  const frame = useRef(/** @type {HTMLDivElement | null} */ (null));
  const isTable = route.params.get("as") === "table";
  const selected = drawn?.places.has(chosen) ? chosen : drawn?.places.keys().next().value ?? "";
  const setActions = (/** @type {any[]} */ next) => setParams({ did: next.length ? JSON.stringify(next) : null, pick: null }, false);
  const act = (/** @type {any[]} */ action) => {
    const isSame = (/** @type {any[]} */ known) => action[0] === "more" && known.slice(0, 4).join(" ") === action.slice(0, 4).join(" ");
    setActions([...actions.filter((known) => !isSame(known)), action]);
  };
  const open = (/** @type {import("../graph/model.js").Node} */ node) => {
    setChosen(node.id);
    if (node.kind === "group") {
      const shown = node.group.count - (node.hidden ?? 0);
      act(["more", node.owner, node.group.relationship, node.group.direction, shown + PAGE]);
    } else if (!node.isOpen) {
      act(["open", node.id]);
    } else {
      navigate(entityHref(tenant, node.id));
    }
  };
  const undo = useCallback(() => setActions(actions.slice(0, -1)), [actions]);
  const toggle = useCallback(() => setParams({ as: isTable ? null : "table" }), [isTable]);
  useKey("u", undo);
  useKey("t", toggle);
  useEffect(() => {
    // All columns are in view at first, and the root in the middle.
    const [place, element] = [drawn?.places.get(roots[0]), frame.current];
    if (!element || !drawn) return;
    const fitting = Math.max(0.55, Math.min(1, (element.clientWidth - 4) / drawn.width));
    setZoom(fitting);
    if (place) requestAnimationFrame(() => { element.scrollTop = place.y * fitting - element.clientHeight / 2; });
  }, [drawn === null, isTable]);
  const undoing = html`<button type="button" class="button" onClick=${undo} disabled=${actions.length === 0}>Undo <kbd>u</kbd></button>`;
  if (error) return html`<header><h1>Graph</h1></header><${Problem} error=${error} /><div class="row">${undoing}</div>`;
  if (!graph || !drawn) return html`<header><h1>Graph</h1></header><p class="loading" role="status">Loading…</p>`;
  if (graph.nodes.length === 0) return html`<header><h1>Graph</h1></header><p>This generation does not have this entity.</p>`;
  const root = graph.nodes.find((node) => node.id === roots[0]);
  const svg = () => /** @type {SVGSVGElement | null} */ (frame.current?.querySelector("svg.graph"));
  return html`<header><h1>${root && roots.length === 1 ? html`Around <${Name} text=${labelOf(root)} />` : "Graph"}</h1>
      <span class="muted" role="status">${loading ? "loading…" : `${count(graph.nodes.filter((node) => node.kind === "entity").length, "entity")}, ${count(graph.edges.length, "edge")}`}</span></header>
    <div class="row">${undoing}
      <button type="button" class="button" aria-pressed=${isTable} onClick=${toggle}>Table <kbd>t</kbd></button>
      <button type="button" class="button" onClick=${() => setZoom(Math.max(0.3, zoom - 0.15))} aria-label="Smaller">−</button>
      <button type="button" class="button" onClick=${() => setZoom(Math.min(2, zoom + 0.15))} aria-label="Larger">+</button>
      <button type="button" class="button" disabled=${isTable} onClick=${() => { const drawing = svg(); if (drawing) saveSvg(drawing); }}>Save SVG</button>
      <button type="button" class="button" disabled=${isTable} onClick=${() => { const drawing = svg(); if (drawing) savePng(drawing); }}>Save PNG</button></div>
    ${graph.isFull && html`<${Notice} kind="warn">No more than ${number(MOST)} entities and groups are shown. Hide some, or look at a group as a table.<//>`}
    ${roots.length > 1 && graph.edges.length === 0 && html`<${Notice}>These entities are not related to each other. Select one and show what it is related to.<//>`}
    ${graph.apart.map((ends) => html`<${Apart} ends=${ends} nodes=${graph.nodes} />`)}
    ${graph.unknown.map(([from, to]) => html`<${Notice} kind="warn">There is no path from ${from} to ${to}: one of them is not in this generation.<//>`)}
    <div class="graph-page">
      ${isTable ? html`<${AsTable} graph=${graph} sort=${route.params.get("sort")} />` : html`<div class="scroll tall graph-frame" ref=${frame}>
        <${GraphView} graph=${graph} drawn=${drawn} selected=${selected} zoom=${zoom || 1} onSelect=${setChosen} onOpen=${open} /></div>`}
      <${Side} node=${drawn.places.get(selected)?.node} root=${roots[0]} act=${act} open=${open} actions=${actions} setActions=${setActions}
        isPicking=${route.params.get("pick") === "path"} />
    </div>`;
}

/** Says that two entities are not related. @param {{ ends: string[], nodes: import("../graph/model.js").Node[] }} props */
function Apart({ ends, nodes }) {
  const [from, to] = ends.map((key) => {
    const node = nodes.find((known) => known.id === key);
    return node ? labelOf(node) : key;
  });
  return html`<${Notice}>There is no path from <${Name} text=${from} /> to <${Name} text=${to} /> over at most ${LONGEST} relationships.<//>`;
}

/** What is selected, and what can be done with it. @param {any} props */
function Side({ node, root, act, open, actions, setActions, isPicking }) {
  const { tenant } = useApp();
  const [isPath, setPath] = useState(isPicking);
  if (!node) return null;
  if (node.kind === "group") {
    const group = node.group;
    const isOwn = (/** @type {any[]} */ action) => action[0] === "more" && action[1] === node.owner && action[2] === group.relationship && action[3] === group.direction;
    return html`<aside class="card" aria-label="Selected"><h2>${labelOf(node)}</h2>
      <p class="muted">${group.class} · ${number(group.count)} in all</p>
      <button type="button" class="button primary" onClick=${() => open(node)}>Show ${Math.min(PAGE, node.hidden)} more</button>
      ${actions.some(isOwn) && html`<button type="button" class="button" onClick=${() => setActions(actions.filter((/** @type {any[]} */ action) => !isOwn(action)))}>Collapse</button>`}
      <a class="button" href=${queryHref(tenant, groupQuery(node.owner, group))}>All as a table</a></aside>`;
  }
  const { entity } = node;
  return html`<aside class="card" aria-label="Selected"><h2><${Name} text=${titleOf(entity)} /></h2>
    <div class="row"><span class="badge">${typeWords(entity._type)}</span></div>
    <a class="button primary" href=${entityHref(tenant, entity._key)}>Open</a>
    ${!node.isOpen && html`<button type="button" class="button" onClick=${() => open(node)}>Show what it is related to</button>`}
    <a class="button" href=${href(tenant, "graph", { key: entity._key })}>Begin here</a>
    ${node.id !== root && html`<button type="button" class="button" onClick=${() => act(["path", root, node.id])}>Path from the first one</button>
      <button type="button" class="button" onClick=${() => act(["hide", node.id])}>Hide</button>`}
    <button type="button" class="button" aria-expanded=${isPath} onClick=${() => setPath(!isPath)}>Path to another…</button>
    ${isPath && html`<${Picker} label="To" onPick=${(/** @type {string} */ key) => { setPath(false); act(["path", node.id, key]); }} />`}</aside>`;
}

/** The same as a table. @param {{ graph: import("../graph/model.js").Graph, sort: string | null }} props */
function AsTable({ graph, sort }) {
  const { tenant } = useApp();
  const labels = new Map(graph.nodes.map((node) => [node.id, labelOf(node)]));
  const types = new Map(graph.nodes.map((node) => [node.id, typeWords(node.type)]));
  const rows = graph.edges.map((edge) => ({
    from: labels.get(edge.from), fromType: types.get(edge.from), label: edge.label, to: labels.get(edge.to), toType: types.get(edge.to),
    key: edge.to.startsWith("group ") ? edge.from : edge.to,
  }));
  const columns = [
    { name: "from" }, { name: "fromType", title: "is a" }, { name: "label", title: "relationship" }, { name: "to" }, { name: "toType", title: "is a" },
  ];
  return html`<${DataTable} columns=${columns} rows=${rows} label="Edges" sort=${sort} rowHref=${(/** @type {any} */ row) => (row ? entityHref(tenant, row.key) : null)} />`;
}
