// What was said, beside the recording: the turn that is heard is marked, and each can be played from.
import { useQuery } from "@tanstack/react-query";
import { MessagesSquare, Wrench } from "lucide-react";
import { useEffect, useMemo, useRef } from "react";
import { type CallMore, type ToolCall, type Transcript, type Turn, transcriptQuery } from "~/api/later";
import { clock, milliseconds, words } from "~/lib/format";
import { Badge, Card, Empty, Failure, Loading } from "~/ui/basics";
import { type Mark, playFrom, Recording, usePlayer } from "./recording";

type Said = { at: number; turn: Turn } | { at: number; tool: ToolCall };

export function Conversation({ call }: { call: CallMore }) {
  const player = usePlayer();
  const recording = call.recordings?.findLast((one) => one.state !== "writing" && (one.bytes ?? 0) > 0);
  const transcript = useQuery(transcriptQuery(call.id, call.status !== "ended"));
  const began = new Date(recording?.opened_at ?? call.answered_at ?? call.created_at).getTime();
  const said = useMemo(() => (transcript.data ? inOrder(transcript.data, began) : []), [transcript.data, began]);
  const now = recording ? said.findLast((one) => "turn" in one && one.at <= player.position + 0.05) : undefined;
  const marks = useMemo(() => cuts(said), [said]);
  const list = useFollowing(now && "turn" in now ? now.turn.number : undefined);
  return (
    <Card title="Conversation" flush>
      {recording && (
        <div className="inside">
          <Recording id={call.id} bytes={recording.bytes ?? 0} player={player} marks={marks} />
        </div>
      )}
      {transcript.isPending && <Loading lines={5} />}
      {transcript.isError && (
        <div className="inside">
          <Failure error={transcript.error} again={() => transcript.refetch()} />
        </div>
      )}
      {transcript.data && said.length === 0 && (
        <Empty icon={MessagesSquare} title="Nothing was said">
          {call.status === "ended" ? "Or the engine wrote nothing down." : "It is here as soon as somebody speaks."}
        </Empty>
      )}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable */}
      <ol className="said" ref={list} tabIndex={0} aria-label="What was said">
        {said.map((one) =>
          "turn" in one ? (
            <li key={`turn-${one.turn.number}`} className={`${one.turn.role}${one === now ? " now" : ""}`}>
              <Line one={one} play={recording && (() => playFrom(player, Math.max(0, one.at)))} />
            </li>
          ) : (
            <li key={`tool-${one.tool.started_at}-${one.tool.name}`} className="tool">
              <Tool tool={one.tool} />
            </li>
          ),
        )}
      </ol>
    </Card>
  );
}

/** Where the caller cut in, in seconds of the recording. */
function cuts(said: Said[]): Mark[] {
  return said.flatMap((one) =>
    "turn" in one && one.turn.heard_ms != null
      ? [
          {
            at: one.at + one.turn.heard_ms / 1000,
            label: `The agent was cut short at ${clock(one.at + one.turn.heard_ms / 1000)}`,
          },
        ]
      : [],
  );
}

/** The list that scrolls so that the turn that is heard is seen; the page stays where it is. */
function useFollowing(turn: number | undefined) {
  const list = useRef<HTMLOListElement>(null);
  useEffect(() => {
    const [box, line] = [list.current, list.current?.querySelector<HTMLElement>("li.now")];
    if (turn === undefined || !box || !line) return;
    const [top, bottom] = [line.offsetTop - box.offsetTop, line.offsetTop - box.offsetTop + line.offsetHeight];
    const seen = top >= box.scrollTop && bottom <= box.scrollTop + box.clientHeight;
    if (!seen) box.scrollTo({ top: top - box.clientHeight / 3 });
  }, [turn]);
  return list;
}

function inOrder(transcript: Transcript, began: number): Said[] {
  const at = (time: string) => (new Date(time).getTime() - began) / 1000;
  const turns: Said[] = transcript.turns.map((turn) => ({ at: at(turn.started_at), turn }));
  const tools: Said[] = transcript.tool_calls.map((tool) => ({ at: at(tool.started_at), tool }));
  return [...turns, ...tools].sort((one, other) => one.at - other.at);
}

function Line({ one, play }: { one: { at: number; turn: Turn }; play: (() => void) | undefined }) {
  const { turn, at } = one;
  const time = clock(at);
  return (
    <>
      <div className="who">
        <strong>{turn.role === "user" ? "Caller" : "Agent"}</strong>
        {play ? (
          <button type="button" className="at" onClick={play} aria-label={`Play from ${time}`}>
            {time}
          </button>
        ) : (
          <span className="at">{time}</span>
        )}
        {turn.heard_ms != null && <Badge tone="warn">Interrupted after {milliseconds(turn.heard_ms)}</Badge>}
      </div>
      <p className="wrap-anywhere">{turn.content || <span className="muted">(not understood)</span>}</p>
    </>
  );
}

function Tool({ tool }: { tool: ToolCall }) {
  return (
    <details>
      <summary>
        <Wrench size={14} aria-hidden /> {tool.name}
        <span className="muted">
          {" "}
          · {tool.outcome ? words(tool.outcome) : "not ended"}
          {tool.duration_ms != null && ` · ${milliseconds(tool.duration_ms)}`}
        </span>
      </summary>
      <pre className="code-block">
        {tool.arguments ? indented(tool.arguments) : "Its arguments are not to be shown."}
      </pre>
    </details>
  );
}

/** JSON as the model wrote it, so that it can be read. */
function indented(json: string): string {
  try {
    return JSON.stringify(JSON.parse(json), null, 2);
  } catch {
    return json;
  }
}
