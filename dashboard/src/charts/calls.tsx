// The charts that calls of a time are shown with.
import { milliseconds } from "~/lib/format";
import { type Figures, filled, money, type Step, tick, told } from "~/lib/spans";
import { Chart } from "./chart";

interface Span {
  groups: Figures[];
  since: Date;
  until: Date;
  step: Step;
}

function placesOf({ groups, since, until, step }: Span) {
  const points = filled(groups, since, until, step);
  const places = points.map(({ at }) => ({ short: tick(at, step), long: told(at, step) }));
  const of = (read: (figures: Figures) => number | null | undefined) =>
    points.map(({ figures }) => (figures ? (read(figures) ?? null) : null));
  return { places, of };
}

const whole = (value: number) => (Number.isInteger(value) ? String(value) : value.toFixed(1));

export default function CallsChart(span: Span & { height?: number }) {
  const { places, of } = placesOf(span);
  return (
    <Chart
      label={span.step === "hour" ? "Calls an hour" : "Calls a day"}
      kind="bars"
      places={places}
      format={whole}
      {...(span.height ? { height: span.height } : {})}
      series={[
        { name: "Answered", colour: "accent", values: of((one) => one.answered) },
        { name: "Not answered", colour: "warn", values: of((one) => one.calls - one.answered) },
      ]}
    />
  );
}

export function GapChart(span: Span) {
  const { places, of } = placesOf(span);
  return (
    <Chart
      label="Response gap"
      kind="lines"
      places={places}
      format={milliseconds}
      series={[
        { name: "Half are faster (p50)", colour: "accent", values: of((one) => one.response_gap?.p50_ms) },
        { name: "95 % are faster (p95)", colour: "warn", values: of((one) => one.response_gap?.p95_ms) },
      ]}
    />
  );
}

export function MinutesChart(span: Span) {
  const { places, of } = placesOf(span);
  return (
    <Chart
      label="Minutes talked"
      kind="bars"
      places={places}
      format={whole}
      series={[{ name: "Minutes", colour: "note", values: of((one) => Math.round(one.minutes * 10) / 10) }]}
    />
  );
}

export function TurnsChart(span: Span) {
  const { places, of } = placesOf(span);
  const share = (one: Figures) => (one.turns === 0 ? null : Math.round((1000 * one.interruptions) / one.turns) / 10);
  return (
    <Chart
      label="Turns that were cut short"
      kind="lines"
      places={places}
      format={(value) => `${whole(value)} %`}
      series={[{ name: "Interruptions, of all turns", colour: "bad", values: of(share) }]}
    />
  );
}

export function SuccessChart(span: Span) {
  const { places, of } = placesOf(span);
  const share = (one: Figures) => (one.success_rate == null ? null : Math.round(one.success_rate * 1000) / 10);
  return (
    <Chart
      label="Success"
      kind="lines"
      places={places}
      format={(value) => `${whole(value)} %`}
      series={[{ name: "Of the calls that were judged", colour: "good", values: of(share) }]}
    />
  );
}

export function CostChart(span: Span) {
  const { places, of } = placesOf(span);
  return (
    <Chart
      label="Cost"
      kind="bars"
      places={places}
      format={(value) => money(value)}
      series={[{ name: "Of calls of ours", colour: "warn", values: of((one) => one.cost_micros) }]}
    />
  );
}
