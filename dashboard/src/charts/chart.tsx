// A chart over time: bars that stand on each other, or lines. Reached by keys and fingers, and told as a table.
import { scaleBand, scaleLinear } from "d3-scale";
import { line } from "d3-shape";
import { useEffect, useId, useRef, useState } from "react";
import { type Column, Table } from "~/ui/list";

export interface Series {
  name: string;
  /** accent, bad, note, warn, good: one of the page's colours. */
  colour: "accent" | "bad" | "good" | "note" | "warn";
  values: (number | null)[];
}

export interface ChartProps {
  /** Calls a day */
  label: string;
  kind: "bars" | "lines";
  series: Series[];
  /** What stands below each place, and what it is called in full. */
  places: { short: string; long: string }[];
  format: (value: number) => string;
  height?: number;
}

const LEFT = 46;
const BOTTOM = 22;
const TOP = 8;
/** Room that a word below the chart takes. */
const WORD = 64;

export function Chart(props: ChartProps) {
  const { label, series, places, format, height = 190 } = props;
  const box = useRef<HTMLDivElement>(null);
  const width = useWidth(box);
  const [at, setAt] = useState<number>();
  const name = useId();
  const shown = at === undefined ? undefined : places[at];
  const last = places.length - 1;
  return (
    <figure className="chart" aria-labelledby={name}>
      <figcaption>
        <h3 id={name}>{label}</h3>
        <ul className="row small" aria-hidden>
          <li className="muted">{shown?.long}</li>
          {series.map((one) => (
            <li key={one.name}>
              <i className={`swatch ${one.colour}`} /> {one.name}
              {at !== undefined && <strong className="number"> {words(one.values[at], format)}</strong>}
            </li>
          ))}
        </ul>
      </figcaption>
      <div className="plot" ref={box} style={{ height }}>
        {width > 0 && <Drawn {...props} width={width} height={height} at={at} />}
        <input
          type="range"
          aria-label={`${label}: place in time`}
          aria-valuetext={told(props, at ?? last)}
          min={0}
          max={Math.max(last, 0)}
          value={at ?? last}
          onChange={(event) => setAt(Number(event.target.value))}
          onFocus={() => setAt(at ?? last)}
          onBlur={() => setAt(undefined)}
          onPointerMove={(event) => setAt(under(event, places.length))}
          onPointerLeave={(event) => event.currentTarget !== document.activeElement && setAt(undefined)}
        />
      </div>
      <details>
        <summary className="muted small">As a table</summary>
        <Told {...props} />
      </details>
    </figure>
  );
}

function useWidth(box: React.RefObject<HTMLElement | null>): number {
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const place = box.current;
    if (!place) return;
    const watch = new ResizeObserver(() => setWidth(place.clientWidth));
    watch.observe(place);
    return () => watch.disconnect();
  }, [box]);
  return width;
}

/** Which place is under a pointer. */
function under(event: React.PointerEvent<HTMLElement>, count: number): number {
  const { left, width } = event.currentTarget.getBoundingClientRect();
  const share = (event.clientX - left - LEFT) / Math.max(1, width - LEFT);
  return Math.max(0, Math.min(count - 1, Math.floor(share * count)));
}

const words = (value: number | null | undefined, format: (value: number) => string) =>
  value === null || value === undefined ? "–" : format(value);

function told({ series, places, format }: ChartProps, at: number): string {
  const values = series.map((one) => `${one.name} ${words(one.values[at], format)}`);
  return `${places[at]?.long ?? ""}: ${values.join(", ")}`;
}

function Drawn({
  kind,
  series,
  places,
  format,
  width,
  height,
  at,
}: ChartProps & { width: number; height: number; at: number | undefined }) {
  const x = scaleBand<number>(
    places.map((_, place) => place),
    [LEFT, width],
  ).paddingInner(places.length > 60 ? 0.1 : 0.25);
  const top = highest(kind, series, places.length);
  const y = scaleLinear([0, top], [height - BOTTOM, TOP]).nice(4);
  const middle = (place: number) => (x(place) ?? 0) + x.bandwidth() / 2;
  const every = Math.max(1, Math.ceil((places.length * WORD) / Math.max(1, width - LEFT)));
  return (
    <svg width={width} height={height} aria-hidden>
      {y.ticks(4).map((value) => (
        <g key={value} transform={`translate(0 ${y(value)})`}>
          <line x1={LEFT} x2={width} className="grid-line" />
          <text x={LEFT - 8} dy="0.32em" textAnchor="end">
            {format(value)}
          </text>
        </g>
      ))}
      {places.map(({ short, long }, place) =>
        place % every === 0 ? (
          <text key={long} x={middle(place)} y={height - 5} textAnchor="middle">
            {short}
          </text>
        ) : null,
      )}
      {at !== undefined && (
        <rect className="cursor" x={x(at)} width={x.bandwidth()} y={TOP} height={height - BOTTOM - TOP} />
      )}
      {kind === "bars" && <Bars series={series} x={x} y={y} count={places.length} />}
      {kind === "lines" && series.map((one) => <Line key={one.name} series={one} middle={middle} y={y} at={at} />)}
    </svg>
  );
}

/** What the scale must hold. An empty chart has one too. */
export function highest(kind: ChartProps["kind"], series: Series[], count: number): number {
  const at = (place: number) => series.map((one) => one.values[place] ?? 0);
  const tops = Array.from({ length: count }, (_, place) =>
    kind === "bars" ? at(place).reduce((sum, value) => sum + value, 0) : Math.max(0, ...at(place)),
  );
  return Math.max(...tops, 0) || 1;
}

interface Scales {
  x: { (place: number): number | undefined; bandwidth(): number };
  y: (value: number) => number;
}

function Bars({ series, x, y, count }: Scales & { series: Series[]; count: number }) {
  return Array.from({ length: count }, (_, place) => {
    let below = 0;
    return series.map((one) => {
      const value = one.values[place] ?? 0;
      const from = below;
      below += value;
      if (value === 0) return null;
      const high = y(from) - y(below);
      return (
        <rect
          // biome-ignore lint/suspicious/noArrayIndexKey: places of a chart are their own keys
          key={`${one.name}-${place}`}
          className={`bar ${one.colour}`}
          x={x(place)}
          width={Math.max(1, x.bandwidth())}
          y={y(below)}
          height={Math.max(1, high)}
          rx={Math.min(2, x.bandwidth() / 4)}
        />
      );
    });
  });
}

function Line({
  series,
  middle,
  y,
  at,
}: {
  series: Series;
  middle: (place: number) => number;
  y: Scales["y"];
  at: number | undefined;
}) {
  const path = line<number | null>()
    .defined((value) => value !== null)
    .x((_, place) => middle(place))
    .y((value) => y(value ?? 0))(series.values);
  // A place with nothing beside it is no line.
  const alone = (place: number) =>
    (series.values[place - 1] ?? null) === null && (series.values[place + 1] ?? null) === null;
  return (
    <g className={`curve ${series.colour}`}>
      <path d={path ?? ""} />
      {series.values.map((value, place) =>
        value !== null && (alone(place) || place === at) ? (
          // biome-ignore lint/suspicious/noArrayIndexKey: places of a chart are their own keys
          <circle key={place} cx={middle(place)} cy={y(value)} r={3} />
        ) : null,
      )}
    </g>
  );
}

interface Row {
  place: string;
  values: string[];
}

function Told({ label, series, places, format }: ChartProps) {
  const columns: Column<Row>[] = [
    { title: "When", cell: (row) => row.place },
    ...series.map(
      (one, place): Column<Row> => ({
        title: one.name,
        align: "right",
        cell: (row) => <span className="number">{row.values[place]}</span>,
      }),
    ),
  ];
  const rows = places.map(({ long }, place) => ({
    place: long,
    values: series.map((one) => words(one.values[place], format)),
  }));
  return <Table label={`${label}, as a table`} columns={columns} rows={rows} id={(row) => row.place} />;
}
