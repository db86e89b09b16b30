// One assistant: all its fields, what it was in each version, and the way back.
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { ArrowLeft, History, Keyboard, Mic } from "lucide-react";
import { Tabs } from "radix-ui";
import { useState } from "react";
import { send } from "~/api/client";
import { listOptions, type Part } from "~/api/queries";
import { useMay } from "~/app/me";
import { ASSISTANT_SECTIONS, type Assistant, assistants } from "~/assistants/assistant";
import { differences } from "~/resources/fields";
import { Fields } from "~/resources/form";
import { OfFile, useFields } from "~/resources/page";
import { Button, Card, Empty, Failure, Loading, PageHead, When } from "~/ui/basics";
import { Confirm, Dialog } from "~/ui/dialog";
import { Submit } from "~/ui/form";
import { type Column, List } from "~/ui/list";
import { say } from "~/ui/toast";

interface Version {
  version: number;
  changed_by: string;
  at: string;
  fields: Record<string, unknown>;
}

export default function AssistantPage() {
  const { id } = useParams({ from: "/assistants/$id" });
  const shown = useQuery(assistants.one(id));
  const mayTalk = useMay("sessions:write");
  if (shown.isPending) return <Loading lines={10} />;
  if (shown.isError) {
    return (
      <>
        <PageHead title="Assistant" />
        <Failure error={shown.error} again={() => shown.refetch()} />
      </>
    );
  }
  const { row, version } = shown.data;
  return (
    <>
      <PageHead
        title={row.name ?? "Assistant"}
        actions={
          <>
            {mayTalk && <Try id={row.id} />}
            <Link to="/assistants" className="button">
              <ArrowLeft size={16} aria-hidden /> All assistants
            </Link>
          </>
        }
      >
        {row.source === "file" ? "Of the configuration file" : `Version ${row.version}`}
      </PageHead>
      <Tabs.Root defaultValue="settings" className="stack">
        <Tabs.List className="tabs" aria-label="Assistant">
          <Tabs.Trigger value="settings">Settings</Tabs.Trigger>
          {row.source !== "file" && <Tabs.Trigger value="versions">Versions</Tabs.Trigger>}
        </Tabs.List>
        <Tabs.Content value="settings">
          <Settings key={version} row={row} version={version} />
        </Tabs.Content>
        <Tabs.Content value="versions">
          <Versions row={row} version={version} />
        </Tabs.Content>
      </Tabs.Root>
    </>
  );
}

function Try({ id }: { id: string }) {
  return (
    <>
      <Link to="/talk" search={{ assistant: id, by: "voice" }} className="button primary">
        <Mic size={16} aria-hidden /> Talk to it
      </Link>
      <Link to="/talk" search={{ assistant: id, by: "typing" }} className="button">
        <Keyboard size={16} aria-hidden /> Type to it
      </Link>
    </>
  );
}

function Settings({ row, version }: { row: Assistant; version: string }) {
  const may = useMay("assistants:write") && row.source !== "file";
  const queries = useQueryClient();
  const { form, submit, problem, busy } = useFields(ASSISTANT_SECTIONS, row, async (patch) => {
    if (Object.keys(patch).length === 0) return say("Nothing was changed.");
    try {
      await assistants.change(row.id, version, patch);
      say("Saved. The next call finds it so.");
    } finally {
      await queries.invalidateQueries({ queryKey: assistants.key });
    }
  });
  return (
    <form className="stack" onSubmit={submit} noValidate>
      {row.source === "file" && <OfFile />}
      {ASSISTANT_SECTIONS.map((section) => (
        <Card key={section.title} title={section.title} about={section.about}>
          <Fields form={form} sections={[{ title: section.title, fields: section.fields }]} disabled={!may} />
        </Card>
      ))}
      {may && (
        <div className="save">
          <Submit busy={busy} problem={problem}>
            Save
          </Submit>
        </div>
      )}
    </form>
  );
}

function Versions({ row, version }: { row: Assistant; version: string }) {
  const may = useMay("assistants:write");
  const [open, setOpen] = useState<{ what: "compare" | "restore"; then: Version }>();
  const path = `/api/v1/assistants/${encodeURIComponent(row.id)}/versions`;
  const query = listOptions<Version>([...assistants.key, row.id, "versions"], async (cursor) => {
    const answer = await send<Part<Version>>("GET", `${path}?limit=50${cursor ? `&cursor=${cursor}` : ""}`);
    return answer.row;
  });
  const columns: Column<Version>[] = [
    { title: "Version", cell: (then) => <span className="name">{then.version}</span> },
    { title: "Who", cell: (then) => <span className="wrap-anywhere">{then.changed_by}</span> },
    { title: "When", cell: (then) => <When at={then.at} /> },
  ];
  const actions = (then: Version) =>
    then.version === row.version ? (
      <span className="muted small">now</span>
    ) : (
      <>
        <Button look="quiet" size="small" onClick={() => setOpen({ what: "compare", then })}>
          Compare
        </Button>
        {may && (
          <Button look="quiet" size="small" onClick={() => setOpen({ what: "restore", then })}>
            Restore
          </Button>
        )}
      </>
    );
  return (
    <Card title="Versions" about="Each change makes one; going back makes one too." flush>
      <List
        query={query}
        label="Versions"
        columns={columns}
        id={(then) => String(then.version)}
        actions={actions}
        empty={<Empty icon={History} title="There is none yet" />}
      />
      {open?.what === "compare" && <Compare row={row} then={open.then} close={() => setOpen(undefined)} />}
      {open?.what === "restore" && (
        <Restore row={row} version={version} then={open.then} close={() => setOpen(undefined)} />
      )}
    </Card>
  );
}

const OF_THE_ROW = new Set(["id", "source", "version", "created_at", "updated_at"]);

function Compare({ row, then, close }: { row: Assistant; then: Version; close: () => void }) {
  const now = Object.fromEntries(Object.entries(row).filter(([name]) => !OF_THE_ROW.has(name)));
  const changes = differences(then.fields, now);
  return (
    <Dialog wide title={`Version ${then.version} and now`} about={`${changes.length} fields differ.`} close={close}>
      <dl className="changes">
        {changes.map((change) => (
          <div key={change.place}>
            <dt className="mono">{change.place}</dt>
            <dd>
              <del>{change.before || "(nothing)"}</del>
              <ins>{change.after || "(nothing)"}</ins>
            </dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}

function Restore({ row, version, then, close }: { row: Assistant; version: string; then: Version; close: () => void }) {
  const queries = useQueryClient();
  const act = async () => {
    await send("POST", `/api/v1/assistants/${encodeURIComponent(row.id)}/versions/${then.version}/restore`, {
      version,
    });
    await queries.invalidateQueries({ queryKey: assistants.key });
    say(`It is as in version ${then.version} again.`);
  };
  return (
    <Confirm title={`Go back to version ${then.version}?`} verb="Go back" tone="primary" act={act} close={close}>
      This makes a new version, and the next call finds it. What is now stays in the list.
    </Confirm>
  );
}
