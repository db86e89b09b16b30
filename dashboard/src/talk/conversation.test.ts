import { describe, expect, it } from "vitest";
import { closed, ended, heard, type Message, SILENT } from "./conversation";

const told = (...messages: Message[]) => messages.reduce(heard, SILENT);
const lines = (...messages: Message[]) =>
  told(...messages).lines.map((line) => `${line.who}${line.whole ? "" : "…"}: ${line.text}`);
const word = (text: string, turn_id = 1): Message => ({ type: "assistant-message", turn_id, text, audio: null });
const said = (role: "user" | "assistant", text: string, final = true): Message => ({
  type: "transcript",
  role,
  text,
  final,
});

describe("a conversation", () => {
  it("has words as they come", () =>
    expect(lines(word("Good "), word("morning."))).toEqual(["assistant…: Good morning."]));
  it("has what was heard of a turn in the end", () =>
    expect(lines(word("Good morning. How are"), said("assistant", "Good morning."))).toEqual([
      "assistant: Good morning.",
    ]));
  it("keeps each side's words apart", () =>
    expect(lines(word("Hello."), said("user", "Hi", false), said("user", " there", false), word(" You?"))).toEqual([
      "assistant…: Hello. You?",
      "user…: Hi there",
    ]));
  it("has what was typed at once", () => expect(lines(said("user", "Two, please."))).toEqual(["user: Two, please."]));
  it("has a line for each turn, also when the one before is not over", () => {
    const messages = [
      word("Good morning, this"),
      { type: "interrupted", heard_ms: 0 } as const,
      said("user", "Two."),
      word("Two", 2),
      said("assistant", ""),
      word(" it is.", 2),
      said("assistant", "Two it is."),
    ];
    expect(lines(...messages)).toEqual(["assistant: Good morning, this", "user: Two.", "assistant: Two it is."]);
    expect(told(...messages).lines.map((line) => line.heardMs)).toEqual([0, undefined, undefined]);
  });
  it("takes no line for sound", () =>
    expect(
      lines({
        type: "assistant-message",
        turn_id: null,
        text: "",
        audio: { format: "pcm16", rate: 8000, payload: "" },
      }),
    ).toEqual([]));
  it("marks what was cut short", () =>
    expect(told(word("Long"), { type: "interrupted", heard_ms: 340 }).lines[0]?.heardMs).toBe(340));
  it("keeps why it ended when the connection closes behind it", () => {
    const over = closed(told(word("Bye."), { type: "session-ended", reason: "agent_hangup" }));
    expect([over.state, over.lines[0]?.whole, ended(over.reason)]).toEqual([
      "ended",
      true,
      "The assistant has ended it.",
    ]);
  });
  it("that nobody ended was lost", () => expect(closed(told({ type: "connected" })).state).toBe("lost"));
});

it("tells of reasons that it does not know", () => expect(ended("media_timeout")).toBe("It has ended: media timeout."));
