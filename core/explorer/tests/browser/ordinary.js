// An ordinary estate: every page in both themes, by mouse and by keyboard alone, and a run that publishes meanwhile.
//
// Variables besides those of kit.js: PROGRAM and FOLDER, by which the run is started.

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { api, axe, check, done, go, open, picture, settled, signIn, to } from "./kit.js";

const first = await signIn();
const found = await api(first, to("search", { text: "1", limit: "50", type: "nexthink_device" }));
const device = found.hits[0];
const [aPackage] = (await api(first, to("search", { text: "a", type: "nexthink_package", limit: "1" }))).hits;
const [run] = await api(first, "runs");
const [finding] = (await api(first, "findings")).findings;
const entity = (key) => to("entity", { key });
const all = to("query", { q: "select * from nexthink_device" });

/** Every page, in the order of the navigation, with the keys that lead to it. */
const NAVIGATION = [
  ["overview", "go"], ["search", "gs"], ["graph", "gg"], ["findings", "gf"], ["questions", "gq"], ["query", "gy"], ["runs", "gr"],
  ["diff", "gd"], ["audit", "ga"], ["privacy", "gp"],
];
const PAGES = [
  ...NAVIGATION.map(([page]) => page), to("search", { text: "1" }), entity(device._key), entity(aPackage._key), entity("nothing has this name"),
  to("graph", { key: device._key }), to("graph", { key: aPackage._key, as: "table" }), all, to("query", { q: "select nothing" }),
  `run/${run.id}`, `finding/${finding.id}`, "findings?state=resolved", "finding/nothing", "questions/software-by-devices", "nowhere",
];

for (const colorScheme of ["light", "dark"]) {
  const page = await open({ colorScheme });
  for (const path of PAGES) {
    await go(page, path);
    await axe(page, `${colorScheme}, ${path}`);
  }
  await page.context().close();
}
await byMouse(await open());
await byKeyboard(await open());
await numbers(await open());
await graphs(await open());
await questions(await open());
await phone(await open({ viewport: { width: 360, height: 780 } }));
await whilePublishing(await open());
await looks();
await done();

/** Every page by its link, then from a number to a device, its graph and a path. */
async function byMouse(page) {
  await go(page, "overview");
  for (const [name] of NAVIGATION) {
    await page.locator(`nav a[href$="/${name}"]`).click();
    await settled(page);
    check(new URL(page.url()).pathname === `/t/demo/${name}`, `a click opens ${name}`);
  }
  await go(page, "overview");
  await page.locator(".tile a").first().click();
  await settled(page);
  check(page.url().includes("/query?"), "a number leads to the rows behind it");
  await page.locator("table.fixed tbody a").first().click();
  await page.waitForURL(/\/entity\?/);
  await settled(page);
  await page.getByRole("link", { name: "Show in the graph" }).click();
  await settled(page);
  await page.locator(".node.group").first().click();
  await page.waitForFunction(() => new URLSearchParams(location.search).has("did"));
  check(true, "a click opens a group");
  await page.getByRole("button", { name: "Undo" }).click();
  await page.waitForFunction(() => !new URLSearchParams(location.search).has("did"));
  await page.goBack();
  await page.goForward();
  await settled(page);
  await finish(page);
}

/** Acknowledges a finding, silences it and withdraws both. */
async function finish(page) {
  await go(page, "findings");
  await page.locator("table.fixed tbody a").first().click();
  await page.waitForURL(/\/finding\//);
  await page.getByRole("button", { name: "Acknowledge", exact: true }).click();
  await axe(page, "the dialog of acknowledging");
  await page.keyboard.type("I look into it");
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Withdraw acknowledgement" }).click();
  await page.getByRole("button", { name: "Acknowledge", exact: true }).waitFor();
  await page.getByRole("button", { name: "Silence" }).click();
  await axe(page, "the dialog of silencing");
  await page.keyboard.type("maintenance");
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "End the silence" }).click();
  await page.getByRole("button", { name: "Silence" }).waitFor();
  check(await page.locator("dialog[open]").count() === 0, "a finding is acknowledged and silenced, and both are withdrawn");
  await page.context().close();
}

/** What a number leads to has that many rows, and a click on the head of a column sorts every table. */
async function numbers(page) {
  await go(page, "overview");
  const links = await page.locator('main a[aria-label*=" findings of severity "]').evaluateAll((all) =>
    all.map((link) => ({ path: link.getAttribute("href").replace("/t/demo/", ""), number: link.textContent })));
  check(links.length > 0, "the overview counts findings by severity");
  for (const { path, number } of links) {
    await go(page, path);
    const said = await page.locator("main [role=status] strong").first().textContent();
    check(said.split(" ")[0] === number, `${number} findings lead to ${said}: ${path}`);
  }
  for (const [path, column] of [[to("search", { text: "1" }), 1], [to("graph", { key: device._key, as: "table" }), 4]]) {
    await go(page, path);
    const cells = () => page.locator(`table.fixed tbody tr[data-row] td:nth-child(${column})`).allTextContents();
    const head = page.locator(`table.fixed thead th:nth-child(${column})`);
    await head.getByRole("button").click();
    check(await head.getAttribute("aria-sort") === "ascending", `a click marks the column: ${path}`);
    const up = await cells();
    await head.getByRole("button").click();
    await page.waitForFunction(() => document.querySelector('th[aria-sort="descending"]'));
    check((await cells())[0] !== up[0], `a click sorts the rows: ${path}`);
  }
  await page.context().close();
}

/** Graphs of several entities have their edges, and a path that does not exist is no error. */
async function graphs(page) {
  await go(page, to("query", { q: "select * from nexthink_device_installed_package limit 20" }));
  await page.getByRole("link", { name: "Show in the graph" }).click();
  await settled(page);
  check(await page.locator(".edge").count() >= 20, "the graph of an answer has the relationships of the answer");
  const lost = { key: device._key, did: JSON.stringify([["path", device._key, "nexthink_device:nothing"]]) };
  await go(page, to("graph", lost));
  check(await page.getByText("There is no path").count() === 1, "the graph says that there is no path");
  check(await page.locator(".node").count() > 1, "the graph stays when there is no path");
  await axe(page, "a path that does not exist");
  await page.getByRole("button", { name: "Undo" }).click();
  await page.waitForFunction(() => !new URLSearchParams(location.search).has("did"));
  await page.context().close();
}

/** Every example and every question has an answer, or says why it cannot be asked. */
async function questions(page) {
  await go(page, "query");
  const examples = await page.locator("button.example").allTextContents();
  check(examples.length === 3, "there are examples of queries");
  for (const example of examples) {
    await go(page, to("query", { q: example }));
    check(await page.locator("main [role=alert]").count() === 0, `the example has an answer: ${example}`);
  }
  await go(page, "questions");
  check(await page.getByText("there is no table nexthink_user_uses_device").count() === 3, "questions whose table is missing say so");
  for (const { id, parameters, unavailable } of await api(page, "questions")) {
    if (unavailable || parameters.some((known) => known.default === null)) continue;
    await go(page, `questions/${id}`);
    check(await page.locator("main [role=alert]").count() === 0, `the question has an answer: ${id}`);
  }
  await go(page, "questions/users-with-several-devices");
  check(await page.locator("main [role=alert]").count() === 0, "a question whose table is missing is not asked");
  check(await page.getByText("there is no table").count() === 1, "its page says why");
  await go(page, "questions/devices-without-alert");
  await page.getByRole("link", { name: "Show in the graph" }).click();
  await settled(page);
  check(await page.locator(".node").count() > 1, "the answer to a question is shown in the graph");
  await page.context().close();
}

/** Every page by its keys, then from a search to a device, its graph and back, without a mouse. */
async function byKeyboard(page) {
  await go(page, "overview");
  const path = () => new URL(page.url()).pathname;
  for (const [name, keys] of [...NAVIGATION.slice(1), NAVIGATION[0]]) {
    // The focus must not be in a field that takes letters.
    await page.evaluate(() => document.activeElement instanceof HTMLElement && document.activeElement.blur());
    for (const key of keys) await page.keyboard.press(key);
    await page.waitForURL((url) => url.pathname === `/t/demo/${name}`, { timeout: 10000 }).catch(() => {});
    await settled(page);
    check(path() === `/t/demo/${name}`, `${keys} opens ${name}`);
  }
  await page.keyboard.press("/");
  await page.keyboard.type(device.displayName ?? device.name);
  await page.waitForSelector("#found li");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/entity\?/);
  check(true, "search by keyboard opens an entity");
  await page.evaluate(() => document.activeElement instanceof HTMLElement && document.activeElement.blur());
  await page.keyboard.press("?");
  check(await page.locator("dialog[open]").count() === 1, "? opens the help");
  await axe(page, "the help");
  await page.keyboard.press("Escape");
  await page.waitForFunction(() => !document.querySelector("dialog[open]"));
  for (const [table, opened, name] of [[all, /\/entity\?/, "query"], ["findings", /\/finding\//, "findings"]]) {
    await go(page, table);
    await page.locator("table.fixed").focus();
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    await page.waitForURL(opened);
    await page.goBack();
    await settled(page);
    check(path() === `/t/demo/${name}`, `back shows ${name} again`);
  }
  await go(page, to("graph", { key: device._key }));
  await page.locator(".node.selected").focus();
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => new URLSearchParams(location.search).has("did"));
  const before = page.url();
  await page.reload();
  await settled(page);
  check(page.url() === before, "a reload keeps the graph");
  await page.keyboard.press("u");
  await page.waitForFunction(() => !new URLSearchParams(location.search).has("did"));
  check(true, "u undoes a step in the graph");
  await page.keyboard.press("t");
  await page.waitForSelector("main table.fixed");
  check(true, "t shows the graph as a table");
  await page.context().close();
}

/** A run publishes while a page is open: it says so, and shows the new generation in the same place. */
async function whilePublishing(page) {
  await go(page, all);
  await page.locator("div.scroll.tall").evaluate((element) => element.scrollTo(0, 3000));
  const [url, before] = [page.url(), (await api(page, "overview")).generation.id];
  await promisify(execFile)(process.env.PROGRAM, ["--quiet"], { cwd: process.env.FOLDER });
  const toast = page.getByRole("button", { name: "Show it" });
  await toast.waitFor({ timeout: 60000 });
  check((await api(page, "overview")).generation.id !== before, "a run has published");
  check(page.url() === url, "the page stays where it is");
  await axe(page, "news of a generation");
  await page.locator('nav a[href$="/overview"]').click();
  await settled(page);
  check(await page.locator(`main a[href$="/run/${before}"]`).count() === 1, "other pages go on with the generation that was shown");
  await page.goBack();
  await settled(page);
  await page.locator("div.scroll.tall").evaluate((element) => element.scrollTo(0, 3000));
  await toast.click();
  await page.waitForFunction(() => !document.querySelector(".toast"));
  await settled(page);
  check(page.url() === url, "the new generation is shown in the same place");
  const top = await page.locator("div.scroll.tall").evaluate((element) => element.scrollTop);
  check(top > 2000, "the table stays where it was scrolled to");
  await go(page, "diff");
  await axe(page, "diff of two generations");
  const labels = await page.locator("main select").first().locator("option").allTextContents();
  check(labels.length >= 2 && new Set(labels).size === labels.length, `generations are told apart: ${labels.join(" | ")}`);
  await page.context().close();
}

/** On the screen of a phone, no number is broken into lines, nothing but a table is wider than the page, and the navigation shows where one is. */
async function phone(page) {
  for (const path of ["overview", "runs", `run/${run.id}`, "findings", "audit", "privacy", entity(device._key)]) {
    await go(page, path);
    const broken = await page.locator("main td.number").evaluateAll((cells) => cells.filter((cell) => {
      const range = document.createRange();
      range.selectNodeContents(cell);
      const lines = [...range.getClientRects()];
      return lines.some((line) => line.top > lines[0].bottom - 2);
    }).map((cell) => cell.textContent));
    check(broken.length === 0, `no number of ${path} is broken: ${broken.slice(0, 3).join(", ")}`);
    const wider = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    check(wider <= 0, `${path} is ${wider} pixels wider than the screen`);
    const isShown = await page.locator("nav [aria-current]").evaluate((link) => {
      const [own, row] = [link, link.closest("ul")].map((element) => element.getBoundingClientRect());
      return own.left >= row.left - 1 && own.right <= row.right + 1;
    });
    check(isShown, `the navigation shows the page ${path}`);
  }
  await page.context().close();
}

/** Pictures to look at, in unusual circumstances too. */
async function looks() {
  const graph = to("graph", { key: device._key });
  for (const [name, path, options] of [
    ["overview", "overview", {}], ["entity", entity(device._key), {}], ["graph", graph, {}], ["findings", "findings", {}],
    ["finding", `finding/${finding.id}`, {}], ["question", "questions/software-by-devices", {}], ["questions", "questions", {}],
    ["query", all, {}], ["search", to("search", { text: "lap" }), {}], ["runs", "runs", {}], ["run", `run/${run.id}`, {}],
    ["diff", "diff", {}], ["audit", "audit", {}], ["privacy", "privacy", {}],
    ["overview-dark", "overview", { colorScheme: "dark" }], ["graph-dark", graph, { colorScheme: "dark" }],
    ["findings-dark", "findings", { colorScheme: "dark" }],
    ["graph-forced", graph, { forcedColors: "active" }], ["findings-forced", "findings", { forcedColors: "active" }],
    ["overview-narrow", "overview", { viewport: { width: 400, height: 800 } }], ["findings-narrow", "findings", { viewport: { width: 400, height: 800 } }],
    ["overview-400-percent", "overview", { viewport: { width: 320, height: 256 } }],
    ["entity-400-percent", entity(device._key), { viewport: { width: 320, height: 256 } }],
  ]) {
    await picture(name, path, options);
  }
}
