// Calls: placing one, and finding one by its id.
import { useNavigate } from "@tanstack/react-router";
import { PhoneOutgoing } from "lucide-react";
import { useState } from "react";
import { useForm } from "react-hook-form";
import { api, body } from "~/api/client";
import { useMay } from "~/app/me";
import { Button, Card, PageHead } from "~/ui/basics";
import { Dialog } from "~/ui/dialog";
import { Field, Submit, useSend, wrongOf } from "~/ui/form";

export default function Calls() {
  const mayPlace = useMay("calls:write");
  const [placing, setPlacing] = useState(false);
  return (
    <>
      <PageHead
        title="Calls"
        actions={
          mayPlace && (
            <Button look="primary" icon={PhoneOutgoing} onClick={() => setPlacing(true)}>
              Place a call
            </Button>
          )
        }
      />
      <Find />
      {placing && <PlaceCall close={() => setPlacing(false)} />}
    </>
  );
}

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
  const { submit, problem, busy } = useSend(form, async (wish) => {
    const given = Object.fromEntries(Object.entries(wish).map(([name, value]) => [name, value.trim() || undefined]));
    const call = await body(api.POST("/api/v1/calls", { body: { ...given, to: wish.to.trim() } }));
    close();
    await navigate({ to: "/calls/$id", params: { id: call.id } });
  });
  return (
    <Dialog title="Place a call" about="The assistant talks as soon as somebody answers." close={close}>
      <form className="form" onSubmit={submit} noValidate>
        <Field label="Whom to call" hint="A number with its country, or a SIP address." wrong={wrongOf(form, "to")}>
          <input placeholder="+4930123456" autoComplete="off" {...form.register("to", { required: true })} />
        </Field>
        <div className="columns">
          <Field
            label="Who calls (optional)"
            hint="A number that the trunk lets you show."
            wrong={wrongOf(form, "from")}
          >
            <input autoComplete="off" {...form.register("from")} />
          </Field>
          <Field
            label="Assistant (optional)"
            hint="Its name; else the default one."
            wrong={wrongOf(form, "assistant_id")}
          >
            <input placeholder="demo" autoComplete="off" {...form.register("assistant_id")} />
          </Field>
        </div>
        <Field label="Trunk (optional)" hint="Else the first one that may." wrong={wrongOf(form, "trunk_id")}>
          <input autoComplete="off" {...form.register("trunk_id")} />
        </Field>
        <Submit busy={busy} problem={problem} cancel={close}>
          Call
        </Submit>
      </form>
    </Dialog>
  );
}
