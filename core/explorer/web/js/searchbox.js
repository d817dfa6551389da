// The search field of the bar: answers as one types, arrows choose, Enter opens.

import { html, useEffect, useRef, useState } from "./dom.js";
import { entityHref, pinnedPath, useApp } from "./app.js";
import { useCall } from "./api.js";
import { useSettled } from "./parts.js";
import { href, navigate, parse } from "./router.js";
import { Name, number, typeWords } from "./text.js";

/** How many answers the list has. */
const HITS = 8;

/** The name of an entity, or its key. @param {any} entity */
export const titleOf = (entity) => entity.displayName ?? entity.name ?? entity._key;

/** What an entity is, beside its name: the value in which the text was found, if that is another.
 * @param {{ hit: any }} props */
export function Found({ hit }) {
  const isOther = !["name", "displayName"].includes(hit.property);
  return html`<span class="muted">${isOther && html`<${Name} text=${hit.value} /> · `}${typeWords(hit._type)}</span>`;
}

export function SearchBox() {
  const app = useApp();
  const { tenant, generation } = app;
  const [text, setText] = useState(parse(location).params.get("text") ?? "");
  const [isOpen, setOpen] = useState(false);
  const [at, setAt] = useState(-1);
  const field = useRef(/** @type {HTMLInputElement | null} */ (null));
  const settled = useSettled(text.trim(), 80);
  const path = isOpen && settled.length > 1 && generation ? pinnedPath(app, "search", { text: settled, limit: HITS }) : null;
  const { data } = useCall(path);
  const hits = path ? data?.hits ?? [] : [];
  useEffect(() => setAt(-1), [settled]);
  const leave = () => {
    setOpen(false);
    field.current?.blur();
  };
  const open = () => {
    const hit = hits[at];
    if (!hit && !text.trim()) return;
    leave();
    navigate(hit ? entityHref(tenant, hit._key) : href(tenant, "search", { text: text.trim() }));
  };
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "ArrowDown") setAt(Math.min(hits.length - 1, at + 1));
    else if (event.key === "ArrowUp") setAt(Math.max(-1, at - 1));
    else if (event.key === "Escape") leave();
    else return;
    event.preventDefault();
  };
  const isShown = isOpen && hits.length > 0;
  return html`<form role="search" onSubmit=${(/** @type {Event} */ event) => { event.preventDefault(); open(); }}>
    <label class="visually-hidden" for="search">Search devices, users, packages and alerts</label>
    <input id="search" class="input" type="search" autocomplete="off" spellcheck="false" ref=${field} value=${text}
      placeholder="Search a name, e-mail, serial, IP or key   ( / )"
      role="combobox" aria-expanded=${isShown} aria-controls="found" aria-autocomplete="list"
      aria-activedescendant=${at >= 0 ? `found-${at}` : undefined}
      onInput=${(/** @type {any} */ event) => { setText(event.target.value); setOpen(true); }}
      onFocus=${() => setOpen(true)} onBlur=${() => setTimeout(() => setOpen(false), 150)} onKeyDown=${onKeyDown} />
    ${isShown && html`<ul class="suggestions" id="found" role="listbox" aria-label="Found">
      ${hits.map((/** @type {any} */ hit, /** @type {number} */ index) => html`<li id=${`found-${index}`} role="option" aria-selected=${index === at}
        onMouseDown=${(/** @type {Event} */ event) => { event.preventDefault(); leave(); navigate(entityHref(tenant, hit._key)); }}>
        <${Name} text=${titleOf(hit)} /><${Found} hit=${hit} /></li>`)}
      ${data.more > 0 && html`<li role="option" aria-selected="false" class="muted" onMouseDown=${(/** @type {Event} */ event) => {
        event.preventDefault(); leave(); navigate(href(tenant, "search", { text: text.trim() })); }}>
        ${number(data.more)} more: Enter shows them</li>`}</ul>`}
    <span class="visually-hidden" role="status">${path && data ? `${hits.length} found` : ""}</span>
  </form>`;
}
