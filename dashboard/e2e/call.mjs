// A call that SIPp has made: its facts, its ladder and one of its messages, by keys alone where it can be.
import { check, given, inBrowser, signIn, visitor } from "./harness.mjs";

await inBrowser(async (browser) => {
  const page = await visitor(browser);
  await signIn(page, given.email, given.password);
  await page.goto(`/calls/${given.call}`);
  await page.getByText("Completed", { exact: true }).first().waitFor();
  check(await page.getByText("Caller hangup").isVisible(), "the call says how it ended");
  const rungs = page.locator(".ladder button");
  await rungs.first().waitFor();
  const labels = await rungs.locator(".label").allInnerTexts();
  const words = labels.map((label) => label.split(/[\s·,]/)[0]);
  check(
    words[0] === "INVITE" && words.includes("200") && words.includes("ACK") && words.includes("BYE"),
    `the ladder is whole: ${words}`,
  );
  await rungs.first().focus();
  await page.keyboard.press("Enter");
  const dialog = page.getByRole("dialog");
  await dialog.waitFor();
  check((await dialog.locator("pre").innerText()).startsWith("INVITE sip:demo@"), "a message opens with its text");
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  await page.waitForFunction(() => document.activeElement?.classList.contains("rung"));
  check(true, "and gives the focus back");
  const [file] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name: "For Wireshark" }).click(),
  ]);
  check(file.suggestedFilename() === `${given.call}.pcap`, "the capture is saved");
  await page.goto("/calls/01900000-0000-7000-8000-000000000000");
  await page.getByRole("alert").first().waitFor();
  check(await page.getByText("There is no such call.").isVisible(), "a call that there is not is told");
});
