// Draws a graph in SVG. Whoever wants another way to draw replaces this module alone.

import { html, useEffect, useRef } from "../dom.js";
import { titleOf } from "../searchbox.js";
import { number, plain, typeWords } from "../text.js";
import { NODE, next } from "./layout.js";

/** The text of a node. @param {import("./model.js").Node} node */
export function labelOf(node) {
  if (node.kind === "entity") return plain(String(titleOf(node.entity)));
  const more = (node.hidden ?? 0) < node.group.count ? " more" : "";
  return `${number(node.hidden)}${more} ${typeWords(node.type)}${node.hidden === 1 ? "" : "s"}`;
}

/** @param {{ graph: import("./model.js").Graph, drawn: import("./layout.js").Layout, selected: string, zoom: number,
 *   onSelect: (id: string) => void, onOpen: (node: import("./model.js").Node) => void }} props */
export function GraphView({ graph, drawn, selected, zoom, onSelect, onOpen }) {
  const svg = useRef(/** @type {SVGSVGElement | null} */ (null));
  const moved = useRef(false);
  useEffect(() => {
    if (!moved.current) return;
    moved.current = false;
    const element = /** @type {SVGElement | null} */ (svg.current?.querySelector(".node.selected"));
    element?.focus();
    element?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [selected]);
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    const place = drawn.places.get(selected);
    if (event.key.startsWith("Arrow")) {
      const to = next(drawn, selected, event.key);
      if (!to) return;
      moved.current = true;
      onSelect(to);
    } else if ((event.key === "Enter" || event.key === " ") && place) {
      onOpen(place.node);
    } else {
      return;
    }
    event.preventDefault();
  };
  const touches = (/** @type {import("./model.js").Edge} */ edge) => edge.from === selected || edge.to === selected;
  // One label for each kind of edges is enough.
  const labelled = new Set();
  const isLabelled = (/** @type {import("./model.js").Edge} */ edge) => {
    if (!edge.isPath && (!touches(edge) || labelled.has(edge.label))) return false;
    labelled.add(edge.label);
    return true;
  };
  return html`<svg ref=${svg} class="graph" width=${drawn.width * zoom} height=${drawn.height * zoom} viewBox=${`0 0 ${drawn.width} ${drawn.height}`}
      role="group" aria-label="Graph: arrows move, Enter opens, t shows a table" onKeyDown=${onKeyDown}>
    ${drawn.columns.map((column) => html`<text class="head" x=${column.x} y="22">${typeWords(column.type)} (${number(column.number)})</text>`)}
    ${graph.edges.map((edge) => html`<${EdgeLine} key=${`${edge.from} ${edge.label} ${edge.to}`} edge=${edge} drawn=${drawn} isLit=${touches(edge)} isLabelled=${isLabelled(edge)} />`)}
    ${[...drawn.places.values()].map((place) => html`<${NodeBox} key=${place.node.id} place=${place} isSelected=${place.node.id === selected}
      onSelect=${onSelect} onOpen=${onOpen} />`)}
  </svg>`;
}

/** @param {{ edge: import("./model.js").Edge, drawn: import("./layout.js").Layout, isLit: boolean,
 *   isLabelled: boolean }} props */
function EdgeLine({ edge, drawn, isLit, isLabelled }) {
  const [from, to] = [drawn.places.get(edge.from), drawn.places.get(edge.to)];
  if (!from || !to) return null;
  const middle = NODE.height / 2;
  const [left, right] = from.x <= to.x ? [from, to] : [to, from];
  const [x1, y1, x2, y2] = left.x === right.x
    ? [left.x + NODE.width, left.y + middle, right.x + NODE.width, right.y + middle]
    : [left.x + NODE.width, left.y + middle, right.x, right.y + middle];
  const bend = left.x === right.x ? 50 : (x2 - x1) / 2;
  const path = left.x === right.x
    ? `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 + bend} ${y2} ${x2} ${y2}`
    : `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
  const kind = `edge${isLit ? " lit" : ""}${edge.isPath ? " path" : ""}`;
  return html`<g class=${kind}><path d=${path} /><title>${edge.label}</title>
    ${isLabelled && html`<text x=${(x1 + x2) / 2} y=${(y1 + y2) / 2 - 4} text-anchor="middle">${from.x <= to.x ? `${edge.label} →` : `← ${edge.label}`}</text>`}</g>`;
}

/** What a text takes up. Nothing is drawn on it. */
const ruler = document.createElement("canvas").getContext("2d");
if (ruler) ruler.font = '13px system-ui, "Segoe UI", "Noto Sans", sans-serif';

/** Whether a box has no room for the whole of a text. SVG does not shorten texts by itself.
 * @param {string} text */
const isTooLong = (text) => ruler !== null && ruler.measureText(text).width > NODE.width - 22;

/** @param {{ place: import("./layout.js").Place, isSelected: boolean, onSelect: (id: string) => void,
 *   onOpen: (node: import("./model.js").Node) => void }} props */
function NodeBox({ place, isSelected, onSelect, onOpen }) {
  const { node, x, y } = place;
  const label = labelOf(node);
  const isCut = isTooLong(label);
  const kind = `node ${node.kind} ${node.type.replace(/^nexthink_/, "")}${isSelected ? " selected" : ""}${node.isRoot ? " root" : ""}`;
  const what = node.kind === "group" ? `${label}, not shown: Enter shows ${node.hidden === 1 ? "it" : "some"}` : `${typeWords(node.type)} ${label}`;
  return html`<g class=${kind} transform=${`translate(${x} ${y})`} role="button" tabindex=${isSelected ? 0 : -1} aria-label=${what}
      aria-pressed=${isSelected} onClick=${() => (node.kind === "group" ? onOpen(node) : onSelect(node.id))} onDblClick=${() => onOpen(node)}>
    <rect width=${NODE.width} height=${NODE.height} rx=${node.kind === "group" ? 17 : 6} />
    <rect class="mark" width="6" height=${NODE.height} rx="3" />
    <svg x="14" width=${NODE.width - (isCut ? 37 : 18)} height=${NODE.height}><text x="2" y="22">${label}</text></svg>
    ${isCut && html`<text class="more" x=${NODE.width - 20} y="22" aria-hidden="true">…</text>`}<title>${label}</title></g>`;
}
