// What a call can be told while it is up, wherever it is shown.
import { PhoneOff } from "lucide-react";
import { useState } from "react";
import { useForm } from "react-hook-form";
import { api, body, type Schemas } from "~/api/client";
import { asProblem } from "~/api/problem";
import type { Call } from "~/api/queries";
import { Button } from "~/ui/basics";
import { Confirm, type MenuEntry, RowMenu } from "~/ui/dialog";
import { Field, useSend, wrongOf } from "~/ui/form";
import { FormDialog, useChanged } from "~/ui/form-dialog";
import { say } from "~/ui/toast";
import { plain } from "./badge";

export type Wish = Schemas["CallActionWish"];

export function act(id: string, wish: Wish): Promise<unknown> {
  return body(api.POST("/api/v1/calls/{id}/actions", { params: { path: { id } }, body: wish }));
}

/** Buttons for one call. `more` is what else its menu has. */
export function CallActs({ call, more = [] }: { call: Call; more?: MenuEntry[] }) {
  const [asked, setAsked] = useState<"hangup" | "transfer">();
  const changed = useChanged("calls");
  const close = () => setAsked(undefined);
  const tell = (action: Wish["action"], words: string) => async () => {
    try {
      await act(call.id, { action });
      say(words);
    } catch (error) {
      say(asProblem(error).message, "bad");
    }
  };
  const inConference: MenuEntry[] = [
    { label: "Put on hold", act: tell("hold", "Music, if somebody is in a conference with this call.") },
    { label: "Mute", act: tell("mute", "Unheard, if somebody is in a conference with this call.") },
    { label: "Let talk again", act: tell("resume", "It talks, as at first.") },
    { label: "Back to its agent", act: tell("leave", "It leaves its conference, and has its agent back.") },
  ];
  const hangUp = async () => {
    await act(call.id, { action: "hangup" });
    await changed();
  };
  return (
    <>
      <Button onClick={() => setAsked("transfer")}>Transfer</Button>
      <Button look="danger" icon={PhoneOff} onClick={() => setAsked("hangup")}>
        Hang up
      </Button>
      <RowMenu label={`More for the call with ${plain(call.from) || "unknown"}`} entries={[...more, ...inConference]} />
      {asked === "hangup" && (
        <Confirm title="Hang up this call?" verb="Hang up" act={hangUp} close={close}>
          The line is cut at once, for everybody in the call.
        </Confirm>
      )}
      {asked === "transfer" && <Transfer call={call} close={close} />}
    </>
  );
}

function Transfer({ call, close }: { call: Call; close: () => void }) {
  const changed = useChanged("calls");
  const form = useForm({ defaultValues: { to: "" } });
  const sent = useSend(form, async ({ to }) => {
    await act(call.id, { action: "transfer", to: to.trim() });
    await changed();
    say("Somebody is being called. The caller hears music meanwhile.");
    close();
  });
  return (
    <FormDialog
      title="Transfer the caller"
      about="Somebody is called, and talks with the caller then. The agent leaves."
      sent={sent}
      verb="Transfer"
      close={close}
    >
      <Field label="To whom" hint="A number with its country, or a SIP address." wrong={wrongOf(form, "to")}>
        <input autoComplete="off" {...form.register("to", { required: true })} />
      </Field>
    </FormDialog>
  );
}
