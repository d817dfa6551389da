// Small parts that several pages use.

import { html, useEffect, useRef, useState } from "./dom.js";
import { number } from "./text.js";

/** The outcome of a step or generation. @param {{ outcome: string }} props */
export function Outcome({ outcome }) {
  const kind = { complete: "good", partial: "warn", failed: "bad", damaged: "bad" }[outcome] ?? "";
  return html`<span class=${`badge ${kind}`}>${outcome}</span>`;
}

/** The severity of a finding. @param {{ severity: string }} props */
export function Severity({ severity }) {
  const kind = { critical: "bad strong", high: "bad", medium: "warn" }[severity] ?? "";
  return html`<span class=${`badge ${kind}`}>${severity}</span>`;
}

/** A message in a box. @param {{ kind?: "info" | "warn" | "bad", children?: any }} props */
export function Notice({ kind = "info", children }) {
  return html`<div class=${`notice ${kind}`} role=${kind === "bad" ? "alert" : "status"}>${children}</div>`;
}

/** Why something could not be read. Lines and carets stay as they are.
 * @param {{ error: { message: string } }} props */
export function Problem({ error }) {
  return html`<div class="notice bad" role="alert"><pre>${error.message}</pre></div>`;
}

/** What a call has answered, or that it is loading, or why not.
 * @param {{ loaded: import("./api.js").Loaded, children: (data: any) => any }} props */
export function Answer({ loaded, children }) {
  if (loaded.error) return html`<${Problem} error=${loaded.error} />`;
  if (loaded.data === undefined) return html`<p class="loading" role="status">Loading…</p>`;
  return children(loaded.data);
}

/** How a number differs from the one before. @param {{ now: number, before: number | null }} props */
export function Delta({ now, before }) {
  if (before === null || before === undefined) return html`<span class="muted">new</span>`;
  const delta = now - before;
  if (delta === 0) return html`<span class="muted">unchanged</span>`;
  const kind = delta > 0 ? "delta-up" : "delta-down";
  return html`<span class=${kind}>${delta > 0 ? "+" : "−"}${number(Math.abs(delta))}</span>`;
}

/** A text that can be looked at, such as the SQL of an answer, with a button that copies it.
 * @param {{ title: string, text: string }} props */
export function Source({ title, text }) {
  return html`<details><summary>${title}</summary>
    <pre>${text}</pre>
    <${CopyButton} text=${text} /></details>`;
}

/** Copies a text. @param {{ text: string, label?: string }} props */
export function CopyButton({ text, label = "Copy" }) {
  const [done, setDone] = useState("");
  const copy = () => navigator.clipboard.writeText(text).then(
    () => setDone("Copied"),
    () => setDone("The browser does not allow copying"),
  );
  useEffect(() => {
    if (!done) return undefined;
    const timer = setTimeout(() => setDone(""), 2000);
    return () => clearTimeout(timer);
  }, [done]);
  return html`<span class="row"><button type="button" class="button" onClick=${copy}>${label}</button>
    <span role="status" class="muted">${done}</span></span>`;
}

/** A dialog that Escape closes. @param {{ title: string, onClose: () => void, children?: any }} props */
export function Dialog({ title, onClose, children }) {
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null));
  useEffect(() => {
    dialog.current?.showModal();
  }, []);
  return html`<dialog ref=${dialog} onClose=${onClose} aria-label=${title}><div class="stack">
    <div class="row"><h2 class="grow">${title}</h2>
      <button type="button" class="button" onClick=${() => dialog.current?.close()}>Close</button></div>
    ${children}</div></dialog>`;
}

/** A value that changes only when it has not changed for a while. @param {any} value @param {number} wait */
export function useSettled(value, wait) {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), wait);
    return () => clearTimeout(timer);
  }, [value, wait]);
  return settled;
}
