import { describe, expect, it } from "vitest";
import { touches } from "./touches";

const told = (type: string, id?: string) => touches(type, id).map((key) => key.join("/"));

describe("an event", () => {
  it("of a turn touches its own call alone", () => expect(told("turn.completed", "7")).toEqual(["calls/7"]));
  it("of a call touches lists and figures too", () =>
    expect(told("call.ended", "7")).toEqual(["calls/7", "calls/list", "analytics", "node"]));
  it("of an analysis touches what comes of it", () =>
    expect(told("call.analyzed", "7").slice(-2)).toEqual(["leads", "memories"]));
  it("that names no call touches all of them", () => expect(told("tool.called")).toEqual(["calls"]));
  it("that nobody knows touches nothing", () => expect(told("weather.changed", "7")).toEqual([]));
});
