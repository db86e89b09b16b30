// Daily work, on what there is: a webhook that fails and is told again, a tool that is tried, a lead that is followed up, a memory put
// right and forgotten, a trunk that is made and does not answer, figures by keys.
import { createServer } from "node:http";
import { check, given, inBrowser, signIn, visitor } from "./harness.mjs";

/** What is asked of us, and what we answer. */
const asked = /** @type {{ path: string, body: string }[]} */ ([]);
let status = 500;
const server = createServer((request, response) => {
  let body = "";
  request.on("data", (piece) => {
    body += piece;
  });
  request.on("end", () => {
    asked.push({ path: request.url ?? "", body });
    response.writeHead(status, { "content-type": "application/json" }).end('{"stock": 7}');
  });
});
await new Promise((done) => server.listen(0, "127.0.0.1", () => done(undefined)));
const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
const here = `http://127.0.0.1:${port}`;

await inBrowser(async (browser) => {
  const page = await visitor(browser);
  await signIn(page, given.email, given.password);
  await webhook(page);
  await tool(page);
  await leads(page);
  await memories(page);
  await trunk(page);
  await figures(page);
});
server.close();

/**
 * @param {import("playwright-core").Page} page
 * @param {string | RegExp} name
 * @param {string} entry
 */
async function choose(page, name, entry) {
  await page.getByRole("button", { name }).first().click();
  await page.getByRole("menuitem", { name: entry }).click();
}

/** @param {import("playwright-core").Page} page */
async function webhook(page) {
  await page.goto("/webhooks");
  await page.getByRole("button", { name: "Add webhook" }).first().click();
  await page.getByLabel("Address").fill(`${here}/hook`);
  await page.getByRole("dialog").getByRole("button", { name: "Add" }).click();
  await page.getByRole("button", { name: "I have it" }).click();
  await choose(page, /^What to do with http/, "Send a test");
  await page.getByRole("button", { name: "Send it" }).click();
  await page.getByText("It is on its way.").waitFor();
  await choose(page, /^What to do with http/, "Deliveries");
  const dialog = page.getByRole("dialog");
  await dialog.getByText("webhook.test").first().waitFor();
  await dialog.getByText(/pending 500/).waitFor();
  check(
    asked.some((one) => one.path === "/hook"),
    "a delivery that fails says so, and is tried again",
  );
  status = 200;
  await dialog.getByText(/delivered 200/).waitFor();
  check(true, "and is taken in the end, which is seen as it happens");
  await dialog.locator("summary").first().click();
  check((await dialog.locator("pre").first().innerText()).includes("webhook.test"), "it opens with what was sent");
  const before = asked.length;
  await dialog.getByRole("button", { name: "Again" }).click();
  await page.getByText("It is on its way again.").waitFor();
  await wait(() => asked.length > before);
  check(true, "it is delivered again");
  await page.keyboard.press("Escape");
}

/** @param {import("playwright-core").Page} page */
async function tool(page) {
  await page.goto("/tools");
  await page.getByRole("button", { name: "Add tool" }).first().click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name", { exact: true }).fill("find_stock");
  await dialog.getByLabel("When to use it, for the model").fill("How many there are.");
  await dialog.getByLabel("Address", { exact: true }).fill(`${here}/stock/{item}`);
  await dialog
    .getByLabel("Arguments, as JSON Schema")
    .fill('{"type":"object","properties":{"item":{"type":"string"}},"required":["item"]}');
  await dialog.getByLabel("May ask private addresses").selectOption("true");
  await dialog.getByRole("button", { name: "Add" }).click();
  await page
    .getByRole("cell", { name: /find_stock/ })
    .first()
    .waitFor();
  await choose(page, "What to do with find_stock", "Try it");
  await page.getByLabel("Arguments, as a model would write them").fill('{"item":"bell"}');
  await page.getByRole("dialog").getByRole("button", { name: "Try it" }).click();
  await page.getByRole("dialog").locator("pre").getByText("stock").waitFor();
  check(asked.at(-1)?.path === "/stock/bell", "a tool is tried in earnest");
  await page.keyboard.press("Escape");
}

/** @param {import("playwright-core").Page} page */
async function leads(page) {
  await page.goto("/leads");
  const fresh = page.getByRole("region", { name: "New" });
  await fresh.locator(".lead").first().waitFor();
  const count = await fresh.locator(".lead").count();
  await fresh.locator(".lead").first().click();
  await page.getByLabel("How far you are").selectOption("won");
  await page.getByLabel("Notes").fill("Two panniers.");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("Saved.").waitFor();
  await wait(async () => (await fresh.locator(".lead").count()) === count - 1);
  check(true, "a lead is won");
}

/** @param {import("playwright-core").Page} page */
async function memories(page) {
  await page.goto("/memories");
  await choose(page, /^What to do with a memory/, "Put right");
  await page.getByLabel("What is true").fill("Prefers letters.");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("cell", { name: "Prefers letters." }).waitFor();
  check(true, "a memory is put right");
  const rows = await page.locator("tbody tr").count();
  await choose(page, /^What to do with a memory/, "Forget");
  await page.getByRole("dialog").getByRole("button", { name: "Forget" }).click();
  await wait(async () => (await page.locator("tbody tr").count()) === rows - 1);
  check(true, "and forgotten");
}

/** @param {import("playwright-core").Page} page */
async function trunk(page) {
  await page.goto("/trunks");
  await page.getByRole("button", { name: "Add trunk" }).first().click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name", { exact: true }).fill("nobody");
  await dialog.getByLabel("Where calls of ours go").fill(`[{ "uri": "sip:127.0.0.1:9" }]`);
  await dialog.getByLabel("Asked for life every, s").fill("4");
  await dialog.getByRole("button", { name: "Add" }).click();
  await dialog.getByText(/8/).first().waitFor();
  check(true, "what is wrong with a field is told there");
  await dialog.getByLabel("Asked for life every, s").fill("8");
  await dialog.getByRole("button", { name: "Add" }).click();
  const row = page.getByRole("row").filter({ hasText: "nobody" });
  await row.getByText(/not asked yet|no target answers/i).waitFor();
  check(true, "a trunk is made, and says how it is in words");
  await choose(page, "What to do with nobody", "How it is");
  await page.getByRole("dialog").getByText("sip:127.0.0.1:9").waitFor();
  await page.keyboard.press("Escape");
  await choose(page, "What to do with nobody", "Change");
  await page.getByLabel("Calls at once").fill("12");
  await page.getByRole("button", { name: "Save" }).click();
  await row.getByText("12", { exact: true }).waitFor();
  check(true, "and changed");
}

/** @param {import("playwright-core").Page} page */
async function figures(page) {
  await page.goto("/analytics");
  const chart = page.getByRole("slider", { name: "Calls a day: place in time" });
  await chart.focus();
  const last = await chart.getAttribute("aria-valuetext");
  await page.keyboard.press("ArrowLeft");
  const before = await chart.getAttribute("aria-valuetext");
  check(last !== before && /Answered \d+/.test(before ?? ""), `a chart is read by keys: ${before}`);
  await page.getByText("As a table").first().click();
  check(
    (await page.getByRole("region", { name: "Calls a day, as a table" }).locator("tbody tr").count()) >= 7,
    "and as a table",
  );
  await page.getByLabel("Of the last").selectOption("1");
  await page.getByRole("heading", { name: "Calls an hour" }).waitFor();
  check(true, "by the hour too");
}

/** @param {() => boolean | Promise<boolean>} holds */
async function wait(holds) {
  const until = Date.now() + 15_000;
  while (!(await holds())) {
    if (Date.now() > until) throw new Error(`not ok: in time: ${holds}`);
    await new Promise((done) => setTimeout(done, 100));
  }
}
