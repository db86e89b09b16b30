import { expect, it } from "vitest";
import { highest, type Series } from "./chart";

const series = (...values: (number | null)[]): Series => ({ name: "one", colour: "accent", values });

it("a chart is as high as its highest bar, all parts of it, or its highest point", () => {
  const both = [series(1, 4, null), series(2, 3, 9)];
  expect(highest("bars", both, 3)).toBe(9);
  expect(highest("bars", [series(1, 4), series(2, 3)], 2)).toBe(7);
  expect(highest("lines", [series(1, 4), series(2, 3)], 2)).toBe(4);
});

it("an empty one has a height too", () => expect(highest("lines", [series(null)], 1)).toBe(1));
