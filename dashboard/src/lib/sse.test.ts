import { expect, it } from "vitest";
import { EventReader } from "./sse";

it("reads events that come in pieces, and skips heartbeats", () => {
  const reader = new EventReader();
  expect(reader.read("retry: 2000\n\nid: 7\nevent: call.st")).toEqual([]);
  expect(reader.read('arted\ndata: {"a":1}\n\n: heartbeat\n\n')).toEqual([
    { id: "7", type: "call.started", data: '{"a":1}' },
  ]);
  expect(reader.read("data: a\r\ndata: b\r\n\r\n")).toEqual([{ id: "7", type: "message", data: "a\nb" }]);
});
