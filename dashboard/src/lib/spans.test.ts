import { describe, expect, it } from "vitest";
import { daysBefore, type Figures, filled, money, percent, tick, told } from "./spans";

const figures = (group: string, calls: number) => ({ group, calls }) as Figures;

describe("figures", () => {
  it("have a point for each hour, also where nothing was", () => {
    const points = filled(
      [figures("2026-11-22T08:00:00Z", 3)],
      new Date("2026-11-22T07:20:00Z"),
      new Date("2026-11-22T09:10:00Z"),
      "hour",
    );
    expect(points.map((point) => `${point.at.toISOString().slice(11, 16)} ${point.figures?.calls ?? "-"}`)).toEqual([
      "07:00 -",
      "08:00 3",
      "09:00 -",
    ]);
  });
  it("by the day begin at the day of UTC", () => {
    const points = filled([], new Date("2026-11-20T12:00:00Z"), new Date("2026-11-22T12:00:00Z"), "day");
    expect(points.map((point) => tick(point.at, "day"))).toEqual(["20 Nov", "21 Nov", "22 Nov"]);
  });
});

describe("times", () => {
  it("begin with a whole hour", () =>
    expect(daysBefore(new Date("2026-11-22T12:34:56Z"), 7).toISOString()).toBe("2026-11-15T12:00:00.000Z"));
  it("are told in full", () => expect(told(new Date("2026-11-22T00:00:00Z"), "day")).toBe("22 Nov"));
});

it("money is as small as it must be", () =>
  expect([0, 4_200, 12_300_000].map(money)).toEqual(["0.00", "0.0042", "12.30"]));
it("shares are of a hundred", () => expect(percent(0.875)).toBe("88 %"));
