import { expect, it } from "vitest";
import { Downsampler } from "./downsample";

it("averages what falls together, also over the ends of pieces", () => {
  const down = new Downsampler(48_000, 16_000);
  expect(down.push(new Float32Array([1, 1, 1, 0.5]))).toEqual([1]);
  expect(down.push(new Float32Array([0.5, 0.5]))).toEqual([0.5]);
});

it("gives as many as were wanted, at any rate", () => {
  const down = new Downsampler(44_100, 16_000);
  const pieces = Array.from({ length: 441 }, () => down.push(new Float32Array(100)).length);
  expect(Math.abs(pieces.reduce((sum, count) => sum + count, 0) - 16_000)).toBeLessThan(2);
});
