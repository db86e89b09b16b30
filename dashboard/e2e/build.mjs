// What calls are answered by: an assistant is made, changed, compared and put back; a webhook shows its secret once. Where the server has them.
import { check, given, inBrowser, signIn, visitor } from "./harness.mjs";

const NAME = `reception-${Date.now()}`;

await inBrowser(async (browser) => {
  const { paths } = await (await fetch(`${given.url}/api/openapi.json`)).json();
  const page = await visitor(browser);
  await signIn(page, given.email, given.password);
  if ("/api/v1/assistants" in paths) await assistant(page);
  if ("/api/v1/webhooks" in paths) await webhook(page);
});

/** @param {import("playwright-core").Page} page */
async function assistant(page) {
  await page.goto("/assistants");
  await page.getByRole("button", { name: "Add assistant" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name").fill(NAME);
  await dialog.getByLabel("First message").fill("Good morning.");
  await dialog.getByLabel("Engine", { exact: true }).selectOption("offline");
  await dialog.getByRole("button", { name: "Add" }).click();
  await page.getByRole("link", { name: NAME }).click();
  await page.getByText("Version 1").waitFor();
  check(true, "an assistant is made");
  await page.getByLabel("First message").fill("Good evening.");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("Version 2").waitFor();
  check(true, "and changed, which is a version");
  await page.getByRole("tab", { name: "Versions" }).click();
  await page.getByRole("button", { name: "Compare" }).click();
  await page.getByText("Good morning.").waitFor();
  check(await page.getByText("first_message").isVisible(), "what differs is shown");
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Restore" }).click();
  await page.getByRole("button", { name: "Go back" }).click();
  await page.getByText("Version 3").first().waitFor();
  await page.getByRole("tab", { name: "Settings" }).click();
  await page.waitForFunction(() => document.querySelector("textarea")?.value === "Good morning.");
  check(true, "it is put back");
}

/** @param {import("playwright-core").Page} page */
async function webhook(page) {
  await page.goto("/webhooks");
  await page.getByRole("button", { name: "Add webhook" }).first().click();
  await page.getByLabel("Address").fill("https://example.com/hooks/offhook");
  await page.getByRole("dialog").getByRole("button", { name: "Add" }).click();
  const secret = await page.locator(".secret code").innerText();
  check(secret.startsWith("whsec_"), "a webhook's secret is shown");
  await page.getByRole("button", { name: "I have it" }).click();
  await page.reload();
  await page.getByRole("cell", { name: /hooks/ }).first().waitFor();
  check(!(await page.content()).includes(secret), "once");
}
