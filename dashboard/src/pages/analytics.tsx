// Figures of calls over a time, as charts, and by assistant and direction.

import { useQuery } from "@tanstack/react-query";
import { ChartColumn } from "lucide-react";
import { useMemo, useState } from "react";
import { type GroupBy, summaryQuery } from "~/api/figures";
import { useAssistantName } from "~/assistants/names";
import CallsChart, { CostChart, GapChart, MinutesChart, SuccessChart, TurnsChart } from "~/charts/calls";
import { milliseconds, words } from "~/lib/format";
import { daysBefore, type Figures, money, percent, type Step } from "~/lib/spans";
import { Card, Empty, Failure, Loading, PageHead, useNow } from "~/ui/basics";
import { Field } from "~/ui/form";
import { type Column, Table } from "~/ui/list";
import { Tile, Tiles } from "~/ui/tiles";

const SPANS: { days: number; name: string; step: Step }[] = [
  { days: 1, name: "24 hours", step: "hour" },
  { days: 7, name: "7 days", step: "day" },
  { days: 30, name: "30 days", step: "day" },
  { days: 90, name: "90 days", step: "day" },
  { days: 365, name: "A year", step: "day" },
];

export default function Analytics() {
  const [days, setDays] = useState(7);
  const span = SPANS.find((one) => one.days === days) ?? { days, step: "day" as Step };
  const now = useNow(60_000);
  const hour = Math.floor(now.getTime() / 3_600_000);
  // biome-ignore lint/correctness/useExhaustiveDependencies: moves on with each hour, and not with each minute
  const since = useMemo(() => daysBefore(now, span.days), [hour, span.days]);
  return (
    <>
      <PageHead title="Analytics" actions={<Spans days={days} choose={setDays} />}>
        Calls by when they began. Days are those of UTC.
      </PageHead>
      <Shown key={days} since={since} until={now} step={span.step} />
    </>
  );
}

function Spans({ days, choose }: { days: number; choose: (days: number) => void }) {
  return (
    <Field label="Of the last">
      <select value={days} onChange={(event) => choose(Number(event.target.value))}>
        {SPANS.map((span) => (
          <option key={span.days} value={span.days}>
            {span.name}
          </option>
        ))}
      </select>
    </Field>
  );
}

function Shown({ since, until, step }: { since: Date; until: Date; step: Step }) {
  const summary = useQuery(summaryQuery(since, step));
  if (summary.isPending) return <Loading lines={10} />;
  if (summary.isError) return <Failure error={summary.error} again={() => summary.refetch()} />;
  const { total, groups } = summary.data;
  if (total.calls === 0) {
    return (
      <Card flush>
        <Empty icon={ChartColumn} title="No call began in this time">
          Choose a longer one, or talk to an assistant: its call is counted at once.
        </Empty>
      </Card>
    );
  }
  const span = { groups, since, until, step };
  return (
    <div className="stack">
      <Totals total={total} />
      <div className="charts">
        <Framed>
          <CallsChart {...span} />
        </Framed>
        <Framed>
          <GapChart {...span} />
        </Framed>
        <Framed>
          <MinutesChart {...span} />
        </Framed>
        <Framed>
          <TurnsChart {...span} />
        </Framed>
        {total.judged > 0 && (
          <Framed>
            <SuccessChart {...span} />
          </Framed>
        )}
        {total.cost_micros > 0 && (
          <Framed>
            <CostChart {...span} />
          </Framed>
        )}
      </div>
      <Grouped title="By assistant" by="assistant" since={since} />
      <Grouped title="By direction" by="direction" since={since} />
    </div>
  );
}

function Framed({ children }: { children: React.ReactNode }) {
  return (
    <div className="card">
      <div className="inside">{children}</div>
    </div>
  );
}

function Totals({ total }: { total: Figures }) {
  const gap = total.response_gap;
  return (
    <Tiles>
      <Tile name="Calls" value={total.calls} of={`${total.answered} answered`} />
      <Tile name="Minutes" value={total.minutes.toFixed(1)} />
      <Tile
        name="Response gap"
        value={gap ? milliseconds(gap.p50_ms) : "–"}
        {...(gap ? { of: `p95 ${milliseconds(gap.p95_ms)}` } : {})}
      />
      <Tile
        name="Success"
        value={total.success_rate == null ? "–" : percent(total.success_rate)}
        of={total.judged === 0 ? "none was judged" : `of ${total.judged} judged`}
      />
      <Tile name="Broken" value={total.failed} of={`of ${total.ended} that are over`} />
      <Tile name="Cost" value={money(total.cost_micros)} />
    </Tiles>
  );
}

const GROUPED: Column<Figures>[] = [
  { title: "Calls", align: "right", cell: (row) => <span className="number">{row.calls}</span> },
  { title: "Answered", align: "right", cell: (row) => <span className="number">{row.answered}</span> },
  { title: "Minutes", align: "right", cell: (row) => <span className="number">{row.minutes.toFixed(1)}</span> },
  {
    title: "Gap p50 / p95",
    align: "right",
    cell: ({ response_gap: gap }) => (
      <span className="number">{gap ? `${milliseconds(gap.p50_ms)} / ${milliseconds(gap.p95_ms)}` : "–"}</span>
    ),
  },
  {
    title: "Success",
    align: "right",
    cell: (row) => <span className="number">{row.success_rate == null ? "–" : percent(row.success_rate)}</span>,
  },
  { title: "Cost", align: "right", cell: (row) => <span className="number">{money(row.cost_micros)}</span> },
];

function Grouped({ title, by, since }: { title: string; by: GroupBy; since: Date }) {
  const nameOf = useAssistantName();
  const which = (row: Figures) => (by === "assistant" ? nameOf(row.group ?? "") : words(row.group ?? ""));
  const columns: Column<Figures>[] = [
    { title: "Which", cell: (row) => <span className="name wrap-anywhere">{which(row)}</span> },
    ...GROUPED,
  ];
  const summary = useQuery(summaryQuery(since, by));
  return (
    <Card title={title} flush>
      {summary.isPending && <Loading lines={3} />}
      {summary.isError && (
        <div className="inside">
          <Failure error={summary.error} again={() => summary.refetch()} />
        </div>
      )}
      {summary.data && (
        <Table label={title} columns={columns} rows={summary.data.groups} id={(row) => row.group ?? ""} />
      )}
    </Card>
  );
}
