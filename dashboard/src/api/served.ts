// Which routes the server of today has: its own document says so. A page that lives from one it does not have is not shown.
import { queryOptions, useSuspenseQuery } from "@tanstack/react-query";
import { problemOf } from "./problem";

/** GET /api/v1/users */
export type Served = ReadonlySet<string>;

const servedQuery = queryOptions({
  queryKey: ["served"],
  queryFn: async (): Promise<Served> => {
    const response = await fetch("/api/openapi.json");
    if (!response.ok) throw await problemOf(response);
    const document = (await response.json()) as { paths: Record<string, Record<string, unknown>> };
    const routes = Object.entries(document.paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
    );
    return new Set(routes);
  },
  staleTime: Number.POSITIVE_INFINITY,
});

export function useServed(): Served {
  return useSuspenseQuery(servedQuery).data;
}
