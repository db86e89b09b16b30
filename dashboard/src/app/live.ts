// What happens on the server, as it happens: each event has what it touches read again, and is told to whoever listens.
import { type QueryClient, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { stream } from "~/api/client";
import { useServed } from "~/api/served";
import { EventReader, type ServerEvent } from "~/lib/sse";
import { type Key, touches } from "~/lib/touches";
import { useMay } from "./me";

const AGAIN_MS_MIN = 2_000;
const AGAIN_MS_MAX = 60_000;
/** What many events touch is read again once in this time. */
const GATHER_MS = 500;
/** Figures of many calls cost the database more. */
const GATHER_FIGURES_MS = 5_000;

export interface Happened {
  type: string;
  data: Record<string, unknown>;
}

const listeners = new Set<(event: Happened) => void>();

/** Hears each event while the page is there. */
export function useHappened(listener: (event: Happened) => void): void {
  const latest = useRef(listener);
  latest.current = listener;
  useEffect(() => {
    const hear = (event: Happened) => latest.current(event);
    listeners.add(hear);
    return () => void listeners.delete(hear);
  }, []);
}

export function useLive(): void {
  const queries = useQueryClient();
  const served = useServed();
  const may = useMay("events:read") && served.has("GET /api/v1/events");
  useEffect(() => {
    if (!may) return;
    const stop = new AbortController();
    const gather = gatherer(queries);
    void listen(gather, stop.signal);
    return () => stop.abort();
  }, [queries, may]);
}

async function listen(gather: (key: Key) => void, signal: AbortSignal): Promise<void> {
  let last: string | undefined;
  let wait = AGAIN_MS_MIN;
  while (!signal.aborted) {
    try {
      const pieces = stream("/api/v1/events", last, signal);
      const events = new EventReader();
      for await (const piece of pieces) {
        wait = AGAIN_MS_MIN;
        for (const event of events.read(piece)) {
          last = event.id ?? last;
          tell(event, gather);
        }
      }
    } catch {
      // The server is away, or the login is over: then it is signed out by what asks next.
      wait = Math.min(wait * 2, AGAIN_MS_MAX);
    }
    await new Promise((done) => setTimeout(done, wait));
  }
}

function tell(event: ServerEvent, gather: (key: Key) => void): void {
  const data = dataOf(event.data);
  const id = typeof data.call_id === "string" ? data.call_id : undefined;
  for (const key of touches(event.type, id)) gather(key);
  for (const listener of listeners) listener({ type: event.type, data });
}

function dataOf(text: string): Record<string, unknown> {
  try {
    const { data } = JSON.parse(text) as { data?: Record<string, unknown> };
    return data ?? {};
  } catch {
    return {};
  }
}

/** A busy server has more events than anybody can look at. */
function gatherer(queries: QueryClient): (key: Key) => void {
  const waiting = new Map<string, Key>();
  return (key) => {
    const name = key.join("/");
    if (waiting.has(name)) return;
    waiting.set(name, key);
    const read = () => {
      waiting.delete(name);
      void queries.invalidateQueries({ queryKey: key });
    };
    setTimeout(read, key[0] === "analytics" ? GATHER_FIGURES_MS : GATHER_MS);
  };
}
