import { describe, expect, it } from "vitest";
import { NAVIGATION, visible } from "./navigation";

const all = NAVIGATION.flatMap((group) => group.places);
const served = new Set(all.map((place) => place.route));
const titles = (permissions: string[], routes: ReadonlySet<string> = served) =>
  visible(NAVIGATION, permissions, routes).flatMap((group) => group.places.map((place) => place.title));

describe("navigation", () => {
  it("shows who may nothing the overview alone", () => expect(titles([])).toEqual(["Overview"]));
  it("shows what one may", () =>
    expect(titles(["calls:read", "audit_log:read"])).toEqual([
      "Overview",
      "Live calls",
      "Calls",
      "Analytics",
      "Audit log",
    ]));
  it("shows no page that the server has no route for", () =>
    expect(titles(["tools:read", "users:read"], new Set(["GET /api/v1/me", "GET /api/v1/users"]))).toEqual([
      "Overview",
      "Users",
    ]));
  it("has each place once", () => expect(new Set(all.map((place) => place.to)).size).toBe(all.length));
});
