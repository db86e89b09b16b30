// One's own login: password, second factor, and where one is signed in.

import { useQueryClient } from "@tanstack/react-query";
import { MonitorSmartphone, ShieldCheck } from "lucide-react";
import { useState } from "react";
import { useForm } from "react-hook-form";
import { renderSVG } from "uqr";
import { api, body } from "~/api/client";
import { type Login, loginsQuery } from "~/api/queries";
import { session } from "~/api/session";
import { useMe } from "~/app/me";
import { browser } from "~/lib/format";
import { Badge, Button, Card, CopyButton, Empty, Facts, Notice, PageHead, Secret, When } from "~/ui/basics";
import { CodeField } from "~/ui/code-field";
import { Dialog, RowMenu } from "~/ui/dialog";
import { Field, Submit, useSend, wrongOf } from "~/ui/form";
import { FormDialog } from "~/ui/form-dialog";
import { type Column, List } from "~/ui/list";
import { say } from "~/ui/toast";

export default function Account() {
  const me = useMe();
  const user = me.user;
  if (!user) return <Notice tone="warn">Only a user has an account; this is a key.</Notice>;
  return (
    <>
      <PageHead title="Your account" />
      <div className="stack">
        <Card title="You">
          <Facts
            rows={[
              ["Name", user.name],
              ["E-mail", user.email],
              ["Role", me.role],
              ["Organization", me.organization_id],
            ]}
          />
        </Card>
        <div className="grid">
          <SecondFactor enabled={user.mfa_enabled} />
          <Password />
        </div>
        <Logins />
      </div>
    </>
  );
}

function Password() {
  const [open, setOpen] = useState(false);
  return (
    <Card title="Password">
      <div className="stack tight">
        <p className="muted">A new one ends all your logins, this one too.</p>
        <div>
          <Button onClick={() => setOpen(true)}>Change the password</Button>
        </div>
      </div>
      {open && <ChangePassword close={() => setOpen(false)} />}
    </Card>
  );
}

function ChangePassword({ close }: { close: () => void }) {
  const form = useForm({ defaultValues: { current_password: "", password: "", again: "" } });
  const sent = useSend(form, async ({ current_password, password }) => {
    await body(api.POST("/api/v1/auth/password", { body: { current_password, password } }));
    session.ended();
  });
  const same = (again: string) => again === form.getValues("password") || "This is not the same.";
  return (
    <FormDialog
      title="Change the password"
      about="You sign in with the new one right after."
      sent={sent}
      verb="Change it"
      close={close}
    >
      <Field label="The password of today" wrong={wrongOf(form, "current_password")}>
        <input
          type="password"
          autoComplete="current-password"
          {...form.register("current_password", { required: true })}
        />
      </Field>
      <Field label="The new one" hint="12 characters at least, hard to guess." wrong={wrongOf(form, "password")}>
        <input type="password" autoComplete="new-password" {...form.register("password", { required: true })} />
      </Field>
      <Field label="The new one again" wrong={wrongOf(form, "again")}>
        <input
          type="password"
          autoComplete="new-password"
          {...form.register("again", { required: true, validate: same })}
        />
      </Field>
    </FormDialog>
  );
}

function SecondFactor({ enabled }: { enabled: boolean }) {
  const [open, setOpen] = useState<"enroll" | "disable">();
  return (
    <Card title="Second factor" actions={enabled ? <Badge tone="good">On</Badge> : <Badge tone="warn">Off</Badge>}>
      <div className="stack tight">
        <p className="muted">
          {enabled
            ? "A code of your authenticator is asked for at signing in."
            : "With one, a stolen password alone lets nobody in."}
        </p>
        <div>
          {enabled ? (
            <Button onClick={() => setOpen("disable")}>Switch it off</Button>
          ) : (
            <Button look="primary" icon={ShieldCheck} onClick={() => setOpen("enroll")}>
              Set it up
            </Button>
          )}
        </div>
      </div>
      {open === "enroll" && <Enroll close={() => setOpen(undefined)} />}
      {open === "disable" && <Disable close={() => setOpen(undefined)} />}
    </Card>
  );
}

interface Enrolment {
  secret: string;
  otpauth_url: string;
}

function Enroll({ close }: { close: () => void }) {
  const [enrolment, setEnrolment] = useState<Enrolment>();
  const [codes, setCodes] = useState<string[]>();
  const queries = useQueryClient();
  const done = async () => {
    close();
    await queries.invalidateQueries({ queryKey: ["me"] });
  };
  if (codes) return <RecoveryCodes codes={codes} close={() => void done()} />;
  return (
    <Dialog title="Set up a second factor" close={close}>
      {enrolment ? (
        <Confirm enrolment={enrolment} confirmed={setCodes} close={close} />
      ) : (
        <Prove proven={setEnrolment} close={close} />
      )}
    </Dialog>
  );
}

function Prove({ proven, close }: { proven: (enrolment: Enrolment) => void; close: () => void }) {
  const form = useForm({ defaultValues: { password: "" } });
  const { submit, problem, busy } = useSend(form, async (wish) => {
    proven(await body(api.POST("/api/v1/auth/mfa/enroll", { body: wish })));
  });
  return (
    <form className="form" onSubmit={submit} noValidate>
      <Field label="Your password, once more" wrong={wrongOf(form, "password")}>
        <input type="password" autoComplete="current-password" {...form.register("password", { required: true })} />
      </Field>
      <Submit busy={busy} problem={problem} cancel={close}>
        Go on
      </Submit>
    </form>
  );
}

function Confirm({
  enrolment,
  confirmed,
  close,
}: {
  enrolment: Enrolment;
  confirmed: (codes: string[]) => void;
  close: () => void;
}) {
  const form = useForm({ defaultValues: { code: "" } });
  const { submit, problem, busy } = useSend(form, async ({ code }) => {
    const answer = await body(api.POST("/api/v1/auth/mfa/verify", { body: { code: code.replaceAll(" ", "") } }));
    confirmed(answer.recovery_codes);
  });
  return (
    <form className="form" onSubmit={submit} noValidate>
      <p>Scan this with an authenticator, or type the secret into it. Then enter the code that it shows.</p>
      <img className="qr" src={qr(enrolment)} alt="QR code for the authenticator" />
      <Secret text={enrolment.secret} label="Copy the secret" />
      <CodeField form={form} name="code" label="Code" />
      <Submit busy={busy} problem={problem} cancel={close}>
        Switch it on
      </Submit>
    </form>
  );
}

const qr = (enrolment: Enrolment) =>
  `data:image/svg+xml,${encodeURIComponent(renderSVG(enrolment.otpauth_url, { border: 0 }))}`;

function RecoveryCodes({ codes, close }: { codes: string[]; close: () => void }) {
  const text = codes.join("\n");
  return (
    <Dialog title="Keep these codes" close={close}>
      <div className="stack">
        <Notice tone="warn">
          Each signs you in once when the telephone is lost. They are shown this once: print them, or put them into your
          password safe.
        </Notice>
        <pre className="code-block">{text}</pre>
        <div className="buttons">
          <CopyButton text={text} label="Copy all" />
          <Button look="primary" onClick={close}>
            I have them
          </Button>
        </div>
      </div>
    </Dialog>
  );
}

function Disable({ close }: { close: () => void }) {
  const queries = useQueryClient();
  const form = useForm({ defaultValues: { password: "" } });
  const sent = useSend(form, async (wish) => {
    await body(api.POST("/api/v1/auth/mfa/disable", { body: wish }));
    await queries.invalidateQueries({ queryKey: ["me"] });
    say("No code is asked for any more.");
    close();
  });
  return (
    <FormDialog
      title="Switch off the second factor"
      about="The recovery codes go with it."
      sent={sent}
      verb="Switch it off"
      look="danger"
      close={close}
    >
      <Field label="Your password, once more" wrong={wrongOf(form, "password")}>
        <input type="password" autoComplete="current-password" {...form.register("password", { required: true })} />
      </Field>
    </FormDialog>
  );
}

const COLUMNS: Column<Login>[] = [
  {
    title: "Program",
    cell: (login) => (
      <div title={login.user_agent}>
        <span className="name">{browser(login.user_agent)}</span> {login.current && <Badge tone="good">This one</Badge>}
      </div>
    ),
  },
  { title: "Address", cell: (login) => <span className="mono">{login.address}</span> },
  { title: "Began", cell: (login) => <When at={login.created_at} /> },
  { title: "Used", cell: (login) => <When at={login.used_at} /> },
  { title: "Ends", cell: (login) => <When at={login.expires_at} /> },
];

function Logins() {
  const queries = useQueryClient();
  const end = async (login: Login) => {
    if (login.current) return session.signOut();
    await body(api.DELETE("/api/v1/auth/sessions/{id}", { params: { path: { id: login.id } } }));
    await queries.invalidateQueries({ queryKey: ["logins"] });
    say("That login has ended.");
  };
  return (
    <Card title="Where you are signed in" about="End what you do not know, and change the password." flush>
      <List
        query={loginsQuery}
        label="Logins"
        columns={COLUMNS}
        id={(login) => login.id}
        actions={(login) => (
          <RowMenu
            label={`What to do with the login from ${login.address}`}
            entries={[{ label: login.current ? "Sign out" : "End it", danger: true, act: () => void end(login) }]}
          />
        )}
        empty={<Empty icon={MonitorSmartphone} title="No login" />}
      />
    </Card>
  );
}
