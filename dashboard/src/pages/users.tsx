// Who may sign in, and as what.

import { UserPlus, Users as UsersIcon } from "lucide-react";
import { useState } from "react";
import { useForm } from "react-hook-form";
import { api, body, versioned } from "~/api/client";
import { type Role, type User, usersQuery } from "~/api/queries";
import { rolesBelow, useMay, useMe } from "~/app/me";
import { Badge, Button, Card, Empty, PageHead, When } from "~/ui/basics";
import { Confirm, type MenuEntry, RowMenu } from "~/ui/dialog";
import { Field, useSend, wrongOf } from "~/ui/form";
import { FormDialog, useChanged } from "~/ui/form-dialog";
import { type Column, List } from "~/ui/list";
import { say } from "~/ui/toast";

type Asked = { what: "add" } | { what: "edit" | "remove" | "password" | "codes"; user: User };

const ROLES: Record<Role, string> = {
  owner: "everything, the organization too",
  admin: "people, keys, and what calls are made of",
  agent: "calls, and what comes of them",
  viewer: "looks only",
};

export default function Users() {
  const me = useMe();
  const mayWrite = useMay("users:write");
  const [asked, setAsked] = useState<Asked>();
  const close = () => setAsked(undefined);
  const below = rolesBelow(me.role);
  const add = (
    <Button look="primary" icon={UserPlus} onClick={() => setAsked({ what: "add" })}>
      Add a user
    </Button>
  );
  const entries = (user: User): MenuEntry[] => {
    // Nobody changes who is above them.
    if (!mayWrite || !below.includes(user.role)) return [];
    const self = user.id === me.user?.id;
    const edit = { label: "Change", act: () => setAsked({ what: "edit", user }) };
    if (self) return [edit];
    return [
      edit,
      { label: "New password", act: () => setAsked({ what: "password", user }) },
      ...(user.mfa_enabled
        ? [{ label: "Take away the second factor", act: () => setAsked({ what: "codes", user }) }]
        : []),
      { label: "Remove", danger: true, act: () => setAsked({ what: "remove", user }) },
    ];
  };
  return (
    <>
      <PageHead title="Users" actions={mayWrite && add}>
        Everybody who may sign in to your organization.
      </PageHead>
      <Card flush>
        <List
          query={usersQuery}
          label="Users"
          columns={columns(me.user?.id)}
          id={(user) => user.id}
          actions={(user) => <RowMenu label={`What to do with ${user.email}`} entries={entries(user)} />}
          empty={<Empty icon={UsersIcon} title="There is nobody yet" action={mayWrite && add} />}
        />
      </Card>
      {asked?.what === "add" && <Add roles={below} close={close} />}
      {asked?.what === "edit" && <Edit user={asked.user} roles={below} close={close} />}
      {asked?.what === "password" && <NewPassword user={asked.user} close={close} />}
      {asked?.what === "codes" && <TakeCodes user={asked.user} close={close} />}
      {asked?.what === "remove" && <Remove user={asked.user} close={close} />}
    </>
  );
}

function columns(self: string | undefined): Column<User>[] {
  return [
    {
      title: "Name",
      cell: (user) => (
        <div>
          <span className="name">{user.name || user.email}</span>{" "}
          {user.id === self && <span className="muted">(you)</span>}
          <div className="muted small wrap-anywhere">{user.email}</div>
        </div>
      ),
    },
    { title: "Role", cell: (user) => <span>{user.role}</span> },
    {
      title: "Second factor",
      cell: (user) => (user.mfa_enabled ? <Badge tone="good">On</Badge> : <Badge>Off</Badge>),
    },
    { title: "May sign in", cell: (user) => (user.is_active ? "Yes" : <Badge tone="warn">No</Badge>) },
    { title: "Last signed in", cell: (user) => <When at={user.last_login_at} /> },
  ];
}

function RoleOptions({ roles }: { roles: Role[] }) {
  return roles.map((role) => (
    <option key={role} value={role}>
      {role}: {ROLES[role]}
    </option>
  ));
}

const at = (user: User) => ({ path: { id: user.id } });

/** The version of now: what is shown may be older. */
async function versionOf(user: User): Promise<string> {
  return (await versioned(api.GET("/api/v1/users/{id}", { params: at(user) }))).version;
}

function Add({ roles, close }: { roles: Role[]; close: () => void }) {
  const changed = useChanged("users", "me");
  const form = useForm({ defaultValues: { name: "", email: "", role: "viewer" as Role, password: "" } });
  const sent = useSend(form, async (wish) => {
    await body(api.POST("/api/v1/users", { body: { ...wish, email: wish.email.trim(), name: wish.name.trim() } }));
    await changed();
    say(`${wish.name} may sign in now.`);
    close();
  });
  return (
    <FormDialog title="Add a user" sent={sent} verb="Add" close={close}>
      <Field label="Name" wrong={wrongOf(form, "name")}>
        <input autoComplete="off" {...form.register("name", { required: true })} />
      </Field>
      <Field label="E-mail" wrong={wrongOf(form, "email")}>
        <input type="email" autoComplete="off" {...form.register("email", { required: true })} />
      </Field>
      <Field label="Role" wrong={wrongOf(form, "role")}>
        <select {...form.register("role")}>
          <RoleOptions roles={roles} />
        </select>
      </Field>
      <Field
        label="First password"
        hint="12 characters at least, hard to guess. Tell it to them, and have them change it."
        wrong={wrongOf(form, "password")}
      >
        <input type="password" autoComplete="new-password" {...form.register("password", { required: true })} />
      </Field>
    </FormDialog>
  );
}

function Edit({ user, roles, close }: { user: User; roles: Role[]; close: () => void }) {
  const changed = useChanged("users", "me");
  const form = useForm({ defaultValues: { name: user.name, role: user.role, is_active: user.is_active } });
  const sent = useSend(form, async (wish) => {
    const header = { "If-Match": await versionOf(user) };
    await body(api.PATCH("/api/v1/users/{id}", { params: { ...at(user), header }, body: wish }));
    await changed();
    say("Saved.");
    close();
  });
  return (
    <FormDialog title={`Change ${user.email}`} sent={sent} verb="Save" close={close}>
      <Field label="Name" wrong={wrongOf(form, "name")}>
        <input autoComplete="off" {...form.register("name", { required: true })} />
      </Field>
      <Field label="Role" wrong={wrongOf(form, "role")}>
        <select {...form.register("role")}>
          <RoleOptions roles={roles} />
        </select>
      </Field>
      <label className="check">
        <input type="checkbox" {...form.register("is_active")} />
        <span>May sign in. Without this, all their logins end.</span>
      </label>
    </FormDialog>
  );
}

function NewPassword({ user, close }: { user: User; close: () => void }) {
  const changed = useChanged("users", "me");
  const form = useForm({ defaultValues: { password: "" } });
  const sent = useSend(form, async (wish) => {
    await body(api.PATCH("/api/v1/users/{id}", { params: at(user), body: wish }));
    await changed();
    say("The new password holds. Their logins have ended.");
    close();
  });
  return (
    <FormDialog
      title="New password"
      about={`For ${user.email}, who has forgotten it. All their logins end.`}
      sent={sent}
      verb="Set it"
      close={close}
    >
      <Field label="Password" hint="12 characters at least, hard to guess." wrong={wrongOf(form, "password")}>
        <input type="password" autoComplete="new-password" {...form.register("password", { required: true })} />
      </Field>
    </FormDialog>
  );
}

function TakeCodes({ user, close }: { user: User; close: () => void }) {
  const changed = useChanged("users", "me");
  const act = async () => {
    await body(api.PATCH("/api/v1/users/{id}", { params: at(user), body: { mfa_enabled: false } }));
    await changed();
  };
  return (
    <Confirm title="Take away the second factor?" verb="Take it away" act={act} close={close}>
      {user.email} signs in with the password alone then. Do this only for somebody who has lost telephone and recovery
      codes, and whom you know to be who they say.
    </Confirm>
  );
}

function Remove({ user, close }: { user: User; close: () => void }) {
  const changed = useChanged("users", "me");
  const act = async () => {
    await body(api.DELETE("/api/v1/users/{id}", { params: at(user) }));
    await changed();
    say(`${user.email} is gone.`);
  };
  return (
    <Confirm title={`Remove ${user.email}?`} verb="Remove" act={act} close={close}>
      Their logins end at once. What they did stays in the audit log.
    </Confirm>
  );
}
