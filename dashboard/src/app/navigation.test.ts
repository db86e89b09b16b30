import { describe, expect, it } from "vitest";
import { NAVIGATION, visible } from "./navigation";

const titles = (permissions: string[]) =>
  visible(NAVIGATION, permissions).flatMap((group) => group.places.map((place) => place.title));

describe("navigation", () => {
  it("shows who may nothing the overview alone", () => expect(titles([])).toEqual(["Overview"]));
  it("shows what one may", () =>
    expect(titles(["calls:read", "audit_log:read"])).toEqual(["Overview", "Calls", "Audit log"]));
  it("has each place once", () => {
    const all = NAVIGATION.flatMap((group) => group.places.map((place) => place.to));
    expect(new Set(all).size).toBe(all.length);
  });
});
