import { describe, expect, it } from "vitest";
import { ago, browser, clock, milliseconds, shortId, words } from "./format";

const now = new Date("2026-11-22T12:00:00Z");

describe("times", () => {
  it.each([
    ["2026-11-22T11:59:30Z", "just now"],
    ["2026-11-22T12:00:20Z", "just now"],
    ["2026-11-22T11:55:00Z", "5 min ago"],
    ["2026-11-22T08:59:00Z", "3 h ago"],
    ["2026-11-21T11:00:00Z", "yesterday"],
    ["2026-11-19T11:00:00Z", "3 days ago"],
    ["2026-11-01T11:00:00Z", "1 Nov 2026"],
    ["2026-11-22T12:10:00Z", "in 10 min"],
    ["2026-12-22T12:00:00Z", "in 30 days"],
    ["never", "never"],
  ])("%s is %s", (at, said) => expect(ago(at, now)).toBe(said));

  it.each([
    [0, "0:00"],
    [7.4, "0:07"],
    [205, "3:25"],
    [3729, "1:02:09"],
    [-3, "0:00"],
  ])("%d s is %s", (seconds, said) => expect(clock(seconds)).toBe(said));

  it("counts small times in milliseconds", () => {
    expect(milliseconds(340.4)).toBe("340 ms");
    expect(milliseconds(1250)).toBe("1.25 s");
  });
});

describe("words", () => {
  it("are made of names", () => expect(words("caller_hangup")).toBe("Caller hangup"));
  it("keep the end of an id", () => {
    expect(shortId("019a0000-0000-7000-8000-0123456789ab")).toBe("…456789ab");
    expect(shortId("default")).toBe("default");
  });
  it("say which browser it is", () => {
    const chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36";
    expect(browser(chrome)).toBe("Chrome on Linux");
    expect(browser("curl/8.0")).toBe("curl");
  });
});
