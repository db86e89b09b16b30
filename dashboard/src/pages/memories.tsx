// What is remembered of callers: looked at, put right, forgotten.

import { Brain } from "lucide-react";
import { useState } from "react";
import { useForm } from "react-hook-form";
import { api, body, type Schemas, versioned } from "~/api/client";
import { listOptions } from "~/api/queries";
import { useMay } from "~/app/me";
import { AssistantName } from "~/assistants/names";
import { Button, Card, Empty, PageHead, When } from "~/ui/basics";
import { Confirm, RowMenu } from "~/ui/dialog";
import { Field, useSend, wrongOf } from "~/ui/form";
import { FormDialog, useChanged } from "~/ui/form-dialog";
import { type Column, List } from "~/ui/list";
import { say } from "~/ui/toast";

type Memory = Schemas["Memory"];

const COLUMNS: Column<Memory>[] = [
  { title: "Caller", cell: (row) => <span className="name number">{row.caller}</span> },
  { title: "What", cell: (row) => <span className="wrap-anywhere">{row.text}</span> },
  { title: "Assistant", cell: (row) => <AssistantName id={row.assistant} /> },
  { title: "Confirmed", cell: (row) => <When at={row.confirmed_at} /> },
  { title: "Forgotten", cell: (row) => <When at={row.expires_at} /> },
];

export default function Memories() {
  const may = useMay("memories:write");
  const [caller, setCaller] = useState("");
  const [open, setOpen] = useState<{ what: "edit" | "delete"; row: Memory }>();
  const form = useForm({ defaultValues: { caller: "" } });
  const query = listOptions<Memory>(["memories", caller], (cursor) =>
    body(api.GET("/api/v1/memories", { params: { query: { limit: 50, cursor, caller: caller || undefined } } })),
  );
  const close = () => setOpen(undefined);
  return (
    <>
      <PageHead title="Memories">What assistants have learned of callers, and know when they call again.</PageHead>
      <div className="stack">
        <form className="look-up" onSubmit={form.handleSubmit((values) => setCaller(values.caller.trim()))}>
          <Field label="Of one caller">
            <input placeholder="+4930123456" {...form.register("caller")} />
          </Field>
          <Button type="submit">Look</Button>
        </form>
        <Card flush>
          <List
            query={query}
            label="Memories"
            columns={COLUMNS}
            id={(row) => row.id}
            actions={(row) =>
              may && (
                <RowMenu
                  label={`What to do with a memory of ${row.caller}`}
                  entries={[
                    { label: "Put right", act: () => setOpen({ what: "edit", row }) },
                    { label: "Forget", danger: true, act: () => setOpen({ what: "delete", row }) },
                  ]}
                />
              )
            }
            empty={
              <Empty icon={Brain} title="Nothing is remembered">
                An assistant with <code>memory</code> learns from its calls.
              </Empty>
            }
          />
        </Card>
      </div>
      {open?.what === "edit" && <Edit row={open.row} close={close} />}
      {open?.what === "delete" && <Forget row={open.row} close={close} />}
    </>
  );
}

function Edit({ row, close }: { row: Memory; close: () => void }) {
  const changed = useChanged("memories");
  const form = useForm({ defaultValues: { text: row.text } });
  const path = { id: row.id };
  const sent = useSend(form, async (wish) => {
    const { version } = await versioned(api.GET("/api/v1/memories/{id}", { params: { path } }));
    await body(api.PATCH("/api/v1/memories/{id}", { params: { path, header: { "If-Match": version } }, body: wish }));
    await changed();
    say("Saved.");
    close();
  });
  return (
    <FormDialog title={`Of ${row.caller}`} sent={sent} verb="Save" close={close}>
      <Field label="What is true" wrong={wrongOf(form, "text")}>
        <textarea {...form.register("text", { required: true })} />
      </Field>
    </FormDialog>
  );
}

function Forget({ row, close }: { row: Memory; close: () => void }) {
  const changed = useChanged("memories");
  const act = async () => {
    await body(api.DELETE("/api/v1/memories/{id}", { params: { path: { id: row.id } } }));
    await changed();
  };
  return (
    <Confirm title="Forget this?" verb="Forget" act={act} close={close}>
      “{row.text}” A later call may teach it again.
    </Confirm>
  );
}
