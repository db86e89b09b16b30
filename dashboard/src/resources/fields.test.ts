import { describe, expect, it } from "vitest";
import { differences, type FieldSpec, patchOf, readValue, toForm, Unreadable } from "./fields";

const field = (name: string, kind: FieldSpec["kind"] = "text"): FieldSpec => ({ name, label: name, kind });
const fields = [
  field("name"),
  field("voice.voice_id"),
  field("voice.speed", "number"),
  field("recording", "yes-no"),
  field("tools", "lines"),
  field("analysis", "json"),
];
const row = {
  name: "demo",
  voice: { voice_id: "ada", speed: 1.5 },
  tools: ["a", "b"],
  analysis: { on: true, fields: { x: 1 } },
};

describe("a form", () => {
  it("has the texts of a row", () => {
    expect(toForm(row, fields)).toEqual({
      name: "demo",
      voice__voice_id: "ada",
      voice__speed: "1.5",
      recording: "",
      tools: "a\nb",
      analysis: '{\n  "on": true,\n  "fields": {\n    "x": 1\n  }\n}',
    });
  });

  it("sends nothing that was not changed", () => expect(patchOf(row, toForm(row, fields), fields)).toEqual({}));

  it("sends what was changed, where it lies, and null for what was taken away", () => {
    const values = {
      ...toForm(row, fields),
      voice__voice_id: " bob ",
      voice__speed: "",
      recording: "false",
      tools: "b\n\n c",
    };
    expect(patchOf(row, values, fields)).toEqual({
      voice: { voice_id: "bob", speed: null },
      recording: false,
      tools: ["b", "c"],
    });
  });

  it("takes away by name what an object no longer has", () => {
    const values = { ...toForm(row, fields), analysis: '{"fields": {"y": 2}}' };
    expect(patchOf(row, values, fields)).toEqual({ analysis: { on: null, fields: { x: null, y: 2 } } });
  });

  it("says what cannot be read", () => {
    expect(() => readValue("ten", field("n", "number"))).toThrow(Unreadable);
    expect(() => readValue("{", field("j", "json"))).toThrow("This is not JSON.");
  });
});

describe("differences", () => {
  it("are told by place", () => {
    expect(differences({ a: 1, b: { c: "x", d: 2 } }, { a: 1, b: { c: "y", d: 2 }, e: [1] })).toEqual([
      { place: "b.c", before: "x", after: "y" },
      { place: "e", before: "", after: "[1]" },
    ]);
  });
});
