// Small charts in SVG, which forced colours and screen readers reach. Each has a table twin.

import { html, useState } from "./dom.js";
import { Name, number } from "./text.js";
import { useKey } from "./keys.js";

/** A line without axes. @param {{ values: number[], label: string }} props */
export function Sparkline({ values, label }) {
  if (values.length < 2) return null;
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const x = (/** @type {number} */ index) => (index / (values.length - 1)) * 100;
  const y = (/** @type {number} */ value) => (high === low ? 16 : 30 - ((value - low) / (high - low)) * 28);
  const path = values.map((value, index) => `${index ? "L" : "M"}${x(index).toFixed(1)} ${y(value).toFixed(1)}`);
  return html`<svg class="sparkline" viewBox="0 0 100 32" preserveAspectRatio="none" role="img" aria-label=${label}>
    <path d=${path.join("")} /></svg>`;
}

/** A line over time with axes; `t` shows its table instead.
 * @param {{ points: { at: string, value: number }[], label: string }} props */
export function LineChart({ points, label }) {
  const [asTable, setAsTable] = useState(false);
  useKey("t", () => setAsTable((old) => !old));
  const values = points.map((point) => point.value);
  const low = Math.min(...values);
  const high = Math.max(...values);
  const pad = high === low ? Math.max(1, high * 0.05) : (high - low) * 0.08;
  const [bottom, top] = [Math.max(0, low - pad), high + pad];
  const x = (/** @type {number} */ index) => 60 + (points.length < 2 ? 0 : (index / (points.length - 1)) * 485);
  const y = (/** @type {number} */ value) => 190 - ((value - bottom) / (top - bottom)) * 175;
  const path = points.map((point, index) => `${index ? "L" : "M"}${x(index).toFixed(1)} ${y(point.value).toFixed(1)}`);
  const ticks = [bottom, (bottom + top) / 2, top];
  const toggle = html`<button type="button" class="button quiet" aria-pressed=${asTable}
    onClick=${() => setAsTable(!asTable)}>Table <kbd>t</kbd></button>`;
  if (asTable) {
    return html`<div class="stack">${toggle}<div class="scroll tall" tabindex="0" role="region" aria-label=${label}><table>
      <thead><tr><th scope="col">time</th><th scope="col" class="number">number</th></tr></thead>
      <tbody>${points.map((point) => html`<tr><td>${point.at}</td><td class="number">${number(point.value)}</td></tr>`)}</tbody>
      </table></div></div>`;
  }
  return html`<div class="stack">${toggle}<svg class="chart" viewBox="0 0 560 215" role="img" aria-label=${`${label}; press t for the table`}>
    ${ticks.map((tick) => html`<line class="grid" x1="60" x2="545" y1=${y(tick)} y2=${y(tick)} />
      <text x="54" y=${y(tick) + 4} text-anchor="end">${number(Math.round(tick))}</text>`)}
    <path class="line" d=${path.join("")} />
    ${points.map((point, index) => html`<circle cx=${x(index)} cy=${y(point.value)} r="3.5" fill="var(--accent)">
      <title>${point.at}: ${number(point.value)}</title></circle>`)}
    <text x="60" y="210">${points[0]?.at ?? ""}</text>
    <text x="545" y="210" text-anchor="end">${points[points.length - 1]?.at ?? ""}</text>
  </svg></div>`;
}

/** Bars with names and numbers, which are their own table.
 * @param {{ bars: { name: string, value: number, href?: string }[], label: string }} props */
export function BarChart({ bars, label }) {
  const most = Math.max(1, ...bars.map((bar) => bar.value));
  return html`<ul class="bars" aria-label=${label}>${bars.map((bar) => html`<li>
    <span class="name" title=${bar.name}>${bar.href
      ? html`<a href=${bar.href}><${Name} text=${bar.name} /></a>` : html`<${Name} text=${bar.name} />`}</span>
    <span class="track" aria-hidden="true"><span class="fill" style=${{ width: `${(bar.value / most) * 100}%` }}></span></span>
    <span class="number">${number(bar.value)}</span></li>`)}</ul>`;
}
