// What is said and typed in a session, out of the messages of its socket (docs/sessions.md). Pure.

export interface Line {
  key: number;
  who: "user" | "assistant";
  /** Of the assistant: words of one turn belong together. */
  turn?: string | number | null;
  text: string;
  /** False while words are still coming. */
  whole: boolean;
  /** Of an answer that was cut short: how much of it was heard. */
  heardMs?: number;
}

export interface Talk {
  /** ended: the other side has said why. lost: the connection broke. */
  state: "connecting" | "open" | "ended" | "lost";
  lines: Line[];
  /** The user is speaking. */
  speaks: boolean;
  /** Why it ended, or what the client did wrong. */
  reason?: string;
}

export type Message =
  | { type: "connected" }
  | { type: "assistant-message"; turn_id: string | number | null; text: string; audio: AudioPart | null }
  | { type: "transcript"; role: "user" | "assistant"; text: string; final: boolean }
  | { type: "speech-started" | "speech-stopped" }
  | { type: "interrupted"; heard_ms: number }
  | { type: "error"; code: string; message: string }
  | { type: "session-ended"; reason: string };

export interface AudioPart {
  format: string;
  rate: number;
  payload: string;
}

export const SILENT: Talk = { state: "connecting", lines: [], speaks: false };

export function heard(talk: Talk, message: Message): Talk {
  switch (message.type) {
    case "connected":
      return { ...talk, state: "open" };
    case "assistant-message":
      return message.text === "" ? talk : { ...talk, lines: words(talk.lines, message.turn_id, message.text) };
    case "transcript":
      return { ...talk, lines: said(talk.lines, message.role, message.text, message.final) };
    case "speech-started":
      return { ...talk, speaks: true };
    case "speech-stopped":
      return { ...talk, speaks: false };
    case "interrupted":
      return { ...talk, lines: cut(talk.lines, message.heard_ms) };
    case "error":
      return { ...talk, reason: message.message };
    case "session-ended":
      return {
        ...talk,
        state: "ended",
        reason: message.reason,
        lines: talk.lines.map((line) => ({ ...line, whole: true })),
      };
    default:
      return talk;
  }
}

/** The connection is gone; if the server had said why, that stays. */
export function closed(talk: Talk): Talk {
  return talk.state === "ended" ? talk : { ...talk, state: "lost", speaks: false };
}

/** Words that the assistant is about to say. */
function words(lines: Line[], turn: string | number | null, text: string): Line[] {
  const place = lines.findLastIndex((line) => line.who === "assistant" && line.turn === turn && !line.whole);
  const open = lines[place];
  if (open === undefined) return [...lines, { key: lines.length, who: "assistant", turn, text, whole: false }];
  return lines.with(place, { ...open, text: open.text + text });
}

/** What a turn came to takes the place of its words. Turns end in the order in which they began. */
function said(lines: Line[], who: Line["who"], text: string, whole: boolean): Line[] {
  const place = lines.findIndex((line) => line.who === who && !line.whole);
  const open = lines[place];
  if (open === undefined) return text === "" ? lines : [...lines, { key: lines.length, who, text, whole }];
  // An answer of which nothing was heard has no words: those that were to be stay, and are marked.
  const now = whole ? text || open.text : open.text + text;
  return lines.with(place, { ...open, text: now, whole });
}

function cut(lines: Line[], heardMs: number): Line[] {
  const open = lines.findIndex((line) => line.who === "assistant" && !line.whole);
  const place = open >= 0 ? open : lines.findLastIndex((line) => line.who === "assistant");
  const line = lines[place];
  return line === undefined ? lines : lines.with(place, { ...line, heardMs });
}

/** Why a session ended, as people say it. */
export function ended(reason: string | undefined): string {
  const known: Record<string, string> = {
    caller_hangup: "You have ended it.",
    agent_hangup: "The assistant has ended it.",
    operator_hangup: "Somebody has ended it.",
    crashed: "The server has lost it.",
    node_lost: "The server has lost it.",
    drained: "The server is being emptied.",
    caller_silent: "Nobody has said anything for a long time.",
    bridge_ended: "The others have hung up.",
  };
  if (reason === undefined) return "The connection is gone.";
  return known[reason] ?? `It has ended: ${reason.replaceAll("_", " ")}.`;
}
