// An estate whose every name is a trap: 300 names in every place, without an effect.

import { api, check, done, go, open, picture, signIn, to } from "./kit.js";

const first = await signIn();
const page = await open();
const { rows } = await api(first, "query", { query: "select _key, name from nexthink_device", limit: 300 });
check(rows.length === 300, "there are 300 names");
const strangers = () => page.evaluate(() => document.querySelectorAll("main script, main iframe, main img, main base, main style, main meta").length);
const look = async (place) => {
  await go(page, place);
  check(await strangers() === 0, `markup from a name on ${place}`);
};
for (const [index, { _key: key, name }] of rows.entries()) {
  const graph = to("graph", { key });
  await look(to("entity", { key }));
  if (index % 5 === 0) {
    for (const place of [graph, `${graph}&as=table`, to("search", { text: name }), to("entity", { key: name })]) await look(place);
  }
}
const { findings } = await api(first, "findings");
check(findings.length === 300, "every name is in a finding");
for (const { id } of findings.filter((_, index) => index % 10 === 0)) await look(`finding/${id}`);
for (const place of ["overview", "findings", "diff", to("diff", { type: "nexthink_device", change: "changed" }), "questions/shared-serials", "query?q=select+*+from+nexthink_device", to("search", { text: "script" })]) await look(place);

const long = rows.find(({ name }) => name.length >= 250);
const rightToLeft = rows.find(({ name }) => /[\u0600-\u06ff]/.test(name));
await picture("long-name", to("entity", { key: long._key }));
await picture("long-name-graph", to("graph", { key: long._key }));
await picture("right-to-left", to("entity", { key: rightToLeft._key }));
await go(page, "diff");
check(await page.locator("table.fixed tbody tr[data-row]").count() > 0, "the names of the generation before are in the diff");
await go(page, "questions/shared-serials");
check(await page.locator("table.fixed tbody tr[data-row]").count() === 25, "the names are in the answer to a question");
await picture("hostile-findings", "findings");
await picture("hostile-diff", "diff");
await picture("hostile-names", "query?q=select+*+from+nexthink_device");
await done();
