// Talking: an assistant is made and typed to, its call appears among those that are up and then has a detail; by voice, with Chromium's
// own microphone, something is heard; a recording is played from where one clicks; who may not do something is not offered it.
import { check, given, inBrowser, signIn, visitor } from "./harness.mjs";

const NAME = `clerk-${Date.now()}`;

await inBrowser(async (browser) => {
  const page = await visitor(browser, { microphone: true });
  await signIn(page, given.email, given.password);
  await make(page);
  await typed(page);
  await spoken(page);
  await live(browser, page);
  await seek(page);
  await refused(browser);
});

/** @param {import("playwright-core").Page} page */
async function make(page) {
  await page.goto("/assistants");
  await page.getByRole("button", { name: "Add assistant" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name").fill(NAME);
  await dialog.getByLabel("First message").fill("Good morning, this is the shop.");
  await dialog.getByLabel("Engine", { exact: true }).selectOption("offline");
  await dialog.getByRole("button", { name: "Add" }).click();
  await page.getByRole("link", { name: NAME }).click();
  await page.getByRole("link", { name: "Talk to it" }).waitFor();
  check(true, "an assistant that was made can be talked to");
}

/** @param {import("playwright-core").Page} page */
async function typed(page) {
  await page.getByRole("link", { name: "Type to it" }).click();
  const said = page.locator(".talk-lines");
  await said.getByText("Good morning, this is the shop.").waitFor();
  check(true, "it says its first message");
  await page.getByLabel("What you want to say").fill("Two bicycles, please.");
  await page.keyboard.press("Enter");
  await said.locator("li.user").getByText("Two bicycles, please.").waitFor();
  await said.locator("li.assistant").nth(1).waitFor();
  const answer = await said.locator("li.assistant").nth(1).innerText();
  check(answer.length > NAME.length, `what is typed is answered: ${answer.replace("\n", " ")}`);
  await page.getByRole("button", { name: "End", exact: true }).click();
  await page.getByText("You have ended it.").waitFor();
  await page.getByRole("link", { name: "Open the call" }).click();
  await page.getByText("Two bicycles, please.").waitFor();
  check(true, "its call has what was typed");
}

/** @param {import("playwright-core").Page} page */
async function spoken(page) {
  await page.goto("/talk");
  await page.getByLabel("Assistant", { exact: true }).selectOption({ label: NAME });
  await page.getByRole("button", { name: "Talk to it" }).click();
  await page.getByRole("meter", { name: "The assistant" }).waitFor({ state: "attached" });
  await loud(page, "The assistant");
  check(true, "the assistant is heard");
  await loud(page, "You");
  check(true, "and so is the microphone");
  await page.getByRole("button", { name: "Mute" }).click();
  check(await page.getByRole("button", { name: "Unmute" }).isVisible(), "which can be muted");
}

/**
 * @param {import("playwright-core").Page} page
 * @param {string} name
 */
async function loud(page, name) {
  const meter = await page.getByRole("meter", { name, exact: true }).elementHandle();
  await page.waitForFunction((meter) => /** @type {HTMLMeterElement} */ (meter).value > 5, meter);
}

/**
 * The call of the page that talks is on another one, as it goes on.
 * @param {import("playwright-core").Browser} browser
 * @param {import("playwright-core").Page} talking
 */
async function live(browser, talking) {
  const page = await visitor(browser, { microphone: true });
  await signIn(page, given.email, given.password);
  await page.goto("/live");
  const call = page.locator(".live-call").filter({ hasText: NAME });
  await call.waitFor();
  check(true, "the call is among those that are up");
  await talking.getByLabel("What you want to say").fill("Is anybody there?");
  await talking.keyboard.press("Enter");
  await call.getByText("Is anybody there?").or(call.getByText("Agent")).first().waitFor();
  check(true, "with its last words, as they come");
  await call.getByText("opus").waitFor();
  check(true, "voice goes by WebRTC");
  await call.getByRole("button", { name: "Listen in" }).click();
  await page.getByRole("region", { name: "You are on the line" }).waitFor();
  check(true, "one can listen in");
  await page.waitForTimeout(1_000);
  check((await page.locator(".live-call").count()) === 1, "and who listens in is no caller");
  await page.getByRole("button", { name: "Stop listening" }).click();
  await page.getByRole("region", { name: "You are on the line" }).waitFor({ state: "detached" });
  await call.getByRole("button", { name: "Hang up" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Hang up" }).click();
  await page.getByText("Nobody is on the line").waitFor();
  await talking.getByText("Somebody has ended it.").waitFor();
  check(true, "and hang up, which both pages see");
  await page.context().close();
}

/** @param {import("playwright-core").Page} page */
async function seek(page) {
  await page.goto(`/calls/${given.call}`);
  const place = page.getByLabel("Where in the recording");
  await place.waitFor();
  const box = await place.boundingBox();
  if (box === null) throw new Error("the waveform has no place");
  await page.mouse.click(box.x + box.width * 0.8, box.y + box.height / 2);
  const at = Number(await place.inputValue());
  check(at > 30 && at < 45, `a click on the waveform goes there: ${at} s`);
  const now = await page.locator(".said li.now").innerText();
  check(now.includes("e-mail"), `the transcript follows: ${now.replaceAll("\n", " ")}`);
  check((await page.getByRole("img", { name: /cut short at/ }).count()) === 1, "an interruption is marked");
  check((await page.getByRole("img", { name: /Model \d+ ms/ }).count()) > 3, "each answer has its stages");
  await page.locator(".said summary").filter({ hasText: "change_address" }).click();
  check(await page.getByText("Harbour Street 12").first().isVisible(), "a tool call opens with its arguments");
}

/** @param {import("playwright-core").Browser} browser */
async function refused(browser) {
  const other = await visitor(browser);
  await signIn(other, given.otherEmail, given.otherPassword);
  await other.goto("/live");
  await other.getByText("Nobody is on the line").waitFor();
  await other.goto("/analytics");
  await other.getByText("No call began in this time").waitFor();
  await other.goto(`/calls/${given.call}`);
  await other.getByRole("alert").first().waitFor();
  check(!(await other.content()).includes("Harbour Street"), "another organization sees no call, live or over");
  const viewer = await visitor(browser);
  await signIn(viewer, given.viewerEmail, given.viewerPassword);
  const places = await viewer.getByRole("navigation", { name: "Pages" }).getByRole("link").allInnerTexts();
  check(!places.includes("Talk") && places.includes("Live calls"), `a viewer may look, and not talk: ${places}`);
  await viewer.goto("/assistants/demo");
  await viewer.getByLabel("First message").waitFor();
  check(await viewer.getByLabel("First message").isDisabled(), "a viewer cannot edit an assistant");
  check((await viewer.getByRole("link", { name: "Talk to it" }).count()) === 0, "nor talk to it");
}
