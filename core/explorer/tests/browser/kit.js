// What the tests share: a browser that is signed in, and what must never happen on a page.
//
// Variables: EXPLORER (the printed address), CHROMIUM (the browser), PICTURES (a folder for screenshots).

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const printed = process.env.EXPLORER ?? "";
export const origin = new URL(printed).origin;
const problems = [];
let passed = 0;
let cookies = null;

export function check(is, what) {
  if (is) passed += 1;
  else {
    problems.push(what);
    console.error(`failed: ${what}`);
  }
}

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] });

/** A page of a browser that is signed in. A dialog, an error, a report of the policy and a foreign request fail the test. */
export async function open(options = {}) {
  const context = await browser.newContext({ colorScheme: "light", reducedMotion: "reduce", viewport: { width: 1280, height: 860 }, ...options });
  if (cookies) await context.addCookies(cookies);
  const page = await context.newPage();
  page.on("dialog", (dialog) => {
    check(false, `a dialog on ${page.url()}: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on("pageerror", (error) => check(false, `an error on ${page.url()}: ${error.message}`));
  page.on("console", (message) => {
    // What is refused or not there is answered with 400, 404 or 422, which the browser reports.
    if (message.type() === "error" && !/ (400|404|422) /.test(message.text())) check(false, `a report on ${page.url()}: ${message.text()}`);
  });
  page.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(origin) && !/^(data|blob|about):/.test(url)) check(false, `a request to ${url}`);
  });
  return page;
}

/** Signs in with the printed address. @returns a page that shows the overview. */
export async function signIn() {
  const page = await open();
  await page.goto(printed);
  await page.waitForURL(/\/t\/demo\/overview/);
  await settled(page);
  cookies = await page.context().cookies();
  check(true, "the printed address opens the explorer");
  return page;
}

/** Waits until the page shows what it has loaded. */
export async function settled(page) {
  await page.waitForSelector("main h1", { timeout: 60000 });
  await page.waitForFunction(() => !document.querySelector("main .loading"), null, { timeout: 60000 });
}

/** Opens an address of the tenant. */
export async function go(page, path) {
  await page.goto(`${origin}/t/demo/${path}`);
  await settled(page);
}

/** Reads a call as the page does. */
export const api = (page, path, body) => page.evaluate(async ([address, sent]) => {
  const init = sent === null ? {} : { method: "POST", headers: { "content-type": "application/json" }, body: sent };
  return (await fetch(address, init)).json();
}, [`/api/v1/tenants/demo/${path}`, body === undefined ? null : JSON.stringify(body)]);

/** The path of an address with parameters. */
export const to = (page, params) => `${page}?${new URLSearchParams(params)}`;

/** Looks for what people who cannot see, point or tell colours apart would stumble over. */
export async function axe(page, what) {
  // The page's own policy would keep axe out, too: it is put in from outside of the page.
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  for (const violation of violations) {
    const places = violation.nodes.slice(0, 3).map((node) => node.target.join(" ")).join(", ");
    check(false, `axe, ${what}: ${violation.id} at ${places}`);
  }
  check(true, `axe, ${what}`);
}

/** Takes a picture, and looks whether the page fits into its window. */
export async function picture(name, path, options = {}) {
  const page = await open(options);
  await go(page, path);
  const isWide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth + 1);
  check(!isWide, `${name}: the page is wider than the window`);
  if (process.env.PICTURES) await page.screenshot({ path: `${process.env.PICTURES}/${name}.png` });
  await page.context().close();
}

export async function done() {
  await browser.close();
  console.log(`${passed} passed, ${problems.length} failed`);
  process.exit(problems.length ? 1 : 0);
}
