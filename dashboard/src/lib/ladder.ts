// A ladder out of SIP messages: who stands where, and what goes from whom to whom. Pure.
import type { SipMessage } from "~/api/queries";

export interface Rung {
  /** Milliseconds after the first message. */
  after: number;
  /** Columns, from the left. */
  from: number;
  to: number;
  /** INVITE, or 180 Ringing. */
  label: string;
  kind: "request" | "provisional" | "success" | "failure";
  /** Bodies of SDP are worth a word. */
  sdp: boolean;
  message: SipMessage;
}

export interface Ladder {
  /** Addresses; ours is the second of two, since calls come from the left. */
  columns: string[];
  rungs: Rung[];
}

export function ladderOf(messages: SipMessage[]): Ladder {
  const first = messages[0];
  if (first === undefined) return { columns: [], rungs: [] };
  // Ours is whatever sends what is sent and receives what is received; peers stand in the order in which they appear.
  const ours = new Set(messages.map((message) => (message.direction === "sent" ? message.from : message.to)));
  const peers = unique(messages.map((message) => (message.direction === "sent" ? message.to : message.from)));
  const here = [...ours][0] ?? "";
  const columns = [...peers.slice(0, 1), here, ...peers.slice(1)];
  const column = (address: string) => Math.max(0, columns.indexOf(ours.has(address) ? here : address));
  const start = new Date(first.at).getTime();
  const rungs = messages.map((message): Rung => {
    const { label, kind } = read(message.summary);
    return {
      after: new Date(message.at).getTime() - start,
      from: column(message.from),
      to: column(message.to),
      label,
      kind,
      sdp: /^content-type:\s*application\/sdp|^c:\s*application\/sdp/im.test(message.text),
      message,
    };
  });
  return { columns, rungs };
}

/** The first line of a message: what it is in a word. */
function read(line: string): { label: string; kind: Rung["kind"] } {
  const status = /^SIP\/2\.0 (\d{3}) ?(.*)$/.exec(line.trim());
  if (status === null) return { label: line.split(" ")[0] ?? line, kind: "request" };
  const code = Number(status[1]);
  const kind = code < 200 ? "provisional" : code < 300 ? "success" : "failure";
  return { label: `${code} ${status[2] ?? ""}`.trim(), kind };
}

function unique(values: string[]): string[] {
  return [...new Set(values)];
}
