import { expect, it } from "vitest";
import { fromPcm, loudness, toPcm } from "./pcm";

it("samples come back as they were", () => {
  const back = fromPcm(toPcm(new Float32Array([0, 0.5, -0.5, 2, -2])));
  expect([...back].map((sample) => Math.round(sample * 100) / 100)).toEqual([0, 0.5, -0.5, 1, -1]);
});

it("half a sample is left out", () => expect(fromPcm(new ArrayBuffer(3))).toHaveLength(1));

it("loudness is what an eye makes of decibels", () => {
  expect(loudness(new Float32Array())).toBe(0);
  expect(loudness(new Float32Array(160))).toBe(0);
  expect(loudness(new Float32Array(160).fill(1))).toBe(1);
  expect(loudness(new Float32Array(160).fill(0.0563))).toBeCloseTo(0.5, 1);
});
