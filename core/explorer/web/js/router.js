// Addresses: /t/TENANT/PAGE/ID?parameters. They hold all that a page shows, so that a reload, the back button
// and a copied link show the same.

import { useEffect, useState } from "./dom.js";

/**
 * @typedef {object} Route
 * @property {string} tenant The tenant; empty at "/".
 * @property {string} page The page, such as "overview".
 * @property {string} id What the page is about; may be empty.
 * @property {URLSearchParams} params The rest.
 */

/** Reads an address.
 * @param {Location | URL} location
 * @returns {Route} */
export function parse(location) {
  const parts = location.pathname.split("/").map(decode);
  const params = new URLSearchParams(location.search);
  if (parts[1] !== "t") return { tenant: "", page: "", id: "", params };
  return { tenant: parts[2] ?? "", page: parts[3] || "overview", id: parts[4] ?? "", params };
}

/** @param {string} part */
function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** Writes an address. Parameters that are empty are left out.
 * @param {string} tenant
 * @param {string} page
 * @param {Record<string, string | number | null | undefined>} [params]
 * @param {string} [id] */
export function href(tenant, page, params = {}, id = "") {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (value !== null && value !== undefined && value !== "") query.set(name, String(value));
  }
  const path = ["", "t", tenant, page, ...(id ? [id] : [])].map(encodeURIComponent).join("/");
  return query.size ? `${path}?${query}` : path;
}

/** Goes to an address.
 * @param {string} to
 * @param {{ replace?: boolean }} [options] */
export function navigate(to, { replace = false } = {}) {
  if (to === location.pathname + location.search) return;
  history[replace ? "replaceState" : "pushState"](null, "", to);
  dispatchEvent(new Event("routechange"));
  if (!replace) scrollTo(0, 0);
}

/** Changes parameters of the current address. */
export function setParams(/** @type {Record<string, string | number | null | undefined>} */ changes, replace = true) {
  const route = parse(location);
  const params = { ...Object.fromEntries(route.params), ...changes };
  navigate(href(route.tenant, route.page, params, route.id), { replace });
}

/** The current route. The component is drawn again when it changes.
 * @returns {Route} */
export function useRoute() {
  const [route, setRoute] = useState(() => parse(location));
  useEffect(() => {
    const read = () => setRoute(parse(location));
    addEventListener("popstate", read);
    addEventListener("routechange", read);
    return () => {
      removeEventListener("popstate", read);
      removeEventListener("routechange", read);
    };
  }, []);
  return route;
}

/** Lets plain links within the page change the address without loading the page again. */
export function followLinks() {
  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const target = event.target instanceof Element ? event.target.closest("a") : null;
    if (!target || target.hasAttribute("download") || target.target) return;
    const url = new URL(target.href, location.href);
    if (url.origin !== location.origin || !url.pathname.startsWith("/t/")) return;
    event.preventDefault();
    navigate(url.pathname + url.search);
  });
}
