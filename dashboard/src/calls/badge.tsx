// How a call stands, in a word.
import type { Call } from "~/api/queries";
import { words } from "~/lib/format";
import { Badge } from "~/ui/basics";

export function StatusBadge({ call }: { call: Pick<Call, "status" | "outcome"> }) {
  if (call.status !== "ended") {
    return (
      <Badge tone={call.status === "answered" ? "good" : "note"} live>
        {call.status === "answered" ? "On the line" : words(call.status)}
      </Badge>
    );
  }
  const good = call.outcome === "completed";
  return <Badge tone={good ? "plain" : "bad"}>{words(call.outcome ?? "ended")}</Badge>;
}

/** sip:ada@example.com: ada@example.com */
export function plain(party: string): string {
  return party.replace(/^sips?:/, "");
}

/** Whom the call is with: who called, or was called. */
export function partyOf(call: Pick<Call, "direction" | "from" | "to" | "leg">): string {
  const party = plain(call.direction === "inbound" ? call.from : call.to);
  return party || (call.leg === "ws" || call.leg === "webrtc" ? "A browser or program" : "Unknown");
}
