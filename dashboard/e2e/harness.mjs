// What the runs in a browser share: a browser, signing in, checks that name themselves, and axe.
import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

/** What the test that starts this has prepared: the address of a server, and who may sign in there. */
export const given =
  /** @type {{ url: string, email: string, password: string, call: string, otherEmail: string, otherPassword: string, viewerEmail: string, viewerPassword: string, ladder: string, session: { webrtc_url: string, token: string }, speech: string }} */ (
    JSON.parse(process.env.OFFHOOK_E2E ?? "{}")
  );

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const WAIT_MS = 15_000;

/**
 * Runs in a browser of its own. What a page complains of in its console, the Content-Security-Policy's refusals among it, fails the run.
 * @param {(browser: import("playwright-core").Browser) => Promise<void>} run
 */
export async function inBrowser(run) {
  const browser = await chromium.launch({
    executablePath: process.env.OFFHOOK_CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-dev-shm-usage",
      "--force-color-profile=srgb",
      // A microphone of its own, which beeps.
      "--use-fake-device-for-media-stream",
      "--use-fake-ui-for-media-stream",
      "--autoplay-policy=no-user-gesture-required",
    ],
  });
  try {
    await run(browser);
  } catch (error) {
    console.error(error);
    process.exitCode = 1;
    for (const page of browser.contexts().flatMap((context) => context.pages())) {
      console.error(`the page ${page.url()} had: ${await page.locator("body").innerText()}`);
    }
  } finally {
    await browser.close();
  }
}

/**
 * @typedef {{ width?: number, height?: number, dark?: boolean, microphone?: boolean }} Look
 * @typedef {import("playwright-core").Page} Page
 */

/**
 * A page of a new visitor.
 * @param {import("playwright-core").Browser} browser
 * @param {Look} look
 */
export async function visitor(browser, look = {}) {
  const { width = 1440, height = 900, dark = false, microphone = false } = look;
  const context = await browser.newContext({
    baseURL: given.url,
    viewport: { width, height },
    colorScheme: dark ? "dark" : "light",
    reducedMotion: "reduce",
    locale: "en-GB",
    timezoneId: "UTC",
    ...(microphone ? { permissions: ["microphone"] } : {}),
  });
  context.setDefaultTimeout(WAIT_MS);
  const page = await context.newPage();
  page.on("console", (message) => {
    const refused = /Content Security Policy|Refused to/.test(message.text());
    // The browser itself writes a line for each answer of 4xx: these are part of the runs.
    if (message.type() === "error" && (refused || !message.text().startsWith("Failed to load resource"))) {
      failed(`the console is silent, and does not say: ${message.text()}`);
    }
  });
  page.on("pageerror", (error) => failed(`nothing is thrown, as was: ${error.message}`));
  return page;
}

/** @param {string} what */
function failed(what) {
  console.error(`not ok: ${what}`);
  process.exitCode = 1;
}

/**
 * @param {boolean} holds
 * @param {string} what
 */
export function check(holds, what) {
  if (!holds) throw new Error(`not ok: ${what}`);
  console.log(`ok: ${what}`);
}

/**
 * The same, and the run goes on: for what is looked at many times.
 * @param {boolean} holds
 * @param {string} what
 */
export function note(holds, what) {
  if (holds) console.log(`ok: ${what}`);
  else failed(what);
}

/**
 * @param {Page} page
 * @param {string} email
 * @param {string} password
 * @param {string} [code]
 */
export async function signIn(page, email, password, code) {
  await page.goto("/");
  await page.getByLabel("E-mail").fill(email);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
  if (code !== undefined) {
    await page.getByLabel("Code of your authenticator").fill(code);
    await page.getByRole("button", { name: "Sign in" }).click();
  }
  await page.locator("main.main").waitFor();
}

/** @param {Page} page */
export async function signOut(page) {
  await page.getByRole("button", { name: /^Account of/ }).click();
  await page.getByRole("menuitem", { name: "Sign out" }).click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
}

/**
 * The code of an authenticator (RFC 6238), some steps of 30 s from now.
 * @param {string} secret
 * @param {number} steps
 */
export function totp(secret, steps = 0) {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const bits = [...secret.replace(/=+$/, "")]
    .map((letter) => alphabet.indexOf(letter).toString(2).padStart(5, "0"))
    .join("");
  const key = Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + steps));
  const mac = createHmac("sha1", key).update(counter).digest();
  const offset = (mac.at(-1) ?? 0) & 15;
  return String((mac.readUInt32BE(offset) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

/**
 * Axe's serious and critical findings on the page as it is.
 * @param {Page} page
 * @returns {Promise<string[]>}
 */
export async function findings(page) {
  // By the debugger, which no Content-Security-Policy of the page holds back.
  await page.evaluate(AXE);
  const found = await page.evaluate(async () => {
    // @ts-expect-error: axe is there since the line above
    const { violations } = await window.axe.run(document, { resultTypes: ["violations"] });
    return violations.map((/** @type {any} */ one) => ({
      impact: one.impact,
      text: `${one.impact} ${one.id}: ${one.nodes.map((/** @type {any} */ node) => node.html.slice(0, 160)).join(" | ")}`,
    }));
  });
  return /** @type {{ impact: string, text: string }[]} */ (found)
    .filter((one) => ["serious", "critical"].includes(one.impact))
    .map((one) => one.text);
}
