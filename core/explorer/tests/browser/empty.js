// A store without a generation, or with one that is not complete.

import { axe, check, done, go, open, picture, signIn } from "./kit.js";

const name = process.env.ESTATE;
await signIn();
const page = await open();
for (const path of ["overview", "search", "graph", "findings", "questions", "query", "runs", "diff", "audit", "privacy"]) {
  await go(page, path);
  await axe(page, `${name}, ${path}`);
}
await go(page, "overview");
const says = { empty: "Nothing is published yet", partial: "may lack objects" }[name];
check(await page.getByText(says).count() > 0, `the overview of a store that is ${name} says so`);
await picture(`${name}-overview`, "overview");
await done();
