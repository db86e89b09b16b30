// What assistants are called: calls and sessions know those of the database by their ids.
import { useInfiniteQuery } from "@tanstack/react-query";
import type { SelectHTMLAttributes } from "react";
import { useMay } from "~/app/me";
import { shortId } from "~/lib/format";
import { assistants } from "./assistant";

export interface Named {
  id: string;
  name: string;
}

/** Those of the organization, the newest first; those of the file come last. Empty for who may not read them. */
export function useAssistants(): Named[] {
  const listed = useInfiniteQuery({ ...assistants.list, enabled: useMay("assistants:read") });
  return listed.data?.pages.flatMap((part) => part.data.map((row) => ({ id: row.id, name: row.name ?? row.id }))) ?? [];
}

/** One that was deleted has its id alone. */
export function useAssistantName(): (id: string) => string {
  const known = useAssistants();
  return (id) => known.find((one) => one.id === id)?.name ?? shortId(id);
}

export function AssistantName({ id }: { id: string }) {
  return useAssistantName()(id);
}

/** A choice among them. */
export function AssistantSelect({
  none,
  ...select
}: { none: string } & SelectHTMLAttributes<HTMLSelectElement> & { ref?: React.Ref<HTMLSelectElement> }) {
  const known = useAssistants();
  const other = typeof select.value === "string" && select.value !== "" && !known.some(({ id }) => id === select.value);
  return (
    <select {...select}>
      <option value="">{none}</option>
      {other && <option>{select.value}</option>}
      {known.map(({ id, name }) => (
        <option key={id} value={id}>
          {name}
        </option>
      ))}
    </select>
  );
}
