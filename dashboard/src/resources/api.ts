// Resources that are all alike: rows of the API or of the node's file, with versions, changed by a merge patch.
import { queryOptions } from "@tanstack/react-query";
import { send } from "~/api/client";
import { listOptions, type Part } from "~/api/queries";
import type { Row } from "./fields";

export interface ResourceRow extends Row {
  id: string;
  /** api, or file: then it is changed in the file. */
  source?: string;
}

export function resource<T extends ResourceRow>(path: string) {
  const key = [path.replace("/api/v1/", "")];
  const one = (id: string) => `${path}/${encodeURIComponent(id)}`;
  return {
    key,
    list: listOptions<T>(key, async (cursor) => {
      const { row } = await send<Part<T>>(
        "GET",
        `${path}?limit=50${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`,
      );
      return row;
    }),
    one: (id: string) => queryOptions({ queryKey: [...key, id], queryFn: () => send<T>("GET", one(id)) }),
    create: async (row: object) => (await send<T>("POST", path, { body: row })).row,
    change: async (id: string, version: string, patch: object) =>
      (await send<T>("PATCH", one(id), { body: patch, version })).row,
    remove: async (id: string) => {
      await send("DELETE", one(id));
    },
  };
}

export type Resource<T extends ResourceRow> = ReturnType<typeof resource<T>>;
