// Leads: callers whom the analysis of a call has scored, on a board by how far somebody is with them.

import { useInfiniteQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Target } from "lucide-react";
import { useState } from "react";
import { useForm } from "react-hook-form";
import { api, body, type Schemas, versioned } from "~/api/client";
import { listOptions } from "~/api/queries";
import { useMay } from "~/app/me";
import { useAssistantName } from "~/assistants/names";
import { words } from "~/lib/format";
import { Badge, Button, Card, Empty, Failure, Loading, PageHead, When } from "~/ui/basics";
import { Dialog } from "~/ui/dialog";
import { Field, Submit, useSend, wrongOf } from "~/ui/form";
import { say } from "~/ui/toast";

type Lead = Schemas["Lead"];

const STATES = ["new", "contacted", "qualified", "won", "lost"] as const;
const KEY = ["leads"];

const leadsQuery = listOptions<Lead>(KEY, (cursor) =>
  body(api.GET("/api/v1/leads", { params: { query: { limit: 200, cursor } } })),
);

export default function Leads() {
  const leads = useInfiniteQuery(leadsQuery);
  const may = useMay("leads:write");
  const [open, setOpen] = useState<Lead>();
  const rows = leads.data?.pages.flatMap((part) => part.data) ?? [];
  return (
    <>
      <PageHead title="Leads">
        Callers whom the analysis of a call has scored. From 70 on they are told to your webhooks.
      </PageHead>
      {leads.isPending && <Loading lines={6} />}
      {leads.isError && <Failure error={leads.error} again={() => leads.refetch()} />}
      {leads.data && rows.length === 0 && (
        <Card flush>
          <Empty icon={Target} title="No lead yet">
            An assistant with an analysis scores its callers after each call.
          </Empty>
        </Card>
      )}
      {rows.length > 0 && (
        <div className="board">
          {STATES.map((state) => (
            <Column key={state} state={state} rows={rows.filter((lead) => lead.status === state)} open={setOpen} />
          ))}
        </div>
      )}
      {leads.hasNextPage && (
        <div className="more">
          <Button size="small" busy={leads.isFetchingNextPage} onClick={() => leads.fetchNextPage()}>
            Show more
          </Button>
        </div>
      )}
      {open && <Details lead={open} may={may} close={() => setOpen(undefined)} />}
    </>
  );
}

function Column({ state, rows, open }: { state: string; rows: Lead[]; open: (lead: Lead) => void }) {
  return (
    <section aria-label={words(state)}>
      <h2>
        {words(state)} <span className="muted number">{rows.length}</span>
      </h2>
      <ul className="stack tight">
        {rows.map((lead) => (
          <li key={lead.id}>
            <button type="button" className="card lead" onClick={() => open(lead)}>
              <span className="row apart">
                <strong className="number">{lead.caller ?? "Withheld"}</strong>
                <Badge tone={lead.score >= 70 ? "good" : lead.score >= 40 ? "warn" : "plain"}>{lead.score}</Badge>
              </span>
              <span className="muted small">{lead.reasons[0]}</span>
              <span className="muted small">
                <When at={lead.created_at} />
              </span>
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Details({ lead, may, close }: { lead: Lead; may: boolean; close: () => void }) {
  const queries = useQueryClient();
  const nameOf = useAssistantName();
  const form = useForm({ defaultValues: { status: lead.status, notes: lead.notes } });
  const path = { id: lead.id };
  const { submit, problem, busy } = useSend(form, async (wish) => {
    const { version } = await versioned(api.GET("/api/v1/leads/{id}", { params: { path } }));
    await body(api.PATCH("/api/v1/leads/{id}", { params: { path, header: { "If-Match": version } }, body: wish }));
    await queries.invalidateQueries({ queryKey: KEY });
    say("Saved.");
    close();
  });
  return (
    <Dialog
      title={lead.caller ?? "Withheld number"}
      about={`Scored ${lead.score} of 100, after talking with ${nameOf(lead.assistant)}`}
      close={close}
    >
      <form className="form" onSubmit={submit} noValidate>
        <ul className="reasons">
          {lead.reasons.map((reason) => (
            <li key={reason}>{reason}</li>
          ))}
        </ul>
        <p>
          <Link to="/calls/$id" params={{ id: lead.id }}>
            Open the call
          </Link>
        </p>
        <Field label="How far you are" wrong={wrongOf(form, "status")}>
          <select disabled={!may} {...form.register("status")}>
            {STATES.map((state) => (
              <option key={state} value={state}>
                {words(state)}
              </option>
            ))}
          </select>
        </Field>
        <Field label="Notes" wrong={wrongOf(form, "notes")}>
          <textarea rows={5} disabled={!may} {...form.register("notes")} />
        </Field>
        {may && (
          <Submit busy={busy} problem={problem} cancel={close}>
            Save
          </Submit>
        )}
      </form>
    </Dialog>
  );
}
