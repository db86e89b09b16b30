import { expect, it } from "vitest";
import { peaks } from "./waveform";

it("keeps the loudest sample of each piece", () => {
  expect([...peaks(new Float32Array([0, 0.5, -1, 0.25]), 2)]).toEqual([0.5, 1]);
  expect([...peaks(new Float32Array([]), 2)]).toEqual([0, 0]);
  expect(peaks(new Float32Array(10), 3)).toHaveLength(3);
});
