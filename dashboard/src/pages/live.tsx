// Calls that are up: who talks with whom, the last words, how the line is, and what one can do about it.

import { useQueries, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { ArrowDownLeft, ArrowUpRight, Ear, Mic, Radio } from "lucide-react";
import { useState } from "react";
import { mediaQuery } from "~/api/figures";
import { CALLS_UP, transcriptQuery, upQuery } from "~/api/later";
import type { Call } from "~/api/queries";
import { useHappened } from "~/app/live";
import { useMay } from "~/app/me";
import { AssistantName } from "~/assistants/names";
import { CallActs } from "~/calls/acts";
import { plain, StatusBadge } from "~/calls/badge";
import { clock } from "~/lib/format";
import { BesideCalls, type Part, useBeside } from "~/live/beside";
import { Badge, Button, Card, Empty, Failure, Loading, PageHead, useNow } from "~/ui/basics";
import type { MenuEntry } from "~/ui/dialog";

export default function Live() {
  return (
    <>
      <PageHead title="Live calls">Calls that are up now, as they go on.</PageHead>
      <BesideCalls>
        <Up />
      </BesideCalls>
    </>
  );
}

function Up() {
  const lists = useQueries({ queries: CALLS_UP.map(upQuery) });
  const { own } = useBeside();
  const broken = lists.find((list) => list.isError && list.data === undefined);
  const calls = lists.flatMap((list) => list.data?.data ?? []).filter((call) => !own.has(call.id));
  if (broken)
    return <Failure error={broken.error} again={() => void Promise.all(lists.map((list) => list.refetch()))} />;
  if (lists.some((list) => list.isPending)) return <Loading lines={6} />;
  if (calls.length === 0) {
    return (
      <Card flush>
        <Empty
          icon={Radio}
          title="Nobody is on the line"
          action={
            <Link className="button" to="/talk">
              Talk to an assistant
            </Link>
          }
        >
          A call is here as soon as it rings.
        </Empty>
      </Card>
    );
  }
  return (
    <ul className="live-calls">
      {calls.map((call) => (
        <li key={call.id}>
          <LiveCall call={call} />
        </li>
      ))}
    </ul>
  );
}

function LiveCall({ call }: { call: Call }) {
  const beside = useBeside();
  const mayAct = useMay("calls:write");
  const mayTalk = useMay("sessions:write") && mayAct;
  const inbound = call.direction === "inbound";
  const party = plain(inbound ? call.from : call.to) || "Unknown";
  const Way = inbound ? ArrowDownLeft : ArrowUpRight;
  const there = beside.with === call.id;
  const join = (part: Part) => () => void beside.join(call, part);
  const more: MenuEntry[] =
    mayTalk && call.status === "answered" ? [{ label: "Whisper to them", act: join("whispers") }] : [];
  return (
    <section className={`card live-call${there ? " there" : ""}`} aria-label={`Call with ${party}`}>
      <header>
        <div className="words">
          <h2>
            <Way size={15} aria-label={inbound ? "Inbound" : "Outbound"} />{" "}
            <Link to="/calls/$id" params={{ id: call.id }} className="wrap-anywhere">
              {party}
            </Link>
          </h2>
          <p className="muted small">
            with <AssistantName id={call.assistant_id} /> · <Lasts call={call} />
          </p>
        </div>
        <StatusBadge call={call} />
      </header>
      <div className="inside stack tight">
        <LastWords call={call} />
        <Media call={call} />
      </div>
      {mayAct && (
        <footer className="row">
          {mayTalk && call.status === "answered" && (
            <>
              <Button icon={Ear} disabled={there} onClick={join("listens_in")}>
                Listen in
              </Button>
              <Button icon={Mic} disabled={there} onClick={join("talks")}>
                Take over
              </Button>
            </>
          )}
          <CallActs call={call} more={more} />
        </footer>
      )}
    </section>
  );
}

function Lasts({ call }: { call: Call }) {
  const now = useNow(1_000);
  const since = new Date(call.answered_at ?? call.created_at).getTime();
  return <span className="number">{clock((now.getTime() - since) / 1000)}</span>;
}

interface Words {
  who: string;
  text: string;
}

/** From the transcript at first, then by events as they come. */
function LastWords({ call }: { call: Call }) {
  const transcript = useQuery(transcriptQuery(call.id, false));
  const [told, setTold] = useState<Words>();
  useHappened(({ type, data }) => {
    if (type !== "turn.completed" || data.call_id !== call.id) return;
    setTold({ who: String(data.role), text: String(data.text) });
  });
  const last = transcript.data?.turns.findLast((turn) => turn.content !== "");
  const words = told ?? (last && { who: last.role === "user" ? "caller" : "agent", text: last.content });
  if (words === undefined) return <p className="last-words muted">Nothing has been said yet.</p>;
  return (
    <p className="last-words wrap-anywhere">
      <Badge tone={words.who === "caller" ? "note" : "plain"}>{words.who === "caller" ? "Caller" : "Agent"}</Badge>{" "}
      {words.text}
    </p>
  );
}

/** From this opinion score on a line is good, and below that one poor (ITU-T G.107, annex B). */
const GOOD_MOS = 4;
const POOR_MOS = 3.6;

function Media({ call }: { call: Call }) {
  const media = useQuery({ ...mediaQuery(call.id, true), enabled: call.status === "answered" });
  const received = media.data?.received;
  const quality = received?.mos;
  return (
    <p className="row small muted">
      <span>{media.data?.codec ?? "No media yet"}</span>
      {quality != null && (
        <Badge tone={quality >= GOOD_MOS ? "good" : quality >= POOR_MOS ? "warn" : "bad"}>
          MOS {quality.toFixed(1)}
        </Badge>
      )}
      {received && <span className="number">{received.loss_percent} % lost</span>}
      {received?.jitter_ms != null && <span className="number">{received.jitter_ms} ms jitter</span>}
    </p>
  );
}
