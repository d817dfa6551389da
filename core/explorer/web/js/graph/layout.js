// Where each node is: a column for each type, and in it an order that keeps edges short.

/** @typedef {import("./model.js").Node} Node */
/** @typedef {{ node: Node, x: number, y: number, column: number }} Place */
/** @typedef {{ places: Map<string, Place>, columns: { type: string, x: number, number: number }[], width: number, height: number }} Layout */

/** Types that are best read from left to right; others follow. */
const ORDER = ["nexthink_account", "nexthink_user", "nexthink_device", "nexthink_alert", "nexthink_package"];

export const NODE = { width: 230, height: 34 };
const GAP = { x: 80, y: 10 };
/** The column that edges pass by: at the top, so that they do not run behind its boxes. */
const AT_TOP = "nexthink_alert";
const HEAD = 40;
const ROUNDS = 4;

/** @param {string} type */
const rank = (type) => (ORDER.includes(type) ? ORDER.indexOf(type) : ORDER.length);

/** @param {import("./model.js").Graph} graph @returns {Layout} */
export function layout(graph) {
  const types = [...new Set(graph.nodes.map((node) => node.type))].sort((one, two) => rank(one) - rank(two) || one.localeCompare(two));
  const columns = types.map((type) => graph.nodes.filter((node) => node.type === type));
  /** @type {Map<string, string[]>} */
  const neighbors = new Map(graph.nodes.map((node) => [node.id, []]));
  for (const { from, to } of graph.edges) {
    neighbors.get(from)?.push(to);
    neighbors.get(to)?.push(from);
  }
  const tallest = Math.max(1, ...columns.map((column) => column.length));
  /** The place of each node within its column, from 0 to 1. @type {Map<string, number>} */
  const at = new Map();
  const spread = () => columns.forEach((column) => column.forEach((node, index) => at.set(node.id, (index + 0.5) / column.length)));
  spread();
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const column of columns) {
      const wish = new Map(column.map((node) => {
        const others = (neighbors.get(node.id) ?? []).map((id) => at.get(id) ?? 0.5);
        const mean = others.length ? others.reduce((sum, value) => sum + value, 0) / others.length : at.get(node.id) ?? 0.5;
        // What is not shown of a group comes after what is.
        return [node.id, node.kind === "group" ? mean + 0.001 : mean];
      }));
      column.sort((one, two) => (wish.get(one.id) ?? 0) - (wish.get(two.id) ?? 0));
    }
    spread();
  }
  const height = HEAD + tallest * (NODE.height + GAP.y) + GAP.y;
  /** @type {Map<string, Place>} */
  const places = new Map();
  columns.forEach((column, number) => {
    const x = 20 + number * (NODE.width + GAP.x);
    const free = height - HEAD - column.length * (NODE.height + GAP.y);
    column.forEach((node, index) => {
      places.set(node.id, { node, x, column: number, y: HEAD + (types[number] === AT_TOP ? 0 : free / 2) + index * (NODE.height + GAP.y) });
    });
  });
  const heads = types.map((type, number) => ({
    type, x: 20 + number * (NODE.width + GAP.x), number: columns[number].filter((node) => node.kind === "entity").length,
  }));
  return { places, columns: heads, height, width: 40 + types.length * (NODE.width + GAP.x) - GAP.x };
}

/** The node that an arrow key leads to; null if there is none.
 * @param {Layout} drawn @param {string} id @param {string} key @returns {string | null} */
export function next(drawn, id, key) {
  const here = drawn.places.get(id);
  if (!here) return drawn.places.keys().next().value ?? null;
  const side = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: 0, ArrowDown: 0 }[key];
  const others = [...drawn.places.values()].filter((place) => place !== here && (side === 0
    ? place.column === here.column && (key === "ArrowDown" ? place.y > here.y : place.y < here.y)
    : place.column === here.column + (side ?? 0)));
  others.sort((one, two) => Math.abs(one.y - here.y) - Math.abs(two.y - here.y));
  return others[0]?.node.id ?? null;
}
