// The frame around every page: the bar, the navigation, help, and news of a new generation.

import { html, useCallback, useEffect, useErrorBoundary, useRef, useState } from "./dom.js";
import { useApp } from "./app.js";
import { PAGES, useKeys } from "./keys.js";
import { href, navigate } from "./router.js";
import { Dialog, Notice } from "./parts.js";
import { pageOf } from "./pages.js";
import { SearchBox } from "./searchbox.js";

/** @param {{ route: import("./router.js").Route, isOffline: boolean, published: string | null, onShow: () => void }} props */
export function Frame({ route, isOffline, published, onShow }) {
  const [isHelp, setHelp] = useState(false);
  const openHelp = useCallback(() => setHelp(true), []);
  useKeys(openHelp);
  const page = pageOf(route.page);
  const main = useRef(/** @type {HTMLElement | null} */ (null));
  const nav = useRef(/** @type {HTMLElement | null} */ (null));
  const place = `${route.tenant}/${route.page}/${route.id}`;
  const firstPlace = useRef(place);
  useEffect(() => {
    document.title = `${page?.title ?? "Not found"} · ${route.tenant} · Nexthink Graph`;
    // A screen reader goes on at the new page, not where the old one ended.
    if (firstPlace.current !== place) main.current?.focus();
    firstPlace.current = place;
    if (nav.current) showCurrent(nav.current);
  }, [place]);
  return html`<div class="frame">
    <a class="skip" href="#main">Skip to the page</a>
    <${Bar} onHelp=${openHelp} />
    <nav class="nav" aria-label="Pages"><ul ref=${nav}>${PAGES.map((known) => html`<li class=${known.gap ? "gap" : ""}>
      <a href=${href(route.tenant, known.page)} aria-current=${page?.nav === known.page ? "page" : undefined}>
        ${known.title}<kbd aria-hidden="true">g ${known.key}</kbd></a></li>`)}</ul></nav>
    <main class="page" id="main" tabindex="-1" ref=${main}>
      ${isOffline && html`<${Notice} kind="warn">The server does not answer. This page shows what it knew last.<//>`}
      <${Page} key=${place} page=${page} route=${route} />
    </main>
    ${published && html`<div class="toast notice info" role="status"><div class="row">
      <span class="grow">A new generation was published.</span>
      <button type="button" class="button primary" onClick=${onShow}>Show it</button></div></div>`}
    ${isHelp && html`<${Help} onClose=${() => setHelp(false)} />`}
  </div>`;
}

/** Scrolls the navigation sideways, where it is a row, to the current page. @param {HTMLElement} list */
function showCurrent(list) {
  const current = list.querySelector("[aria-current]")?.getBoundingClientRect();
  const row = list.getBoundingClientRect();
  if (!current || (current.left >= row.left && current.right <= row.right)) return;
  list.scrollLeft += current.left - row.left - (row.width - current.width) / 2;
}

/** The page of an address, or why it cannot be drawn. @param {{ page: any, route: any }} props */
function Page({ page, route }) {
  const [error] = useErrorBoundary();
  if (error) return html`<h1>${page.title}</h1><${Notice} kind="bad">This page has a defect: ${error.message}<//>`;
  if (!page) return html`<h1>Not found</h1><p>There is no page “${route.page}”. <a href=${href(route.tenant, "overview")}>Go to the overview</a></p>`;
  return html`<${page.view} route=${route} />`;
}

/** @param {{ onHelp: () => void }} props */
function Bar({ onHelp }) {
  const { session, tenant } = useApp();
  return html`<header class="bar">
    <a class="brand" href=${href(tenant, "overview")}><${Mark} />Nexthink Graph</a>
    <${SearchBox} key=${tenant} />
    <div class="end">
      ${session.tenants.length > 1
        ? html`<label class="row">Tenant <select class="input" style=${{ width: "auto" }} value=${tenant}
            onChange=${(/** @type {any} */ event) => navigate(href(event.target.value, "overview"))}>
            ${session.tenants.map((known) => html`<option value=${known.name}>${known.name}</option>`)}</select></label>`
        : html`<span class="badge" title="tenant">${tenant}</span>`}
      ${session.role === "viewer" && html`<span class="badge person" title="personal data is left out">viewer</span>`}
      <${Theme} />
      <button type="button" class="button quiet" onClick=${onHelp} title="Keys and help (?)">Help</button>
    </div></header>`;
}

function Mark() {
  return html`<svg viewBox="0 0 32 32" aria-hidden="true"><rect width="32" height="32" rx="7" fill="var(--accent)" />
    <path d="M9 10 22 8M9 10l6 13M22 8l-7 15" stroke="var(--accent-text)" stroke-width="2.4" />
    <g fill="var(--accent-text)"><circle cx="9" cy="10" r="3.6" /><circle cx="22.5" cy="8" r="3.6" /><circle cx="15" cy="23" r="3.6" /></g></svg>`;
}

/** Light, dark, or as the system is. */
function Theme() {
  const [theme, setTheme] = useState(localStorage.getItem("theme") ?? "auto");
  useEffect(() => {
    localStorage.setItem("theme", theme);
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
  }, [theme]);
  const next = { auto: "dark", dark: "light", light: "auto" }[theme] ?? "auto";
  return html`<button type="button" class="button quiet" onClick=${() => setTheme(next)}
    title=${`Switch to ${next}`}>Theme: ${theme}</button>`;
}

/** @param {{ onClose: () => void }} props */
function Help({ onClose }) {
  const keys = [
    ["/", "search"], ...PAGES.map((page) => [`g ${page.key}`, page.title]),
    ["↑ ↓ Enter", "move through a table or graph, open"], ["t", "show a chart or graph as a table, and back"],
    ["u", "undo in the graph"], ["Ctrl Enter", "run the query"], ["?", "this help"], ["Esc", "close"],
  ];
  return html`<${Dialog} title="Keys" onClose=${onClose}>
    <table class="plain"><tbody>${keys.map(([key, what]) => html`<tr><td><kbd>${key}</kbd></td><td>${what}</td></tr>`)}</tbody></table>
    <p class="muted">Every page has its state in the address: reload it, go back, or send it to a colleague who may use this server.</p>
    <p><a href="/api/v1/openapi.json" target="_blank" rel="noopener">The API of these pages (OpenAPI)</a></p><//>`;
}
