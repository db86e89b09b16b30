// The charts of a call's media while it is up.
import { milliseconds } from "~/lib/format";
import type { Sample } from "~/lib/media";
import { Chart } from "./chart";

const HEIGHT_PX = 150;

export default function MediaCharts({ samples }: { samples: Sample[] }) {
  const places = samples.map(({ at }) => {
    const time = new Date(at).toLocaleTimeString("en-GB");
    return { short: time, long: time };
  });
  const measured = samples.some((sample) => sample.roundTrip !== null);
  return (
    <div className="grid">
      <Chart
        label="Jitter, buffer and round trip"
        kind="lines"
        height={HEIGHT_PX}
        places={places}
        format={milliseconds}
        series={[
          { name: "Jitter", colour: "accent", values: samples.map((sample) => sample.jitter) },
          { name: "Jitter buffer", colour: "note", values: samples.map((sample) => sample.buffer) },
          ...(measured
            ? [{ name: "Round trip", colour: "warn" as const, values: samples.map((sample) => sample.roundTrip) }]
            : []),
        ]}
      />
      <Chart
        label="Packets lost"
        kind="bars"
        height={HEIGHT_PX}
        places={places}
        format={(value) => (Number.isInteger(value) ? String(value) : "")}
        series={[{ name: "Since the measurement before", colour: "bad", values: samples.map((sample) => sample.lost) }]}
      />
    </div>
  );
}
