// Completion of tables, classes, columns and words of SQL and J1QL.

import { html } from "./dom.js";
import { typeWords } from "./text.js";

const SQL = ["select", "from", "where", "group by", "order by", "limit", "join", "left join", "on", "count(*)", "distinct", "desc", "having", "is null", "is not null", "like", "between"];
const J1QL = ["FIND", "WITH", "THAT", "RETURN", "AS", "AND", "OR", "ORDER BY", "LIMIT", "INSTALLED", "HAS", "USES", "count"];

/** How many are offered at once. */
const MOST = 12;

/**
 * @typedef {object} Choice
 * @property {number} start Where the word begins.
 * @property {number} end
 * @property {{ word: string, kind: string }[]} words
 */

/** What the word at the caret could become; null if nothing is offered.
 * @param {string} text @param {number} caret @param {any[]} tables
 * @returns {Choice | null} */
export function suggest(text, caret, tables) {
  const before = text.slice(0, caret);
  const word = /[\w]+$/.exec(before)?.[0] ?? "";
  // Within quotation marks there are values, which this page does not know.
  if (word.length < 2 || (before.match(/'/g)?.length ?? 0) % 2 === 1) return null;
  const isJ1ql = /^\s*find\b/i.test(text);
  const lower = word.toLowerCase();
  const named = tables.filter((table) => before.includes(table.name) || table.class.some((/** @type {string} */ name) => before.includes(name)));
  const columns = (named.length > 0 ? named : tables).flatMap((table) => table.columns.map((/** @type {string} */ name) => ({ word: name, kind: typeWords(table.name) })));
  const all = [
    ...(isJ1ql ? J1QL : SQL).map((known) => ({ word: known, kind: "word" })),
    ...(isJ1ql ? tables.flatMap((table) => table.class.map((/** @type {string} */ name) => ({ word: name, kind: "class" }))) : []),
    ...tables.map((table) => ({ word: table.name, kind: "table" })),
    ...columns,
  ];
  const seen = new Set();
  const fits = all.filter((known) => {
    const name = known.word.toLowerCase();
    const isNew = !seen.has(known.word) && name !== lower;
    const part = name.startsWith(lower) || name.replace("nexthink_", "").startsWith(lower);
    if (isNew && part) seen.add(known.word);
    return isNew && part;
  });
  return fits.length === 0 ? null : { start: caret - word.length, end: caret, words: fits.slice(0, MOST) };
}

/** The text with a word put in, and where the caret is then.
 * @param {string} text @param {Choice} choice @param {string} word
 * @returns {[string, number]} */
export function apply(text, choice, word) {
  return [text.slice(0, choice.start) + word + text.slice(choice.end), choice.start + word.length];
}

/** @param {{ choice: Choice & { at: number }, onTake: (word: string) => void }} props */
export function Suggestions({ choice, onTake }) {
  return html`<ul class="suggestions" id="completions" role="listbox" aria-label="Completions">
    ${choice.words.map(({ word, kind }, index) => html`<li id=${`completions-${index}`} role="option"
      aria-selected=${index === choice.at} onMouseDown=${(/** @type {Event} */ event) => { event.preventDefault(); onTake(word); }}>
      <code>${word}</code><span class="muted">${kind}</span></li>`)}</ul>`;
}
