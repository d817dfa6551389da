// The keyboard: "/" for search, "g" and a letter for a page, "?" for help. Pages add their own keys.

import { useEffect } from "./dom.js";
import { href, navigate, parse } from "./router.js";

/** The pages with their keys, in the order of the navigation. `gap` begins a new group. */
export const PAGES = [
  { page: "overview", title: "Overview", key: "o" },
  { page: "search", title: "Search", key: "s" },
  { page: "graph", title: "Graph", key: "g" },
  { page: "findings", title: "Findings", key: "f" },
  { page: "questions", title: "Questions", key: "q", gap: true },
  { page: "query", title: "Query", key: "y" },
  { page: "runs", title: "Runs", key: "r" },
  { page: "diff", title: "Diff", key: "d" },
  { page: "audit", title: "Audit", key: "a", gap: true },
  { page: "privacy", title: "Privacy", key: "p" },
];

/** How long the second key may come after "g". Milliseconds. */
const SECOND_KEY = 1500;

/** Whether a key is meant for a field that is being typed into. @param {KeyboardEvent} event */
export function isTyping(event) {
  const target = event.target;
  return target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement ||
    target instanceof HTMLSelectElement;
}

/** Listens for the keys of all pages. @param {() => void} onHelp */
export function useKeys(onHelp) {
  useEffect(() => {
    let wentAt = 0;
    const listen = (/** @type {KeyboardEvent} */ event) => {
      if (isTyping(event) || event.ctrlKey || event.metaKey || event.altKey) return;
      if (document.querySelector("dialog[open]")) return;
      const isSecond = event.timeStamp - wentAt < SECOND_KEY;
      wentAt = 0;
      const page = isSecond && PAGES.find((known) => known.key === event.key);
      if (page) {
        navigate(href(parse(location).tenant, page.page));
      } else if (event.key === "g") {
        wentAt = event.timeStamp;
        return;
      } else if (event.key === "/") {
        document.getElementById("search")?.focus();
      } else if (event.key === "?") {
        onHelp();
      } else {
        return;
      }
      event.preventDefault();
    };
    addEventListener("keydown", listen);
    return () => removeEventListener("keydown", listen);
  }, [onHelp]);
}

/** Listens for a key of one page. @param {string} key @param {() => void} action */
export function useKey(key, action) {
  useEffect(() => {
    const listen = (/** @type {KeyboardEvent} */ event) => {
      if (event.key !== key || isTyping(event) || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.defaultPrevented || document.querySelector("dialog[open]")) return;
      event.preventDefault();
      action();
    };
    addEventListener("keydown", listen);
    return () => removeEventListener("keydown", listen);
  }, [key, action]);
}
