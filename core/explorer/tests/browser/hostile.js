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
for (const place of ["overview", "findings", "query?q=select+*+from+nexthink_device", to("search", { text: "script" })]) await look(place);

const long = rows.find(({ name }) => name.length >= 250);
const rightToLeft = rows.find(({ name }) => /[\u0600-\u06ff]/.test(name));
await picture("long-name", to("entity", { key: long._key }));
await picture("long-name-graph", to("graph", { key: long._key }));
await picture("right-to-left", to("entity", { key: rightToLeft._key }));
await picture("hostile-names", "query?q=select+*+from+nexthink_device");
await done();
