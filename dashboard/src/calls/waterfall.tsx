// Where the time went before each answer, and what else happened, in the order in which it did.
import { useQuery } from "@tanstack/react-query";
import { send } from "~/api/client";
import type { CallMore, Timeline } from "~/api/later";
import { clock, milliseconds, words } from "~/lib/format";
import { type Stage, stagesOf } from "~/lib/stages";
import { Card, Failure, Loading } from "~/ui/basics";

export function Waterfall({ call }: { call: CallMore }) {
  const { id } = call;
  const timeline = useQuery({
    queryKey: ["calls", id, "timeline"],
    queryFn: async () => (await send<Timeline>("GET", `/api/v1/calls/${id}/timeline`)).row,
    refetchInterval: call.status === "ended" ? false : 5_000,
  });
  if (timeline.isPending) {
    return (
      <Card title="Response gaps" flush>
        <Loading />
      </Card>
    );
  }
  if (timeline.isError) return <Failure error={timeline.error} again={() => timeline.refetch()} />;
  const rows = timeline.data.turns.flatMap((turn) => {
    const stages = stagesOf(turn.timings ?? {});
    return stages.length === 0 ? [] : [{ turn, stages, gap: stages.reduce((sum, stage) => sum + stage.ms, 0) }];
  });
  const longest = Math.max(1, ...rows.map((row) => row.gap));
  return (
    <div className="grid">
      <Card title="Response gaps" about="From the caller's last word to the agent's first, answer by answer">
        {rows.length === 0 && <p className="muted">No answer was measured.</p>}
        <ol className="gaps">
          {rows.map(({ turn, stages, gap }) => (
            <li key={turn.number}>
              <span className="at number">{clock(turn.at_ms / 1000)}</span>
              <span className="bars" role="img" aria-label={spoken(stages)}>
                {stages.map((stage) => (
                  <span
                    key={stage.name}
                    className={`bar-${stage.kind}`}
                    style={{ width: `${(100 * stage.ms) / longest}%` }}
                    title={`${stage.name}: ${milliseconds(stage.ms)}`}
                  />
                ))}
              </span>
              <span className="number">{milliseconds(gap)}</span>
            </li>
          ))}
        </ol>
        {rows.length > 0 && <Legend stages={rows.flatMap((row) => row.stages)} />}
      </Card>
      <Card title="What happened when">
        <ol className="moments">
          {timeline.data.events.map((event, place) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: what happened stays where it is
            <li key={place}>
              <span className="at number">{clock(event.at_ms / 1000)}</span>
              <span className="wrap-anywhere">
                {words(event.kind)}
                {event.detail && <span className="muted"> · {event.detail}</span>}
                {event.duration_ms != null && <span className="muted"> · {milliseconds(event.duration_ms)}</span>}
              </span>
            </li>
          ))}
        </ol>
      </Card>
    </div>
  );
}

function spoken(stages: Stage[]): string {
  return stages.map((stage) => `${stage.name} ${milliseconds(stage.ms)}`).join(", ");
}

function Legend({ stages }: { stages: Stage[] }) {
  const kinds = new Map(stages.map((stage) => [stage.kind, stage.name]));
  return (
    <ul className="legend row">
      {[...kinds].map(([kind, name]) => (
        <li key={kind}>
          <span className={`bar-${kind}`} aria-hidden /> {name}
        </li>
      ))}
    </ul>
  );
}
