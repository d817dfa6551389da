// What the graph shows: entities, groups of entities that are not shown, and the edges between them. It follows
// from the address alone: the roots, and what the user has done, one action after the other.

import { useEffect, useRef, useState } from "../dom.js";
import { pinnedPath } from "../app.js";
import { call, tenantPath } from "../api.js";

/** The most entities and groups that are shown. */
export const MOST = 300;
/** The most relationships of a path, as the server searches it. */
export const LONGEST = 6;
/** How many entities of a group are shown at a time. */
export const PAGE = 25;
/** How many entities of each group of a single root are shown at once. */
const FIRST = 12;
/** What everything is related to, so that it tells nothing. */
const HUB = "nexthink_account";

/**
 * An action of the user:
 * ["open", key] shows the groups of an entity · ["more", key, relationship, direction, number] shows so many
 * entities of a group · ["path", from, to] · ["hide", key].
 * @typedef {any[]} Action
 *
 * @typedef {object} Node
 * @property {string} id
 * @property {"entity" | "group"} kind
 * @property {string} type The `_type` of the entity, or of the entities of the group.
 * @property {any} [entity]
 * @property {boolean} [isRoot]
 * @property {boolean} [isOpen] Whether the groups of the entity are shown.
 * @property {any} [group]
 * @property {string} [owner] The key of the entity whose group it is.
 * @property {number} [hidden] How many entities of the group are not shown.
 *
 * @typedef {{ from: string, to: string, label: string, isPath?: boolean }} Edge
 * @typedef {{ nodes: Node[], edges: Edge[], isFull: boolean, apart: string[][], unknown: string[][] }} Graph
 * `apart` has the ends of the paths that do not exist, `unknown` those of which one is not in the generation.
 */

/** Reads the actions of an address. @param {string | null} text @returns {Action[]} */
export function readActions(text) {
  try {
    const actions = JSON.parse(text ?? "[]");
    return Array.isArray(actions) ? actions.filter(Array.isArray) : [];
  } catch {
    return [];
  }
}

/** The ID of a group. @param {string} owner @param {any} group */
export const groupId = (owner, group) => `group ${owner} ${group.relationship} ${group.direction}`;

/** Makes a graph of roots and actions. `read` calls an address with parameters, or with a body.
 * @param {string[]} roots @param {Action[]} actions @param {(path: string, params: any, body?: any) => Promise<any>} read
 * @returns {Promise<Graph>} */
export async function build(roots, actions, read) {
  /** @type {Map<string, Node>} */
  const nodes = new Map();
  /** @type {Map<string, Edge>} */
  const edges = new Map();
  const wanted = new Map();
  /** @type {string[][]} */
  const apart = [];
  /** @type {string[][]} */
  const unknown = [];
  let isFull = false;

  const addEntity = (/** @type {any} */ entity) => {
    if (nodes.has(entity._key)) return true;
    if (nodes.size >= MOST) {
      isFull = true;
      return false;
    }
    nodes.set(entity._key, { id: entity._key, kind: "entity", type: entity._type, entity });
    return true;
  };
  const addEdge = (/** @type {string} */ from, /** @type {string} */ to, /** @type {string} */ label, isPath = false) => {
    const id = `${from} ${label} ${to}`;
    edges.set(id, { from, to, label, isPath: isPath || edges.get(id)?.isPath });
  };
  const expand = async (/** @type {string} */ owner, /** @type {any} */ group, /** @type {number} */ limit) => {
    const { relationship, direction } = group;
    const page = await read("neighbors", { key: owner, relationship, direction, limit });
    let shown = 0;
    for (const { entity } of page.neighbors) {
      if (!addEntity(entity)) break;
      shown += 1;
      if (direction === "out") addEdge(owner, entity._key, group.class);
      else addEdge(entity._key, owner, group.class);
    }
    return page.count - shown;
  };
  const open = async (/** @type {string} */ key, isRoot = false) => {
    const answer = await read("entity", { key });
    if (answer.lookup.result !== "found") return;
    const entity = answer.lookup.value;
    if (!addEntity(entity)) return;
    // An address may have the name of an entity.
    key = entity._key;
    const node = /** @type {Node} */ (nodes.get(key));
    node.isOpen = true;
    if (isRoot) node.isRoot = true;
    const groups = answer.groups.filter((/** @type {any} */ known) => known.count > 0 && known.otherType !== HUB);
    for (const group of groups) {
      const id = groupId(key, group);
      const asked = wanted.get(id) ?? (isRoot ? FIRST : 0);
      const hidden = asked > 0 ? await expand(key, group, Math.min(asked, MOST)) : group.count;
      if (hidden > 0 && nodes.size >= MOST) {
        isFull = true;
      } else if (hidden > 0) {
        nodes.set(id, { id, kind: "group", type: group.otherType, group, owner: key, hidden });
        if (group.direction === "out") addEdge(key, id, group.class);
        else addEdge(id, key, group.class);
      }
    }
  };

  for (const [what, owner, relationship, direction, number] of actions) {
    if (what === "more") wanted.set(groupId(owner, { relationship, direction }), number);
  }
  if (roots.length === 1) {
    await open(roots[0], true);
  } else {
    for (const key of roots) {
      const { lookup } = await read("entity", { key });
      if (lookup.result === "found" && addEntity(lookup.value)) {
        /** @type {Node} */ (nodes.get(lookup.value._key)).isRoot = true;
      }
    }
    const among = await read("edges", {}, { keys: [...nodes.keys()] });
    for (const edge of among) addEdge(edge._fromEntityKey, edge._toEntityKey, edge._class);
  }
  for (const [what, one, two] of actions) {
    if (what === "open" && nodes.has(one)) await open(one);
    if (what === "path") {
      const path = await read("path", { from: one, to: two }).catch((error) => {
        // An address may be older than the generation that is shown.
        if (error.status !== 404) throw error;
        unknown.push([one, two]);
      });
      if (path === null) apart.push([one, two]);
      path?.entities.forEach(addEntity);
      for (const edge of path?.edges ?? []) addEdge(edge._fromEntityKey, edge._toEntityKey, edge._class, true);
    }
  }
  for (const [what, key] of actions) {
    if (what !== "hide") continue;
    for (const node of [...nodes.values()]) if (node.id === key || node.owner === key) nodes.delete(node.id);
  }
  const isShown = (/** @type {Edge} */ edge) => nodes.has(edge.from) && nodes.has(edge.to);
  return { nodes: [...nodes.values()], edges: [...edges.values()].filter(isShown), isFull, apart, unknown };
}

/** The graph of an address; the one before while it is being read.
 * @param {import("../app.js").App} app @param {string[]} roots @param {Action[]} actions
 * @returns {{ graph: Graph | null, error: any, loading: boolean }} */
export function useGraph(app, roots, actions) {
  const { tenant, generation } = app;
  const [state, setState] = useState(/** @type {any} */ ({ graph: null, error: null, loading: true }));
  // What was read once is not read again for the next action.
  const known = useRef(/** @type {Map<string, Promise<any>>} */ (new Map()));
  const asked = JSON.stringify([tenant, roots, actions, generation]);
  useEffect(() => {
    known.current = new Map();
  }, [tenant, generation]);
  useEffect(() => {
    let isWanted = true;
    const read = (/** @type {string} */ path, /** @type {any} */ params, /** @type {any} */ body) => {
      const address = body ? tenantPath(tenant, path) : pinnedPath(app, path, params);
      const sent = body && { ...body, generation };
      const name = `${address} ${JSON.stringify(sent)}`;
      const found = known.current.get(name) ?? call(address, { body: sent });
      known.current.set(name, found);
      found.catch(() => known.current.delete(name));
      return found;
    };
    setState((/** @type {any} */ old) => ({ ...old, loading: true }));
    build(roots, actions, read).then(
      (graph) => isWanted && setState({ graph, error: null, loading: false }),
      (error) => isWanted && setState({ graph: null, error, loading: false }),
    );
    return () => {
      isWanted = false;
    };
  }, [asked]);
  return state;
}
