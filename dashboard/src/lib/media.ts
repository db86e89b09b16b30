// Measurements of a call's media, one after the other. Pure.
import type { Schemas } from "~/api/client";

export type Measured = Schemas["ReceivedShown"];

export interface Sample {
  /** Milliseconds since 1970. */
  at: number;
  jitter: number | null;
  buffer: number | null;
  roundTrip: number | null;
  mos: number | null;
  /** Packets lost since the measurement before. */
  lost: number;
  /** Packets lost in all. */
  lostInAll: number;
}

/** Ten minutes at one in 2 s; what is older is not drawn any more. */
export const SAMPLES_MAX = 300;

export function added(before: Sample[], at: number, measured: Measured): Sample[] {
  const last = before.at(-1);
  if (last !== undefined && at <= last.at) return before;
  const sample: Sample = {
    at,
    jitter: measured.jitter_ms ?? null,
    buffer: measured.buffer_ms ?? null,
    roundTrip: measured.round_trip_ms ?? null,
    mos: measured.mos ?? null,
    // A stream that began anew counts from nothing.
    lost: last === undefined ? 0 : Math.max(0, measured.lost - last.lostInAll),
    lostInAll: measured.lost,
  };
  return [...before, sample].slice(-SAMPLES_MAX);
}
