// A large estate: a device with 150 packages, and a package on 5,000 devices.

import { api, axe, check, done, go, open, picture, signIn, to } from "./kit.js";

await signIn();
const page = await open();
const device = { key: "device-00000001" };
const aPackage = { key: "package-00000000" };
await go(page, to("entity", aPackage));
check(await page.getByText("5,000").count() > 0, "a package on 5,000 devices says so");
await axe(page, "a package on 5,000 devices");
await go(page, to("graph", aPackage));
const nodes = () => page.locator(".node").count();
const before = await nodes();
await page.locator(".node.group").click();
await page.waitForFunction((known) => document.querySelectorAll(".node").length > known, before);
check(await nodes() <= 300, "no more than 300 nodes are shown");
await axe(page, "the graph of a package on 5,000 devices");
const everything = [["more", aPackage.key, "nexthink_device_installed_package", "in", 5000]];
await go(page, to("graph", { ...aPackage, did: JSON.stringify(everything) }));
check(await nodes() === 300, "no more than 300 nodes are shown, groups included");
const [{ id }] = await api(page, "runs");
await go(page, `run/${id}`);
check(await page.getByText("has no report").count() === 1, "a generation without a report says so");
await go(page, "query?q=select+*+from+nexthink_device");
check(await page.locator("table.fixed tbody tr").count() < 100, "only the rows in view are drawn");
for (const [name, place] of [["150-packages", device], ["5000-devices", aPackage]]) {
  await picture(name, to("entity", place));
  await picture(`${name}-graph`, to("graph", place));
}
await done();
