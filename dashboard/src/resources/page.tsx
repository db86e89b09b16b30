// A page of resources that are alike: their list, and dialogs to make, change and delete one.

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { type LucideIcon, Plus } from "lucide-react";
import { type ReactNode, useState } from "react";
import { useForm } from "react-hook-form";
import { useMay } from "~/app/me";
import { Badge, Button, Card, Empty, Failure, Loading, Notice, PageHead } from "~/ui/basics";
import { Confirm, Dialog, type MenuEntry, RowMenu } from "~/ui/dialog";
import { Submit, useSend } from "~/ui/form";
import { FormDialog } from "~/ui/form-dialog";
import { type Column, List } from "~/ui/list";
import { say } from "~/ui/toast";
import type { Resource, ResourceRow } from "./api";
import { type FieldSpec, type FormValues, patchOf, type SectionSpec, toForm, Unreadable } from "./fields";
import { Fields } from "./form";

export interface ResourcePage<T extends ResourceRow> {
  title: string;
  about: ReactNode;
  /** A webhook */
  one: string;
  icon: LucideIcon;
  resource: Resource<T>;
  /** webhooks: the permissions are webhooks:read and webhooks:write. */
  permission: string;
  columns: Column<T>[];
  sections: SectionSpec[];
  name: (row: T) => string;
  empty: ReactNode;
  /** What is to be said once a row is made: a secret that is shown this once. */
  made?: (row: T, close: () => void) => ReactNode;
  more?: (row: T, close: () => void) => { label: string; dialog: ReactNode }[];
  /** What else stands at the head. */
  actions?: ReactNode;
}

type Asked<T> =
  | { what: "make" }
  | { what: "change" | "delete"; row: T }
  | { what: "said"; said: ReactNode }
  | { what: "more"; label: string; row: T };

export function ResourceList<T extends ResourceRow>(page: ResourcePage<T>) {
  const may = useMay(`${page.permission}:write`);
  const [asked, setAsked] = useState<Asked<T>>();
  const close = () => setAsked(undefined);
  const make = may && (
    <Button look="primary" icon={Plus} onClick={() => setAsked({ what: "make" })}>
      Add {page.one}
    </Button>
  );
  const entries = (row: T): MenuEntry[] => {
    const more = (page.more?.(row, close) ?? []).map(({ label }) => ({
      label,
      act: () => setAsked({ what: "more", label, row }),
    }));
    if (!may || row.source === "file")
      return [{ label: "Look at it", act: () => setAsked({ what: "change", row }) }, ...more];
    return [
      { label: "Change", act: () => setAsked({ what: "change", row }) },
      ...more,
      { label: "Delete", danger: true, act: () => setAsked({ what: "delete", row }) },
    ];
  };
  const made = (row: T) => {
    const said = page.made?.(row, close);
    setAsked(said ? { what: "said", said } : undefined);
  };
  return (
    <>
      <PageHead
        title={page.title}
        actions={
          <>
            {page.actions}
            {make}
          </>
        }
      >
        {page.about}
      </PageHead>
      <Card flush>
        <List
          query={page.resource.list}
          label={page.title}
          columns={page.columns}
          id={(row) => row.id}
          actions={(row) => <RowMenu label={`What to do with ${page.name(row)}`} entries={entries(row)} />}
          empty={
            <Empty icon={page.icon} title={`There is no ${page.one} yet`} action={make}>
              {page.empty}
            </Empty>
          }
        />
      </Card>
      {asked?.what === "make" && <Make page={page} made={made} close={close} />}
      {asked?.what === "change" && <Change page={page} row={asked.row} close={close} />}
      {asked?.what === "delete" && <Delete page={page} row={asked.row} close={close} />}
      {asked?.what === "said" && asked.said}
      {asked?.what === "more" && page.more?.(asked.row, close).find(({ label }) => label === asked.label)?.dialog}
    </>
  );
}

const allOf = (sections: SectionSpec[]): FieldSpec[] => sections.flatMap((section) => section.fields);

/** Sends a form of fields; a text that cannot be read is told at its field. */
export function useFields(
  sections: SectionSpec[],
  before: Record<string, unknown>,
  save: (patch: Record<string, unknown>) => Promise<void>,
) {
  const fields = allOf(sections);
  const form = useForm<FormValues>({ defaultValues: toForm(before, fields) });
  const sent = useSend(form, async (values) => {
    try {
      await save(patchOf(before, values, fields));
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error;
      form.setError(error.field, { message: error.message }, { shouldFocus: true });
    }
  });
  return { form, ...sent };
}

function Make<T extends ResourceRow>({
  page,
  made,
  close,
}: {
  page: ResourcePage<T>;
  made: (row: T) => void;
  close: () => void;
}) {
  const queries = useQueryClient();
  const { form, ...sent } = useFields(page.sections, {}, async (row) => {
    const answer = await page.resource.create(row);
    await queries.invalidateQueries({ queryKey: page.resource.key });
    made(answer);
  });
  return (
    <FormDialog wide={allOf(page.sections).length > 6} title={`Add ${page.one}`} sent={sent} verb="Add" close={close}>
      <Fields form={form} sections={page.sections} />
    </FormDialog>
  );
}

function Change<T extends ResourceRow>({ page, row, close }: { page: ResourcePage<T>; row: T; close: () => void }) {
  const shown = useQuery({ ...page.resource.one(row.id), staleTime: 0, gcTime: 0 });
  return (
    <Dialog wide={allOf(page.sections).length > 6} title={page.name(row)} close={close}>
      {shown.isPending && <Loading />}
      {shown.isError && <Failure error={shown.error} again={() => shown.refetch()} />}
      {shown.data && (
        <ChangeForm
          key={shown.data.version}
          page={page}
          row={shown.data.row}
          version={shown.data.version}
          close={close}
        />
      )}
    </Dialog>
  );
}

function ChangeForm<T extends ResourceRow>({
  page,
  row,
  version,
  close,
}: {
  page: ResourcePage<T>;
  row: T;
  version: string;
  close: () => void;
}) {
  const queries = useQueryClient();
  const sections = page.sections.map((section) => ({
    ...section,
    fields: section.fields.filter((field) => !field.onlyNew),
  }));
  const may = useMay(`${page.permission}:write`) && row.source !== "file";
  const { form, submit, problem, busy } = useFields(sections, row, async (patch) => {
    if (Object.keys(patch).length > 0) {
      await page.resource.change(row.id, version, patch);
      await queries.invalidateQueries({ queryKey: page.resource.key });
      say("Saved.");
    }
    close();
  });
  return (
    <form className="form" onSubmit={submit} noValidate>
      {row.source === "file" && <OfFile />}
      <Fields form={form} sections={sections} disabled={!may} />
      {may && (
        <Submit busy={busy} problem={problem} cancel={close}>
          Save
        </Submit>
      )}
    </form>
  );
}

export function OfFile() {
  return (
    <Notice tone="warn">
      The configuration file has this: change it there, and have it read again (SIGHUP, or Reload on the page Node).
    </Notice>
  );
}

function Delete<T extends ResourceRow>({ page, row, close }: { page: ResourcePage<T>; row: T; close: () => void }) {
  const queries = useQueryClient();
  const act = async () => {
    await page.resource.remove(row.id);
    await queries.invalidateQueries({ queryKey: page.resource.key });
    say(`${page.name(row)} is gone.`);
  };
  return (
    <Confirm title={`Delete ${page.name(row)}?`} verb="Delete" act={act} close={close}>
      It cannot be brought back.
    </Confirm>
  );
}

/** Where a row is from, where that is not the API. */
export function Source({ row }: { row: ResourceRow }) {
  return row.source === "file" ? <Badge tone="note">File</Badge> : null;
}
