import { expect, it } from "vitest";
import { healthOf } from "./trunk";

const told = (registered: boolean | null, ...targets: string[]) => {
  const { tone, words } = healthOf({ registered, targets: targets.map((health) => ({ uri: "sip:a", health })) });
  return `${tone}: ${words}`;
};

it.each([
  [told(false, "up"), "bad: Not registered: no call comes in"],
  [told(true, "up"), "good: Registered; its target answers"],
  [told(null, "up", "up"), "good: all 2 targets answer"],
  [told(null, "up", "down"), "warn: 1 of 2 targets do not answer"],
  [told(null, "down"), "bad: no target answers"],
  [told(true, "failing", "up"), "warn: Registered; the last call failed at 1 of 2"],
  [told(null, "unknown"), "note: not asked yet, or never"],
  [told(null), "plain: Calls come in; it has no targets"],
  [told(true), "plain: Registered"],
])("%s", (said, wanted) => expect(said).toBe(wanted));
