// Calls: those that are up and those that were, the newest first.

import { Link, useNavigate } from "@tanstack/react-router";
import { ArrowDownLeft, ArrowUpRight, PhoneCall, PhoneOutgoing } from "lucide-react";
import { useState } from "react";
import { useForm } from "react-hook-form";
import { api, body } from "~/api/client";
import { type CallFilter, callsQuery } from "~/api/later";
import type { Call } from "~/api/queries";
import { useServed } from "~/api/served";
import { useMay } from "~/app/me";
import { AssistantName, AssistantSelect } from "~/assistants/names";
import { plain, StatusBadge } from "~/calls/badge";
import { clock } from "~/lib/format";
import { Button, Card, Empty, PageHead, When } from "~/ui/basics";
import { Field, useSend, wrongOf } from "~/ui/form";
import { FormDialog } from "~/ui/form-dialog";
import { type Column, List } from "~/ui/list";

const COLUMNS: Column<Call>[] = [
  {
    title: "Call",
    cell: (call) => (
      <Link className="call-name" to="/calls/$id" params={{ id: call.id }}>
        {call.direction === "inbound" ? (
          <ArrowDownLeft size={15} aria-label="Inbound" />
        ) : (
          <ArrowUpRight size={15} aria-label="Outbound" />
        )}
        <span className="name wrap-anywhere">
          {plain(call.direction === "inbound" ? call.from : call.to) || "Unknown"}
        </span>
      </Link>
    ),
  },
  {
    title: "With",
    cell: (call) => <span className="wrap-anywhere">{plain(call.direction === "inbound" ? call.to : call.from)}</span>,
  },
  { title: "Assistant", cell: (call) => <AssistantName id={call.assistant_id} /> },
  { title: "State", cell: (call) => <StatusBadge call={call} /> },
  {
    title: "Talked",
    align: "right",
    cell: (call) => <span className="number">{call.duration_s == null ? "–" : clock(call.duration_s)}</span>,
  },
  { title: "Began", cell: (call) => <When at={call.created_at} /> },
];

export default function Calls() {
  const mayPlace = useMay("calls:write");
  const [placing, setPlacing] = useState(false);
  const [filter, setFilter] = useState<CallFilter>({});
  const place = (
    <Button look="primary" icon={PhoneOutgoing} onClick={() => setPlacing(true)}>
      Place a call
    </Button>
  );
  const filtered = Object.values(filter).some((value) => value);
  const listed = useServed().has("GET /api/v1/calls");
  return (
    <>
      <PageHead title="Calls" actions={mayPlace && place} />
      {!listed && <Find />}
      {listed && (
        <div className="stack">
          <Filters filter={filter} choose={setFilter} />
          <Card flush>
            <List
              query={callsQuery(filter)}
              label="Calls"
              columns={COLUMNS}
              id={(call) => call.id}
              empty={
                <Empty
                  icon={PhoneCall}
                  title={filtered ? "No call is like this" : "No call yet"}
                  action={!filtered && mayPlace && place}
                >
                  {filtered
                    ? "Numbers are looked for to the letter, with their +."
                    : "Call in with a softphone, or have the assistant call."}
                </Empty>
              }
            />
          </Card>
        </div>
      )}
      {placing && <PlaceCall close={() => setPlacing(false)} />}
    </>
  );
}

function Filters({ filter, choose }: { filter: CallFilter; choose: (filter: CallFilter) => void }) {
  const set = (name: keyof CallFilter) => (event: { target: { value: string } }) =>
    choose({ ...filter, [name]: event.target.value || undefined });
  return (
    <search className="filters">
      <Field label="State">
        <select value={filter.status ?? ""} onChange={set("status")}>
          <option value="">Any</option>
          <option value="dialing">Dialing</option>
          <option value="ringing">Ringing</option>
          <option value="answered">On the line</option>
          <option value="ended">Ended</option>
        </select>
      </Field>
      <Field label="Direction">
        <select value={filter.direction ?? ""} onChange={set("direction")}>
          <option value="">Both</option>
          <option value="inbound">Inbound</option>
          <option value="outbound">Outbound</option>
        </select>
      </Field>
      <Field label="From">
        <input defaultValue={filter.from} onBlur={set("from")} onKeyDown={onEnter(set("from"))} />
      </Field>
      <Field label="To">
        <input defaultValue={filter.to} onBlur={set("to")} onKeyDown={onEnter(set("to"))} />
      </Field>
      <Field label="Assistant">
        <AssistantSelect none="Any" value={filter.assistant ?? ""} onChange={set("assistant")} />
      </Field>
    </search>
  );
}

const onEnter =
  (set: (event: { target: { value: string } }) => void) => (event: React.KeyboardEvent<HTMLInputElement>) => {
    if (event.key === "Enter") set({ target: { value: event.currentTarget.value } });
  };
function Find() {
  const navigate = useNavigate();
  const form = useForm({ defaultValues: { id: "" } });
  const submit = form.handleSubmit(({ id }) => navigate({ to: "/calls/$id", params: { id: id.trim() } }));
  return (
    <Card title="Open a call" about="The id of a call is in the log, in webhooks, and in what the API answers.">
      <form className="form" onSubmit={submit}>
        <Field label="Call id" wrong={wrongOf(form, "id")}>
          <input
            className="mono"
            placeholder="01900000-0000-7000-8000-000000000000"
            {...form.register("id", { required: true })}
          />
        </Field>
        <div>
          <Button type="submit">Open</Button>
        </div>
      </form>
    </Card>
  );
}

interface Wish {
  to: string;
  from: string;
  assistant_id: string;
  trunk_id: string;
}

export function PlaceCall({ close }: { close: () => void }) {
  const navigate = useNavigate();
  const form = useForm<Wish>({ defaultValues: { to: "", from: "", assistant_id: "", trunk_id: "" } });
  const sent = useSend(form, async (wish) => {
    const given = Object.fromEntries(Object.entries(wish).map(([name, value]) => [name, value.trim() || undefined]));
    const call = await body(api.POST("/api/v1/calls", { body: { ...given, to: wish.to.trim() } }));
    close();
    await navigate({ to: "/calls/$id", params: { id: call.id } });
  });
  return (
    <FormDialog
      title="Place a call"
      about="The assistant talks as soon as somebody answers."
      sent={sent}
      verb="Call"
      close={close}
    >
      <Field label="Whom to call" hint="A number with its country, or a SIP address." wrong={wrongOf(form, "to")}>
        <input placeholder="+4930123456" autoComplete="off" {...form.register("to", { required: true })} />
      </Field>
      <div className="columns">
        <Field label="Who calls (optional)" hint="A number that the trunk lets you show." wrong={wrongOf(form, "from")}>
          <input autoComplete="off" {...form.register("from")} />
        </Field>
        <Field label="Assistant (optional)" wrong={wrongOf(form, "assistant_id")}>
          <AssistantSelect none="The default one" {...form.register("assistant_id")} />
        </Field>
      </div>
      <Field label="Trunk (optional)" hint="Else the first one that may." wrong={wrongOf(form, "trunk_id")}>
        <input autoComplete="off" {...form.register("trunk_id")} />
      </Field>
    </FormDialog>
  );
}
