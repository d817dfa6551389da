// Every page in both themes: by mouse and keyboard, axe without violations, hostile names without effect, no request
// to another host. Run by `cargo xtask browser`.
//
// Variables: EXPLORER (the printed address), CHROMIUM (the browser), PICTURES (a folder for screenshots).

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const printed = process.env.EXPLORER ?? "";
const origin = new URL(printed).origin;
const isHostile = process.env.HOSTILE === "1";
const problems = [];
let passed = 0;

function check(is, what) {
  if (is) passed += 1;
  else {
    problems.push(what);
    console.error(`failed: ${what}`);
  }
}

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] });

async function open(theme, extra = {}) {
  // The page's own policy would keep axe out, too: it is put in from outside of the page.
  const context = await browser.newContext({ colorScheme: theme, reducedMotion: "reduce", viewport: { width: 1280, height: 860 }, ...extra });
  if (state) await context.addCookies(state);
  const page = await context.newPage();
  page.on("dialog", (dialog) => {
    check(false, `a dialog on ${page.url()}: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on("pageerror", (error) => check(false, `an error on ${page.url()}: ${error.message}`));
  page.on("console", (message) => {
    // A query that is refused is answered with 422, which the browser reports.
    if (message.type() === "error" && !message.text().includes("422")) check(false, `a report on ${page.url()}: ${message.text()}`);
  });
  page.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(origin) && !/^(data|blob|about):/.test(url)) check(false, `a request to ${url}`);
  });
  return page;
}

/** Waits until the page shows what it has loaded. */
async function settled(page) {
  await page.waitForSelector("main h1", { timeout: 30000 });
  await page.waitForFunction(() => !document.querySelector("main .loading"), null, { timeout: 30000 });
}

let state = null;
const first = await open("light");
await first.goto(printed);
await first.waitForURL(/\/t\/demo\/overview/);
await settled(first);
state = await first.context().cookies();
check(true, "the printed address opens the explorer");

const api = (path) => first.evaluate(async (address) => (await fetch(address)).json(), `/api/v1/tenants/demo/${path}`);
const found = await api(`search?${new URLSearchParams({ text: isHostile ? "script" : "1", limit: "50" })}`);
const device = found.hits.find((hit) => hit._type === "nexthink_device");
const some = await api(`search?${new URLSearchParams({ text: "a", type: "nexthink_package", limit: "1" })}`);
const entity = (key) => `entity?${new URLSearchParams({ key })}`;
const runs = await api("runs");
const pages = [
  "overview", "search", `search?${new URLSearchParams({ text: isHostile ? "script" : "1" })}`, entity(device._key),
  entity(some.hits[0]._key), entity("nothing has this name"), "graph", `graph?${new URLSearchParams({ key: device._key })}`,
  `graph?${new URLSearchParams({ key: some.hits[0]._key, as: "table" })}`, "query",
  `query?${new URLSearchParams({ q: "select * from nexthink_device" })}`, `query?${new URLSearchParams({ q: "select nothing" })}`,
  "runs", `run/${runs[0].id}`, "audit", "privacy", "questions", "diff", "nowhere",
];

for (const theme of ["light", "dark"]) {
  const page = await open(theme);
  for (const path of pages) {
    await page.goto(`${origin}/t/demo/${path}`);
    await settled(page);
    await page.evaluate(AXE);
    const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
    for (const violation of violations) {
      const places = violation.nodes.slice(0, 3).map((node) => node.target.join(" ")).join(", ");
      check(false, `axe, ${theme}, ${path}: ${violation.id} at ${places}`);
    }
    check(true, `axe, ${theme}, ${path}`);
  }
  await page.context().close();
}

if (isHostile) {
  const page = await open("light");
  const { rows } = await first.evaluate(async () => (await fetch("/api/v1/tenants/demo/query", {
    method: "POST", headers: { "content-type": "application/json" },
    body: JSON.stringify({ query: "select _key from nexthink_device", limit: 300 }),
  })).json());
  check(rows.length === 300, "there are 300 names");
  for (const [index, { _key: key }] of rows.entries()) {
    const graph = `graph?${new URLSearchParams({ key })}`;
    for (const place of [entity(key), ...(index % 5 === 0 ? [graph, `${graph}&as=table`] : [])]) {
      await page.goto(`${origin}/t/demo/${place}`);
      await settled(page);
      const strangers = await page.evaluate(() => document.querySelectorAll("main script, main iframe, main img, main base, main style, main meta").length);
      check(strangers === 0, `markup from a name on ${place}`);
    }
  }
} else {
  await keyboard(await open("light"));
  await looks();
}

/** From the overview to a device, its graph and back, without a mouse. */
async function keyboard(page) {
  await page.goto(`${origin}/t/demo/overview`);
  await settled(page);
  const path = () => new URL(page.url()).pathname;
  await page.keyboard.press("/");
  await page.keyboard.type(device.displayName ?? device.name);
  await page.waitForSelector("#found li");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/entity\?/);
  check(true, "search by keyboard opens an entity");
  for (const [keys, place] of [["gq", ""], ["gy", "query"], ["gr", "runs"], ["gg", "graph"], ["go", "overview"]]) {
    if (!place) continue;
    // The focus must not be in a field that takes letters.
    await page.evaluate(() => document.activeElement instanceof HTMLElement && document.activeElement.blur());
    for (const key of keys) await page.keyboard.press(key);
    await settled(page);
    check(path() === `/t/demo/${place}`, `${keys} opens ${place}`);
  }
  await page.keyboard.press("?");
  check(await page.locator("dialog[open]").count() === 1, "? opens the help");
  await page.keyboard.press("Escape");
  await page.waitForFunction(() => !document.querySelector("dialog[open]"));
  await page.goto(`${origin}/t/demo/query?${new URLSearchParams({ q: "select * from nexthink_device" })}`);
  await settled(page);
  await page.locator("table.fixed").focus();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/entity\?/);
  await page.goBack();
  await settled(page);
  check(path() === "/t/demo/query", "back shows the query again");
  await page.goto(`${origin}/t/demo/graph?${new URLSearchParams({ key: device._key })}`);
  await settled(page);
  await page.locator(".node.selected").focus();
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => new URLSearchParams(location.search).has("did"));
  const done = page.url();
  await page.reload();
  await settled(page);
  check(page.url() === done, "a reload keeps the graph");
  await page.keyboard.press("u");
  await page.waitForFunction(() => !new URLSearchParams(location.search).has("did"));
  check(true, "u undoes a step in the graph");
  await page.keyboard.press("t");
  await page.waitForSelector("main table.fixed");
  check(true, "t shows the graph as a table");
  await page.context().close();
}

/** Pictures to look at, in unusual circumstances too. */
async function looks() {
  const folder = process.env.PICTURES;
  if (!folder) return;
  const graph = `graph?${new URLSearchParams({ key: device._key })}`;
  for (const [name, path, options] of [
    ["overview", "overview", {}], ["entity", entity(device._key), {}], ["graph", graph, {}],
    ["dark", graph, { colorScheme: "dark" }], ["forced", graph, { forcedColors: "active" }],
    ["narrow", "overview", { viewport: { width: 400, height: 800 } }],
    ["zoomed", "overview", { viewport: { width: 320, height: 256 } }],
  ]) {
    const page = await open(options.colorScheme ?? "light", options);
    await page.goto(`${origin}/t/demo/${path}`);
    await settled(page);
    const isWide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth + 1);
    check(!isWide, `${name}: the page is wider than the window`);
    await page.screenshot({ path: `${folder}/${name}.png` });
    await page.context().close();
  }
}

await browser.close();
console.log(`${passed} passed, ${problems.length} failed`);
process.exit(problems.length ? 1 : 0);
