// Answers of routes that not every server has, as far as pages read them. Their pages look at the server's document first.
import { queryOptions } from "@tanstack/react-query";
import { type Schemas, send } from "./client";
import { type Call, listOptions, type Part } from "./queries";

export interface CallFilter {
  status?: string | undefined;
  direction?: string | undefined;
  from?: string | undefined;
  to?: string | undefined;
  assistant?: string | undefined;
}

/** How often a list of calls is read again: it is of what happens now. */
const CALLS_AGAIN_MS = 5_000;
const TRANSCRIPT_AGAIN_MS = 2_000;

export function callsQuery(filter: CallFilter) {
  const list = listOptions<Call>(["calls", "list", filter], async (cursor) => {
    const given = Object.entries({ limit: "50", cursor, ...filter }).filter(([, value]) => value);
    const query = new URLSearchParams(given as [string, string][]);
    return (await send<Part<Call>>("GET", `/api/v1/calls?${query}`)).row;
  });
  return { ...list, refetchInterval: CALLS_AGAIN_MS };
}

/** How a call can be that is up. */
export const CALLS_UP = ["answered", "ringing", "dialing"] as const;

/** Calls that are up in one way: the 200 that began last. */
export const upQuery = (status: (typeof CALLS_UP)[number]) =>
  queryOptions({
    queryKey: ["calls", "list", "up", status],
    queryFn: async () => (await send<Part<Call>>("GET", `/api/v1/calls?limit=200&status=${status}`)).row,
    refetchInterval: CALLS_AGAIN_MS,
  });

/** What was said. Who hears events need not ask again. */
export const transcriptQuery = (id: string, again: boolean) =>
  queryOptions({
    queryKey: ["calls", id, "transcript"],
    queryFn: async () => (await send<Transcript>("GET", `/api/v1/calls/${id}/transcript`)).row,
    refetchInterval: again ? TRANSCRIPT_AGAIN_MS : false,
  });

/** What a call's own answer may have beside what lists have. */
export interface CallMore extends Call {
  engine?: string;
  language?: string | null;
  trunk_id?: string | null;
  turns?: number | null;
  cost_micros?: number | null;
  usage?: Schemas["UsageShown"];
  identity?: Schemas["IdentityShown"] | null;
  quality?: Record<string, unknown> | null;
  recordings?: { state: string; opened_at: string; bytes?: number | null }[];
  analysis?: Analysis | null;
}

export interface Analysis {
  state: string;
  reason?: string | null;
  summary?: string | null;
  sentiment?: string | null;
  success?: boolean | null;
  success_reason?: string | null;
  fields?: Record<string, unknown> | null;
  lead_score?: number | null;
  lead_reasons?: string[];
}

export interface Turn {
  number: number;
  role: string;
  content: string;
  started_at: string;
  heard_ms?: number | null;
}

export interface ToolCall {
  name: string;
  arguments?: string | null;
  started_at: string;
  outcome?: string | null;
  duration_ms?: number | null;
}

export interface Transcript {
  turns: Turn[];
  tool_calls: ToolCall[];
}

export interface Timeline {
  turns: { number: number; at_ms: number; timings: Record<string, unknown> | null }[];
  events: { at_ms: number; kind: string; duration_ms?: number | null; detail?: string | null }[];
}

export interface NodeState {
  name: string;
  version: string;
  uptime_s: number;
  draining: boolean;
  calls: number;
  calls_max: number;
  cpu_busy: number;
  revision: number;
  left_out: { id: string; kind: string; reason: string }[];
  actors: ActorState[];
}

export interface ActorState {
  actor: string;
  restarts: number;
  mailbox_depth: number;
  mailbox_dropped: number;
}

export const nodeQuery = queryOptions({
  queryKey: ["node"],
  queryFn: async () => (await send<NodeState>("GET", "/api/v1/admin/node")).row,
  refetchInterval: 5_000,
});
