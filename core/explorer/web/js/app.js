// What all pages share: who is signed in, the tenant, and the version of what is shown.

import { createContext, useContext } from "./dom.js";
import { tenantPath, useCall } from "./api.js";
import { href } from "./router.js";

/**
 * @typedef {object} App
 * @property {{ user: string, role: "viewer" | "analyst", version: string,
 *   tenants: { name: string, generation: string | null }[] }} session
 * @property {string} tenant The tenant of the page.
 * @property {string | null} generation The generation that is shown; null before the first run.
 */

/** @type {import("../vendor/preact.js").Context<App>} */
export const AppContext = createContext(/** @type {any} */ (null));

/** @returns {App} */
export const useApp = () => useContext(AppContext);

/** The address of a call about the generation that is shown, whichever is published by now.
 * @param {App} app @param {string} path @param {Record<string, string | number | null | undefined>} [params] */
export const pinnedPath = (app, path, params = {}) => tenantPath(app.tenant, path, { ...params, generation: app.generation });

/** Asks a query of the generation that is shown, unless it names another one. Nothing is asked for null.
 * @param {Record<string, unknown> | null} asked @param {unknown} [version] */
export function useQuery(asked, version) {
  const { tenant, generation } = useApp();
  const path = asked ? tenantPath(tenant, "query") : null;
  return useCall(path, asked ? { asOf: generation, ...asked } : undefined, version, asked);
}

/** The address of all rows of a query as CSV, of the generation that is shown unless it names another one.
 * @param {App} app @param {Record<string, string>} params */
export const csvPath = (app, params) => tenantPath(app.tenant, "query.csv", { asOf: app.generation, ...params });

/** The address of the rows of a query.
 * @param {string} tenant @param {string} query @param {Record<string, string>} [more] */
export const queryHref = (tenant, query, more = {}) => href(tenant, "query", { q: query, ...more });

/** The query for all objects of a type, the most telling columns first.
 * @param {App} app @param {string} type @param {boolean} [isEntity] */
export function allOf(app, type, isEntity = true) {
  if (!isEntity) return `select * exclude (_key, _type, _class) from ${type}`;
  // Some names are personal data, which a viewer has no columns of.
  if (app.session.role === "viewer") return `select * exclude (_type, _class) from ${type}`;
  return `select displayName, * exclude (displayName, name, _type, _class) from ${type} order by displayName`;
}

/** A text as a literal of SQL. @param {string} text */
export const literal = (text) => `'${text.replaceAll("'", "''")}'`;

/** How many entities are taken from an answer into the graph. */
const GRAPHED = 40;

/** The address of the graph of the first entities of an answer.
 * @param {string} tenant @param {string[]} keys */
export const graphHref = (tenant, keys) => href(tenant, "graph", { keys: JSON.stringify([...new Set(keys)].slice(0, GRAPHED)) });

/** The address of an entity.
 * @param {string} tenant @param {string} key */
export const entityHref = (tenant, key) => href(tenant, "entity", { key });
