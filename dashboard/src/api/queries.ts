// What pages read, each with one key, so that a change says what is to be read again.
import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";
import { api, body, type Schemas } from "./client";

export type Me = Schemas["Me"];
export type User = Schemas["UserShown"];
export type ApiKey = Schemas["ApiKeyShown"];
export type Organization = Schemas["OrganizationShown"];
export type AuditEntry = Schemas["AuditShown"];
export type Login = Schemas["LoginShown"];
export type Call = Schemas["CallShown"];
export type Role = Schemas["RoleShown"];

/** Rows of a part of a list. */
const PART = 50;

export interface Part<T> {
  data: T[];
  next_cursor?: string | null;
}

/** A list that is read part by part. */
export function listOptions<T>(key: readonly unknown[], read: (cursor: string | undefined) => Promise<Part<T>>) {
  return infiniteQueryOptions({
    queryKey: key,
    queryFn: ({ pageParam }) => read(pageParam),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next_cursor ?? undefined,
    placeholderData: keepPreviousData,
  });
}

const part = (cursor: string | undefined) => ({ params: { query: { limit: PART, cursor } } });

export const meQuery = queryOptions({
  queryKey: ["me"],
  queryFn: () => body(api.GET("/api/v1/me")),
  staleTime: 60_000,
});
export const usersQuery = listOptions(["users"], (cursor) => body(api.GET("/api/v1/users", part(cursor))));
export const keysQuery = listOptions(["api-keys"], (cursor) => body(api.GET("/api/v1/api-keys", part(cursor))));
export const organizationsQuery = listOptions(["organizations"], (cursor) =>
  body(api.GET("/api/v1/organizations", part(cursor))),
);
export const auditQuery = listOptions(["audit-log"], (cursor) => body(api.GET("/api/v1/audit-log", part(cursor))));
export const loginsQuery = listOptions(["logins"], (cursor) => body(api.GET("/api/v1/auth/sessions", part(cursor))));

export const callQuery = (id: string) =>
  queryOptions({
    queryKey: ["calls", id],
    queryFn: () => body(api.GET("/api/v1/calls/{id}", { params: { path: { id } } })),
    // A call that is up changes by the second.
    refetchInterval: ({ state }) => (state.data === undefined || state.data.status === "ended" ? false : 2_000),
  });

export interface SipMessage {
  at: string;
  direction: "sent" | "received";
  transport: string;
  from: string;
  to: string;
  summary: string;
  text: string;
}

export interface SipMessages {
  data: SipMessage[];
  left_out: number;
}

export const ladderQuery = (id: string) =>
  queryOptions({
    queryKey: ["calls", id, "sip"],
    queryFn: async () =>
      (await body(api.GET("/api/v1/calls/{id}/sip", { params: { path: { id } } }))) as unknown as SipMessages,
    retry: 2,
    staleTime: 60_000,
  });

export interface Readiness {
  ready: boolean;
  reasons: string[];
}

export const readinessQuery = queryOptions({
  queryKey: ["readiness"],
  queryFn: async (): Promise<Readiness> => (await fetch("/readyz")).json(),
  refetchInterval: 10_000,
});
