// Keys of programs. Their letters are shown once, when they are made.

import { KeyRound } from "lucide-react";
import { useState } from "react";
import { useForm } from "react-hook-form";
import { api, body, versioned } from "~/api/client";
import { type ApiKey, keysQuery, type Role } from "~/api/queries";
import { rolesBelow, useMay, useMe } from "~/app/me";
import { Badge, Button, Card, Empty, PageHead, When } from "~/ui/basics";
import { Confirm, type MenuEntry, RowMenu } from "~/ui/dialog";
import { Field, useSend, wrongOf } from "~/ui/form";
import { FormDialog, ShownOnce, useChanged } from "~/ui/form-dialog";
import { type Column, List } from "~/ui/list";
import { say } from "~/ui/toast";

type Asked =
  | { what: "make" }
  | { what: "rename" | "rotate" | "delete"; key: ApiKey }
  | { what: "shown"; letters: string };

const COLUMNS: Column<ApiKey>[] = [
  {
    title: "Name",
    cell: (key) => (
      <div>
        <span className="name">{key.name}</span>
        <div className="muted mono">{key.prefix}…</div>
      </div>
    ),
  },
  { title: "Role", cell: (key) => key.role },
  {
    title: "May",
    cell: (key) =>
      key.scopes.length === 0 ? "all that the role may" : <span className="mono">{key.scopes.join(", ")}</span>,
  },
  { title: "Used", cell: (key) => <When at={key.last_used_at} /> },
  {
    title: "Works until",
    cell: (key) => {
      const over = key.expires_at != null && new Date(key.expires_at) < new Date();
      if (over) return <Badge tone="bad">Over</Badge>;
      return <When at={key.expires_at} none="it is deleted" />;
    },
  },
];

export default function ApiKeys() {
  const me = useMe();
  const mayWrite = useMay("api_keys:write");
  const [asked, setAsked] = useState<Asked>();
  const close = () => setAsked(undefined);
  const below = rolesBelow(me.role);
  const shown = (letters: string) => setAsked({ what: "shown", letters });
  const make = (
    <Button look="primary" icon={KeyRound} onClick={() => setAsked({ what: "make" })}>
      Make a key
    </Button>
  );
  const entries = (key: ApiKey): MenuEntry[] =>
    !mayWrite || !below.includes(key.role)
      ? []
      : [
          { label: "Rename", act: () => setAsked({ what: "rename", key }) },
          { label: "Rotate", act: () => setAsked({ what: "rotate", key }) },
          { label: "Delete", danger: true, act: () => setAsked({ what: "delete", key }) },
        ];
  return (
    <>
      <PageHead title="API keys" actions={mayWrite && make}>
        For programs. Everything that this page can do is in the <a href="/docs">REST API</a>.
      </PageHead>
      <Card flush>
        <List
          query={keysQuery}
          label="API keys"
          columns={COLUMNS}
          id={(key) => key.id}
          actions={(key) => <RowMenu label={`What to do with ${key.name}`} entries={entries(key)} />}
          empty={
            <Empty icon={KeyRound} title="No program has a key yet" action={mayWrite && make}>
              A key is shown once, and its program shows it as <code>X-API-Key</code>.
            </Empty>
          }
        />
      </Card>
      {asked?.what === "make" && <Make roles={below} permissions={me.permissions} made={shown} close={close} />}
      {asked?.what === "rename" && <Rename row={asked.key} close={close} />}
      {asked?.what === "rotate" && <Rotate row={asked.key} made={shown} close={close} />}
      {asked?.what === "delete" && <Delete row={asked.key} close={close} />}
      {asked?.what === "shown" && (
        <ShownOnce
          title="This is the key"
          about="It is shown this once. Put it where your program reads it; we keep a hash only."
          letters={asked.letters}
          close={close}
        />
      )}
    </>
  );
}

interface Wish {
  name: string;
  role: Role;
  days: string;
  scopes: string[];
}

function Make({
  roles,
  permissions,
  made,
  close,
}: {
  roles: Role[];
  permissions: string[];
  made: (letters: string) => void;
  close: () => void;
}) {
  const changed = useChanged("api-keys");
  const form = useForm<Wish>({ defaultValues: { name: "", role: "agent", days: "90", scopes: [] } });
  const sent = useSend(form, async ({ name, role, days, scopes }) => {
    const expires_in_days = days === "" ? undefined : Number(days);
    const wish = { name: name.trim(), role, scopes, expires_in_days };
    const { key } = await body(api.POST("/api/v1/api-keys", { body: wish }));
    await changed();
    made(key);
  });
  return (
    <FormDialog title="Make a key" sent={sent} verb="Make the key" close={close}>
      <Field label="What it is for" wrong={wrongOf(form, "name")}>
        <input autoComplete="off" placeholder="n8n" {...form.register("name", { required: true })} />
      </Field>
      <div className="columns">
        <Field label="Role" wrong={wrongOf(form, "role")}>
          <select {...form.register("role")}>
            {roles.map((role) => (
              <option key={role}>{role}</option>
            ))}
          </select>
        </Field>
        <Field label="Works for" wrong={wrongOf(form, "days")}>
          <select {...form.register("days")}>
            <option value="7">a week</option>
            <option value="30">30 days</option>
            <option value="90">90 days</option>
            <option value="365">a year</option>
            <option value="">until it is deleted</option>
          </select>
        </Field>
      </div>
      <fieldset className="field">
        <legend className="label">Only for (none: all that the role may)</legend>
        <div className="checks">
          {permissions.map((permission) => (
            <label className="check" key={permission}>
              <input type="checkbox" value={permission} {...form.register("scopes")} />
              <code>{permission}</code>
            </label>
          ))}
        </div>
        {wrongOf(form, "scopes") && <span className="wrong">{wrongOf(form, "scopes")}</span>}
      </fieldset>
    </FormDialog>
  );
}

function Rename({ row, close }: { row: ApiKey; close: () => void }) {
  const changed = useChanged("api-keys");
  const form = useForm({ defaultValues: { name: row.name } });
  const path = { id: row.id };
  const sent = useSend(form, async (wish) => {
    const { version } = await versioned(api.GET("/api/v1/api-keys/{id}", { params: { path } }));
    await body(api.PATCH("/api/v1/api-keys/{id}", { params: { path, header: { "If-Match": version } }, body: wish }));
    await changed();
    say("Saved.");
    close();
  });
  return (
    <FormDialog title="Rename the key" sent={sent} verb="Save" close={close}>
      <Field label="What it is for" wrong={wrongOf(form, "name")}>
        <input autoComplete="off" {...form.register("name", { required: true })} />
      </Field>
    </FormDialog>
  );
}

function Rotate({ row, made, close }: { row: ApiKey; made: (letters: string) => void; close: () => void }) {
  const changed = useChanged("api-keys");
  const form = useForm({ defaultValues: { overlap: "3600" } });
  const sent = useSend(form, async ({ overlap }) => {
    const params = { path: { id: row.id } };
    const { key } = await body(
      api.POST("/api/v1/api-keys/{id}/rotate", { params, body: { overlap_s: Number(overlap) } }),
    );
    await changed();
    made(key);
  });
  return (
    <FormDialog
      title={`Rotate ${row.name}`}
      about="The key gets new letters, which are shown once."
      sent={sent}
      verb="Rotate"
      close={close}
    >
      <Field label="The old ones work for" wrong={wrongOf(form, "overlap")}>
        <select {...form.register("overlap")}>
          <option value="0">not a moment longer</option>
          <option value="3600">an hour</option>
          <option value="86400">a day</option>
          <option value="604800">a week</option>
        </select>
      </Field>
    </FormDialog>
  );
}

function Delete({ row, close }: { row: ApiKey; close: () => void }) {
  const changed = useChanged("api-keys");
  const act = async () => {
    await body(api.DELETE("/api/v1/api-keys/{id}", { params: { path: { id: row.id } } }));
    await changed();
    say(`${row.name} works no more.`);
  };
  return (
    <Confirm title={`Delete ${row.name}?`} verb="Delete" act={act} close={close}>
      Whatever uses it is refused from then on.
    </Confirm>
  );
}
