// Times that figures are of, hour by hour or day by day. Pure: what "now" is, is told.
import type { Schemas } from "~/api/client";

export type Figures = Schemas["FiguresShown"];
export type Step = "hour" | "day";

const MS: Record<Step, number> = { hour: 3_600_000, day: 86_400_000 };

/** Midnight here, before `now`. */
export function today(now: Date): Date {
  return new Date(now.getFullYear(), now.getMonth(), now.getDate());
}

/** So many days before, to the whole hour: an address that stays the same for a while is asked for once. */
export function daysBefore(now: Date, days: number): Date {
  const hour = Math.floor(now.getTime() / MS.hour) * MS.hour;
  return new Date(hour - days * MS.day);
}

export interface Point {
  at: Date;
  figures: Figures | undefined;
}

/** One point for each hour or day, also for those of which nobody has anything to tell. The server counts by the hours and days of UTC. */
export function filled(groups: Figures[], since: Date, until: Date, step: Step): Point[] {
  const known = new Map(groups.map((figures) => [new Date(figures.group ?? 0).getTime(), figures]));
  const points: Point[] = [];
  const first = Math.floor(since.getTime() / MS[step]) * MS[step];
  for (let at = first; at < until.getTime(); at += MS[step]) {
    points.push({ at: new Date(at), figures: known.get(at) });
  }
  return points;
}

/** 14:00, or 22 Nov: what stands below a chart. */
export function tick(at: Date, step: Step): string {
  return step === "hour"
    ? at.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" })
    : at.toLocaleDateString("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
}

/** The same in full: 22 Nov, 14:00. */
export function told(at: Date, step: Step): string {
  if (step === "day") return tick(at, step);
  return at.toLocaleString("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
}

/** Money of millionths: 0.0042, 12.30. Of what currency, the operator knows. */
export function money(micros: number): string {
  const whole = micros / 1_000_000;
  return whole.toFixed(whole !== 0 && whole < 1 ? 4 : 2);
}

/** 0.875: 88 % */
export function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
