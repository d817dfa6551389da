// Texts from elsewhere, and numbers and times for people.

import { html } from "./dom.js";

// What steers or hides: control characters, directional marks, characters without a width. Combining marks
// stay, since languages need them.
const HIDDEN =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb]|[\u{1bca0}-\u{1bca3}\u{1d173}-\u{1d17a}\u{e0000}-\u{e00ff}\u{e01f0}-\u{e0fff}]/gu;

/** The pieces of a text: plain ones, and characters that have no picture, as their codes.
 * @param {string} text
 * @returns {(string | { code: string })[]} */
export function pieces(text) {
  const found = [];
  let end = 0;
  for (const match of text.matchAll(HIDDEN)) {
    if (match.index > end) found.push(text.slice(end, match.index));
    const code = match[0].codePointAt(0) ?? 0;
    found.push({ code: `U+${code.toString(16).toUpperCase().padStart(4, "0")}` });
    end = match.index + match[0].length;
  }
  if (end < text.length || found.length === 0) found.push(text.slice(end));
  return found;
}

/** A text with its hidden characters as codes, where only plain text is possible.
 * @param {string} text */
export function plain(text) {
  return pieces(text).map((piece) => (typeof piece === "string" ? piece : `<${piece.code}>`)).join("");
}

/** A name or value from elsewhere: isolated from the direction of the text around it, with nothing hidden.
 * @param {{ text: unknown }} props */
export function Name({ text }) {
  const shown = pieces(String(text ?? ""));
  return html`<bdi>${shown.map((piece) =>
    typeof piece === "string" ? piece : html`<span class="control" title="a hidden character">${piece.code}</span>`)}</bdi>`;
}

const NUMBER = new Intl.NumberFormat("en-US");

/** A number with separators. @param {number | null | undefined} value */
export const number = (value) => (value === null || value === undefined ? "–" : NUMBER.format(value));

/** "1 row", "2 rows". @param {number} value @param {string} noun */
export function count(value, noun) {
  if (value === 1) return `1 ${noun}`;
  const plural = /[^aeiou]y$/.test(noun) ? `${noun.slice(0, -1)}ies` : `${noun}s`;
  return `${number(value)} ${plural}`;
}

/** Bytes for people. @param {number} value */
export function bytes(value) {
  const units = ["B", "KB", "MB", "GB"];
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

const TIME = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });

/** A time in this browser's zone. @param {string | null | undefined} time */
export function timeText(time) {
  const date = new Date(time ?? NaN);
  return Number.isNaN(date.valueOf()) ? "–" : TIME.format(date);
}

const TIME_TO_SECOND = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });

/** The times of several things, each one told apart from the others: with seconds where two have the same minute, and
 * with a number where two have the same second.
 * @param {string[]} times */
export function timeTexts(times) {
  const seconds = times.map((time) => {
    const date = new Date(time);
    return Number.isNaN(date.valueOf()) ? "–" : TIME_TO_SECOND.format(date);
  });
  const minutes = times.map(timeText);
  const isRepeated = (/** @type {string[]} */ texts, /** @type {number} */ at) => texts.indexOf(texts[at]) !== texts.lastIndexOf(texts[at]);
  return times.map((_, at) => {
    if (!isRepeated(minutes, at)) return minutes[at];
    if (!isRepeated(seconds, at)) return seconds[at];
    return `${seconds[at]}, no. ${seconds.slice(0, at + 1).filter((text) => text === seconds[at]).length}`;
  });
}

/** How long ago a time is, in words. @param {string} time */
export function ago(time) {
  const minutes = Math.round((Date.now() - new Date(time).valueOf()) / 60000);
  if (Number.isNaN(minutes)) return "";
  if (minutes < 1) return "just now";
  if (minutes < 60) return `${count(minutes, "minute")} ago`;
  if (minutes < 48 * 60) return `${count(Math.round(minutes / 60), "hour")} ago`;
  return `${count(Math.round(minutes / 60 / 24), "day")} ago`;
}

/** A time with its exact value for machines and on hover. @param {{ value: string | null | undefined }} props */
export function Time({ value }) {
  if (!value) return html`<span class="muted">–</span>`;
  return html`<time datetime=${value} title=${value} class="nowrap">${timeText(value)}</time>`;
}

/** The word for a type: `nexthink_device_installed_package` is "device installed package".
 * @param {string} type */
export const typeWords = (type) => type.replace(/^nexthink_/, "").replaceAll("_", " ");

/** The same in the plural. @param {string} type */
export const typePlural = (type) => count(2, typeWords(type)).replace("2 ", "");

/** The same for one or several. @param {string} type @param {number} value */
export function typeCount(type, value) {
  return count(value, typeWords(type));
}
