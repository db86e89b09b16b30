import { expect, it } from "vitest";
import { added, type Measured, SAMPLES_MAX, type Sample } from "./media";

const measured = (lost: number) => ({ packets: 100, lost, jitter_ms: 4.5 }) as Measured;

it("counts what was lost since the one before", () => {
  const samples = [3, 5, 5, 1].reduce<Sample[]>((before, lost, at) => added(before, at, measured(lost)), []);
  expect(samples.map((sample) => sample.lost)).toEqual([0, 2, 0, 0]);
  expect(samples[0]).toMatchObject({ jitter: 4.5, mos: null });
});

it("takes each measurement once, and forgets the oldest", () => {
  const first = added([], 1, measured(0));
  expect(added(first, 1, measured(9))).toBe(first);
  const many = Array.from({ length: SAMPLES_MAX + 5 }, (_, at) => at).reduce<Sample[]>(
    (before, at) => added(before, at, measured(0)),
    [],
  );
  expect([many.length, many[0]?.at]).toEqual([SAMPLES_MAX, 5]);
});
