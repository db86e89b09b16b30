// Organizations: one's own; and all of them for the operator's owners, who make and end them.

import { Building2 } from "lucide-react";
import { useState } from "react";
import { useForm } from "react-hook-form";
import { api, body, versioned } from "~/api/client";
import { type Organization, organizationsQuery } from "~/api/queries";
import { useMay, useMe } from "~/app/me";
import { Badge, Button, Card, Empty, PageHead, When } from "~/ui/basics";
import { Confirm, type MenuEntry, RowMenu } from "~/ui/dialog";
import { Field, useSend, wrongOf } from "~/ui/form";
import { FormDialog, useChanged } from "~/ui/form-dialog";
import { type Column, List } from "~/ui/list";
import { say } from "~/ui/toast";

type Asked = { what: "add" } | { what: "edit" | "delete"; row: Organization };

export default function Organizations() {
  const me = useMe();
  const mayManage = useMay("organizations:manage");
  const mayWrite = useMay("organizations:write");
  const [asked, setAsked] = useState<Asked>();
  const close = () => setAsked(undefined);
  const add = (
    <Button look="primary" icon={Building2} onClick={() => setAsked({ what: "add" })}>
      Add an organization
    </Button>
  );
  const columns: Column<Organization>[] = [
    {
      title: "Name",
      cell: (row) => (
        <div>
          <span className="name">{row.name}</span>{" "}
          {row.id === me.organization_id && <span className="muted">(yours)</span>}
          {row.domain && <div className="muted small">{row.domain}</div>}
        </div>
      ),
    },
    { title: "Id", cell: (row) => <span className="mono wrap-anywhere">{row.id}</span> },
    { title: "Plan", cell: (row) => row.plan },
    {
      title: "State",
      cell: (row) => (row.is_active ? <Badge tone="good">Active</Badge> : <Badge tone="warn">Suspended</Badge>),
    },
    { title: "Made", cell: (row) => <When at={row.created_at} /> },
  ];
  const entries = (row: Organization): MenuEntry[] => [
    ...(mayWrite ? [{ label: "Change", act: () => setAsked({ what: "edit", row }) }] : []),
    ...(mayManage && row.id !== "default"
      ? [{ label: "Delete", danger: true, act: () => setAsked({ what: "delete", row }) }]
      : []),
  ];
  return (
    <>
      <PageHead title={mayManage ? "Organizations" : "Organization"} actions={mayManage && add}>
        {mayManage
          ? "Each has its own users, keys and log, and sees nothing of the others."
          : "What you belong to. Nobody outside of it sees what is here."}
      </PageHead>
      <Card flush>
        <List
          query={organizationsQuery}
          label="Organizations"
          columns={columns}
          id={(row) => row.id}
          actions={(row) => <RowMenu label={`What to do with ${row.name}`} entries={entries(row)} />}
          empty={<Empty icon={Building2} title="There is none" />}
        />
      </Card>
      {asked?.what === "add" && <Add close={close} />}
      {asked?.what === "edit" && <Edit row={asked.row} operator={mayManage} close={close} />}
      {asked?.what === "delete" && <Delete row={asked.row} close={close} />}
    </>
  );
}

function Add({ close }: { close: () => void }) {
  const changed = useChanged("organizations");
  const form = useForm({ defaultValues: { name: "", domain: "" } });
  const sent = useSend(form, async ({ name, domain }) => {
    await body(api.POST("/api/v1/organizations", { body: { name: name.trim(), domain: domain.trim() } }));
    await changed();
    say(`${name} is there. Its first owner is made on the server: offhook user add EMAIL --organization ID.`);
    close();
  });
  return (
    <FormDialog title="Add an organization" sent={sent} verb="Add" close={close}>
      <Field label="Name" wrong={wrongOf(form, "name")}>
        <input autoComplete="off" {...form.register("name", { required: true })} />
      </Field>
      <Field label="Domain (optional)" wrong={wrongOf(form, "domain")}>
        <input autoComplete="off" placeholder="acme.example" {...form.register("domain")} />
      </Field>
    </FormDialog>
  );
}

function Edit({ row, operator, close }: { row: Organization; operator: boolean; close: () => void }) {
  const changed = useChanged("organizations");
  const { name, domain, description, is_active, plan } = row;
  const form = useForm({ defaultValues: { name, domain, description, is_active, plan } });
  const path = { id: row.id };
  const sent = useSend(form, async ({ is_active, plan, ...mine }) => {
    const { version } = await versioned(api.GET("/api/v1/organizations/{id}", { params: { path } }));
    // What is the operator's to say is not sent by others.
    const wish = operator ? { ...mine, plan, ...(row.id === "default" ? {} : { is_active }) } : mine;
    await body(
      api.PATCH("/api/v1/organizations/{id}", { params: { path, header: { "If-Match": version } }, body: wish }),
    );
    await changed();
    say("Saved.");
    close();
  });
  return (
    <FormDialog title={`Change ${row.name}`} sent={sent} verb="Save" close={close}>
      <Field label="Name" wrong={wrongOf(form, "name")}>
        <input autoComplete="off" {...form.register("name", { required: true })} />
      </Field>
      <Field label="Domain" wrong={wrongOf(form, "domain")}>
        <input autoComplete="off" {...form.register("domain")} />
      </Field>
      <Field label="In words" wrong={wrongOf(form, "description")}>
        <textarea {...form.register("description")} />
      </Field>
      {operator && (
        <Field label="Plan" wrong={wrongOf(form, "plan")}>
          <input autoComplete="off" {...form.register("plan", { required: true })} />
        </Field>
      )}
      {operator && row.id !== "default" && (
        <label className="check">
          <input type="checkbox" {...form.register("is_active")} />
          <span>Active. Without this, its people cannot sign in and its keys do not work.</span>
        </label>
      )}
    </FormDialog>
  );
}

function Delete({ row, close }: { row: Organization; close: () => void }) {
  const changed = useChanged("organizations");
  const act = async () => {
    await body(api.DELETE("/api/v1/organizations/{id}", { params: { path: { id: row.id } } }));
    await changed();
    say(`${row.name} is gone.`);
  };
  return (
    <Confirm title={`Delete ${row.name}?`} verb="Delete" act={act} close={close}>
      All its users, keys and logins go with it. Its audit log stays.
    </Confirm>
  );
}
