// Every page, wide and narrow, light and dark: axe finds nothing serious, nothing is wider than the screen, and the first page is light.
// With OFFHOOK_SHOTS=FOLDER the pages are kept as pictures.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { check, findings, given, inBrowser, note, signIn, visitor } from "./harness.mjs";

const SCRIPT_KB_MAX = 300;
const WIDTHS = [1440, 390];
const shots = process.env.OFFHOOK_SHOTS;

/** @type {(page: import("playwright-core").Page) => Promise<unknown>} */
const listed = (page) => page.locator("td, .empty").first().waitFor();

/**
 * A page with a route is looked at where the server has that route.
 * @type {[name: string, path: string, ready: (page: import("playwright-core").Page) => Promise<unknown>, route?: string][]}
 */
const PAGES = [
  ["overview", "/", (page) => page.getByText("First steps").waitFor()],
  ["live", "/live", (page) => page.locator(".live-call").first().waitFor()],
  ["analytics", "/analytics", (page) => page.locator(".chart svg").first().waitFor()],
  ["talk", "/talk?assistant=demo&by=typing", (page) => page.locator(".talk-lines li.assistant").first().waitFor()],
  ["trunks", "/trunks", listed],
  ["calls", "/calls", (page) => page.getByRole("heading", { name: "Calls", exact: true }).waitFor()],
  ["call", `/calls/${given.call}`, (page) => page.locator(".wave canvas").waitFor()],
  ["ladder", `/calls/${given.ladder}`, (page) => page.locator(".ladder button").first().waitFor()],
  ["users", "/users", listed],
  ["api-keys", "/api-keys", listed],
  ["organizations", "/organizations", listed],
  ["audit-log", "/audit-log", listed],
  ["account", "/account", listed],
  ["leads", "/leads", (page) => page.locator(".lead, .empty").first().waitFor(), "/api/v1/leads"],
  ["memories", "/memories", listed, "/api/v1/memories"],
  ["webhooks", "/webhooks", listed, "/api/v1/webhooks"],
  ["node", "/node", listed, "/api/v1/admin/node"],
  ["assistants", "/assistants", listed, "/api/v1/assistants"],
  ["assistant", "/assistants/demo", (page) => page.getByLabel("First message").waitFor(), "/api/v1/assistants"],
  ["phone-numbers", "/phone-numbers", listed, "/api/v1/phone-numbers"],
  ["tools", "/tools", listed, "/api/v1/tools"],
  ["mcp-servers", "/mcp-servers", listed, "/api/v1/mcp-servers"],
  ["configurations", "/configurations", listed, "/api/v1/configurations"],
  ["feature-flags", "/feature-flags", listed, "/api/v1/feature-flags"],
];

await inBrowser(async (browser) => {
  const { paths } = await (await fetch(`${given.url}/api/openapi.json`)).json();
  await talks(browser);
  for (const dark of [false, true]) {
    for (const width of WIDTHS) {
      const page = await visitor(browser, { width, height: width > 900 ? 900 : 844, dark });
      await page.goto("/");
      await page.getByRole("heading", { name: "Sign in" }).waitFor();
      await look(page, "sign-in", width, dark);
      await signIn(page, given.email, given.password);
      for (const [name, path, ready, route] of PAGES) {
        if (route !== undefined && !(route in paths)) continue;
        await page.goto(path);
        await ready(page);
        await page.getByRole("status", { name: "Loading" }).waitFor({ state: "detached" });
        await look(page, name, width, dark);
      }
      await dialogs(page, width, dark);
      await page.context().close();
    }
  }
  await weight(browser);
});

/**
 * Somebody who is on the line all the while.
 * @param {import("playwright-core").Browser} browser
 */
async function talks(browser) {
  const page = await visitor(browser);
  await signIn(page, given.email, given.password);
  await page.goto("/talk?assistant=demo&by=typing");
  await page.locator(".talk-lines li.assistant").first().waitFor();
  await page.getByLabel("What you want to say").fill("Where is my order?");
  await page.keyboard.press("Enter");
  await page.locator(".talk-lines li.user").first().waitFor();
}

/**
 * @param {import("playwright-core").Page} page
 * @param {number} width
 * @param {boolean} dark
 */
async function dialogs(page, width, dark) {
  await page.goto("/users");
  await page.getByRole("button", { name: "Add a user" }).first().click();
  await page.getByRole("dialog").waitFor();
  await look(page, "users-add", width, dark);
  await page.goto("/api-keys");
  await page.getByRole("button", { name: "Make a key" }).first().click();
  await page.getByRole("dialog").waitFor();
  await look(page, "api-keys-make", width, dark);
  if (width < 900) {
    await page.goto("/");
    await page.getByRole("button", { name: "Navigation" }).click();
    await page.getByRole("dialog").waitFor();
    await look(page, "navigation", width, dark);
  }
}

/**
 * @param {import("playwright-core").Page} page
 * @param {string} name
 * @param {number} width
 * @param {boolean} dark
 */
async function look(page, name, width, dark) {
  await page.evaluate(() => document.fonts.ready);
  const found = await findings(page);
  const shade = dark ? "dark" : "light";
  note(found.length === 0, `${name} at ${width}, ${shade}: axe finds nothing serious ${found.join("\n")}`);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  note(wide <= width, `${name} at ${width}, ${shade}: is as wide as the screen (${wide})`);
  if (shots) await keep(page, `${name}-${width}${dark ? "-dark" : ""}`);
}

/**
 * @param {import("playwright-core").Page} page
 * @param {string} name
 */
async function keep(page, name) {
  mkdirSync(/** @type {string} */ (shots), { recursive: true });
  const picture = await page.screenshot({ animations: "disabled" });
  writeFileSync(join(/** @type {string} */ (shots), `${name}.png`), picture);
}

/**
 * What the overview costs somebody who comes for the first time, and when it can be used.
 * @param {import("playwright-core").Browser} browser
 */
async function weight(browser) {
  const page = await visitor(browser);
  await signIn(page, given.email, given.password);
  await page.getByText("First steps").waitFor();
  /** @type {string[]} */
  const scripts = await page.evaluate(() =>
    performance
      .getEntriesByType("resource")
      .map((entry) => entry.name)
      .filter((name) => /\.js(\?|$)/.test(name)),
  );
  let bytes = 0;
  for (const url of new Set(scripts)) {
    const answer = await page.request.get(url, { headers: { "accept-encoding": "gzip" } });
    bytes += Number(answer.headers()["content-length"]);
  }
  const began = Date.now();
  await page.goto("/");
  await page.getByText("First steps").waitFor();
  console.log(
    `overview: ${scripts.length} scripts, ${(bytes / 1000).toFixed(1)} kB gzipped; usable ${Date.now() - began} ms after a reload`,
  );
  check(bytes > 0 && bytes < SCRIPT_KB_MAX * 1000, `the overview's scripts are below ${SCRIPT_KB_MAX} kB gzipped`);
}
