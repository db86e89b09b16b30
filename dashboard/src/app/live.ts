// What happens on the server, as it happens: each event has what it touches read again.
import { type QueryClient, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { stream } from "~/api/client";
import { useServed } from "~/api/served";
import { EventReader, type ServerEvent } from "~/lib/sse";
import { useMay } from "./me";

const AGAIN_MS_MIN = 2_000;
const AGAIN_MS_MAX = 60_000;

/** Which lists an event touches, by the first part of its type. */
const TOUCHES: Record<string, string[]> = {
  call: ["calls", "analytics", "node"],
  turn: ["calls"],
  tool: ["calls"],
  recording: ["calls"],
  lead: ["leads"],
  session: ["sessions"],
  node: ["node"],
};

export function useLive(): void {
  const queries = useQueryClient();
  const served = useServed();
  const may = useMay("events:read") && served.has("GET /api/v1/events");
  useEffect(() => {
    if (!may) return;
    const stop = new AbortController();
    void listen(queries, stop.signal);
    return () => stop.abort();
  }, [queries, may]);
}

async function listen(queries: QueryClient, signal: AbortSignal): Promise<void> {
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
          touch(queries, event);
        }
      }
    } catch {
      // The server is away, or the login is over: then it is signed out by what asks next.
      wait = Math.min(wait * 2, AGAIN_MS_MAX);
    }
    await new Promise((done) => setTimeout(done, wait));
  }
}

function touch(queries: QueryClient, event: ServerEvent): void {
  for (const key of TOUCHES[event.type.split(".")[0] ?? ""] ?? []) void queries.invalidateQueries({ queryKey: [key] });
}
