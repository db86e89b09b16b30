// One call: what became of it, what it can be told while it is up, and its SIP messages.
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { PhoneOff } from "lucide-react";
import { type ReactNode, useState } from "react";
import { useForm } from "react-hook-form";
import { api, body, type Schemas } from "~/api/client";
import type { CallMore } from "~/api/later";
import { type Call, callQuery } from "~/api/queries";
import { useServed } from "~/api/served";
import { useMay } from "~/app/me";
import { plain, StatusBadge } from "~/calls/badge";
import { Conversation } from "~/calls/conversation";
import { Ladder } from "~/calls/ladder";
import { Analysis, Quality } from "~/calls/outcome";
import { Waterfall } from "~/calls/waterfall";
import { clock, moment, words } from "~/lib/format";
import { Button, Card, CopyButton, Facts, Failure, Loading, PageHead, useNow } from "~/ui/basics";
import { Confirm, Dialog } from "~/ui/dialog";
import { Field, Submit, useSend, wrongOf } from "~/ui/form";
import { say } from "~/ui/toast";

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
        actions={may && !over && <Actions call={call} />}
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
        {call.quality && <Quality quality={call.quality} />}
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
    ["Assistant", call.assistant_id],
    ["Began", moment(call.created_at)],
    ["Rang", call.ringing_at ? moment(call.ringing_at) : null],
    ["Answered", call.answered_at ? moment(call.answered_at) : null],
    ["Ended", call.ended_at ? moment(call.ended_at) : null],
    ["Talked", <Talked key="talked" call={call} />],
  ];
  if (call.engine) rows.push(["Engine", call.engine]);
  if (call.language) rows.push(["Language", call.language]);
  if (call.trunk_id) rows.push(["Trunk", call.trunk_id]);
  if (call.cost_micros != null) rows.push(["Cost", (call.cost_micros / 1_000_000).toFixed(4)]);
  if (call.cause) rows.push(["Why it ended", words(call.cause)]);
  if (call.cause_detail) rows.push(["In the peer's words", call.cause_detail]);
  if (call.sip) rows.push(["SIP status", `${call.sip.status} ${call.sip.reason}`]);
  return rows;
}

function Talked({ call }: { call: Call }) {
  const now = useNow(1_000);
  if (call.duration_s != null) return <span className="number">{clock(call.duration_s)}</span>;
  if (!call.answered_at) return <span className="muted">–</span>;
  return <span className="number">{clock((now.getTime() - new Date(call.answered_at).getTime()) / 1000)}</span>;
}

function Actions({ call }: { call: Call }) {
  const [asked, setAsked] = useState<"hangup" | "transfer">();
  const act = useAct(call.id);
  const close = () => setAsked(undefined);
  return (
    <>
      <Button onClick={() => setAsked("transfer")}>Transfer</Button>
      <Button look="danger" icon={PhoneOff} onClick={() => setAsked("hangup")}>
        Hang up
      </Button>
      {asked === "hangup" && (
        <Confirm title="Hang up this call?" verb="Hang up" act={() => act({ action: "hangup" })} close={close}>
          The line is cut at once, for everybody in the call.
        </Confirm>
      )}
      {asked === "transfer" && <Transfer call={call} close={close} />}
    </>
  );
}

function Transfer({ call, close }: { call: Call; close: () => void }) {
  const act = useAct(call.id);
  const form = useForm({ defaultValues: { to: "" } });
  const { submit, problem, busy } = useSend(form, async ({ to }) => {
    await act({ action: "transfer", to: to.trim() });
    say("Somebody is being called. The caller hears music meanwhile.");
    close();
  });
  return (
    <Dialog
      title="Transfer the caller"
      about="Somebody is called, and talks with the caller then. The agent leaves."
      close={close}
    >
      <form className="form" onSubmit={submit} noValidate>
        <Field label="To whom" hint="A number with its country, or a SIP address." wrong={wrongOf(form, "to")}>
          <input autoComplete="off" {...form.register("to", { required: true })} />
        </Field>
        <Submit busy={busy} problem={problem} cancel={close}>
          Transfer
        </Submit>
      </form>
    </Dialog>
  );
}

function useAct(id: string): (wish: Schemas["CallActionWish"]) => Promise<void> {
  const queries = useQueryClient();
  return async (wish) => {
    await body(api.POST("/api/v1/calls/{id}/actions", { params: { path: { id } }, body: wish }));
    await queries.invalidateQueries({ queryKey: ["calls", id] });
  };
}
