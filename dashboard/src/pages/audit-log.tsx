// What was done, by whom, from where. Rows are only ever added.

import { useInfiniteQuery } from "@tanstack/react-query";
import { FileClock } from "lucide-react";
import { useState } from "react";
import { type AuditEntry, auditQuery, usersQuery } from "~/api/queries";
import { useMay } from "~/app/me";
import { moment, shortId } from "~/lib/format";
import { Button, Card, Empty, Facts, PageHead, When } from "~/ui/basics";
import { Dialog } from "~/ui/dialog";
import { type Column, List } from "~/ui/list";

export default function AuditLog() {
  const [open, setOpen] = useState<AuditEntry>();
  const named = useNames();
  const columns: Column<AuditEntry>[] = [
    {
      title: "What",
      cell: (row) => (
        <div>
          <span className="name">{row.action}</span>
          <div className="muted small wrap-anywhere">{resource(row.resource)}</div>
        </div>
      ),
    },
    { title: "Who", cell: (row) => <span className="wrap-anywhere">{named(row.actor)}</span> },
    { title: "From", cell: (row) => row.address || <span className="muted">the server</span> },
    { title: "When", cell: (row) => <When at={row.at} /> },
    { title: "No.", align: "right", cell: (row) => <span className="number muted">{row.number}</span> },
  ];
  return (
    <>
      <PageHead title="Audit log">
        Each row has the hash of the one before it, so that <code>offhook audit verify</code> finds what was changed or
        taken out.
      </PageHead>
      <Card flush>
        <List
          query={auditQuery}
          label="Audit log"
          columns={columns}
          id={(row) => String(row.number)}
          actions={(row) => (
            <Button look="quiet" size="small" onClick={() => setOpen(row)} aria-label={`Details of row ${row.number}`}>
              Details
            </Button>
          )}
          empty={<Empty icon={FileClock} title="Nothing was done yet" />}
        />
      </Card>
      {open && <Details row={open} who={named(open.actor)} close={() => setOpen(undefined)} />}
    </>
  );
}

/** Names for `user:ID`, as far as one may read them. */
function useNames(): (actor: string) => string {
  const users = useInfiniteQuery({ ...usersQuery, enabled: useMay("users:read") });
  const known = new Map(users.data?.pages.flatMap((part) => part.data).map((user) => [`user:${user.id}`, user.email]));
  return (actor) => known.get(actor) ?? resource(actor);
}

/** user:019a…: user …12345678 */
function resource(name: string): string {
  const [kind, id] = name.split(":");
  return id === undefined ? name : `${kind} ${shortId(id)}`;
}

function Details({ row, who, close }: { row: AuditEntry; who: string; close: () => void }) {
  return (
    <Dialog title={row.action} about={moment(row.at)} close={close}>
      <div className="stack">
        <Facts
          rows={[
            ["Who", who],
            ["From", row.address || "the server itself"],
            ["To what", <code key="resource">{row.resource || "–"}</code>],
            ["Number", row.number],
          ]}
        />
        <pre className="code-block">{JSON.stringify(row.details, null, 2)}</pre>
        <div>
          <span className="muted small">Hash</span>
          <div>
            <code className="wrap-anywhere">{row.hash}</code>
          </div>
        </div>
      </div>
    </Dialog>
  );
}
