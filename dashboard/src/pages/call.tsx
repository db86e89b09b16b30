// One call: what became of it, what it can be told while it is up, and its SIP messages.

import { useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { CallMore } from "~/api/later";
import { type Call, callQuery } from "~/api/queries";
import { useServed } from "~/api/served";
import { useMay } from "~/app/me";
import { AssistantName } from "~/assistants/names";
import { CallActs } from "~/calls/acts";
import { plain, StatusBadge } from "~/calls/badge";
import { Conversation } from "~/calls/conversation";
import { Ladder } from "~/calls/ladder";
import { LiveMedia } from "~/calls/media";
import { Analysis, Quality } from "~/calls/outcome";
import { Waterfall } from "~/calls/waterfall";
import { clock, moment, words } from "~/lib/format";
import { money } from "~/lib/spans";
import { Card, CopyButton, Facts, Failure, Loading, PageHead, useNow } from "~/ui/basics";

export default function CallPage() {
  const { id } = useParams({ from: "/calls/$id" });
  const call = useQuery(callQuery(id));
  if (call.isPending) return <Loading lines={8} />;
  if (call.isError) {
    return (
      <>
        <PageHead title="Call" />
        <Failure error={call.error} again={() => call.refetch()} />
      </>
    );
  }
  return <Shown call={call.data} />;
}

function Shown({ call }: { call: CallMore }) {
  const served = useServed();
  const may = useMay("calls:write");
  const over = call.status === "ended";
  return (
    <>
      <PageHead
        title={`${plain(call.from) || "Unknown"} → ${plain(call.to)}`}
        actions={may && !over && <CallActs call={call} />}
      >
        <StatusBadge call={call} /> <span className="mono small wrap-anywhere">{call.id}</span>
      </PageHead>
      <div className="stack">
        <Card title="What happened" actions={<CopyButton text={call.id} label="Copy the id" />}>
          <Facts rows={facts(call)} />
        </Card>
        {call.analysis && <Analysis analysis={call.analysis} />}
        {served.has("GET /api/v1/calls/{id}/transcript") && <Conversation call={call} />}
        {served.has("GET /api/v1/calls/{id}/timeline") && <Waterfall call={call} />}
        {over ? call.quality && <Quality quality={call.quality} /> : <LiveMedia call={call} />}
        {over ? (
          <Ladder id={call.id} />
        ) : (
          <Card title="SIP messages">
            <p className="muted">They are here when the call is over.</p>
          </Card>
        )}
      </div>
    </>
  );
}

function facts(call: CallMore): [string, ReactNode][] {
  const rows: [string, ReactNode][] = [
    ["Direction", words(call.direction)],
    ["From", call.from || "Unknown"],
    ["To", call.to],
    ["Assistant", <AssistantName key="assistant" id={call.assistant_id} />],
    ["Began", moment(call.created_at)],
    ["Rang", call.ringing_at ? moment(call.ringing_at) : null],
    ["Answered", call.answered_at ? moment(call.answered_at) : null],
    ["Ended", call.ended_at ? moment(call.ended_at) : null],
    ["Talked", <Talked key="talked" call={call} />],
  ];
  if (call.engine) rows.push(["Engine", call.engine]);
  if (call.language) rows.push(["Language", call.language]);
  if (call.trunk_id) rows.push(["Trunk", call.trunk_id]);
  if (call.cost_micros != null) rows.push(["Cost", money(call.cost_micros)]);
  const tokens = tokensOf(call);
  if (tokens) rows.push(["Tokens", tokens]);
  if (call.identity) rows.push(["Who calls, by signature", identity(call.identity)]);
  if (call.cause) rows.push(["Why it ended", words(call.cause)]);
  if (call.cause_detail) rows.push(["In the peer's words", call.cause_detail]);
  if (call.sip) rows.push(["SIP status", `${call.sip.status} ${call.sip.reason}`]);
  return rows;
}

/** What providers counted, in and out; nothing where nobody did. */
function tokensOf({ usage }: CallMore): string | undefined {
  if (usage === undefined) return undefined;
  const read = usage.input_text_tokens + usage.input_audio_tokens;
  const written = usage.output_text_tokens + usage.output_audio_tokens;
  return read + written === 0 ? undefined : `${read} read (${usage.cached_tokens} of a cache), ${written} written`;
}

function identity({ verdict, attestation, reason }: NonNullable<CallMore["identity"]>): string {
  return [words(verdict), attestation && `attestation ${attestation}`, reason].filter(Boolean).join(", ");
}

function Talked({ call }: { call: Call }) {
  const now = useNow(1_000);
  if (call.duration_s != null) return <span className="number">{clock(call.duration_s)}</span>;
  if (!call.answered_at) return <span className="muted">–</span>;
  return <span className="number">{clock((now.getTime() - new Date(call.answered_at).getTime()) / 1000)}</span>;
}
