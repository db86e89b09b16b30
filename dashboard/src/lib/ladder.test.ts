import { describe, expect, it } from "vitest";
import type { SipMessage } from "~/api/queries";
import { ladderOf } from "./ladder";

const message = (
  seconds: number,
  direction: "sent" | "received",
  summary: string,
  peer = "10.0.0.1:5060",
): SipMessage => {
  const here = "10.0.0.9:5060";
  const [from, to] = direction === "sent" ? [here, peer] : [peer, here];
  const at = new Date(Date.UTC(2026, 10, 22) + seconds * 1000).toISOString();
  return {
    at,
    direction,
    transport: "udp",
    from,
    to,
    summary,
    text: `${summary}\r\nContent-Type: application/sdp\r\n`,
  };
};

const drawn = (messages: SipMessage[]) =>
  ladderOf(messages).rungs.map((rung) => `${rung.after} ${rung.from}>${rung.to} ${rung.label} ${rung.kind}`);

describe("a ladder", () => {
  it("is empty of nothing", () => expect(ladderOf([])).toEqual({ columns: [], rungs: [] }));

  it("has who calls on the left and us on the right", () => {
    const messages = [
      message(0, "received", "INVITE sip:demo@10.0.0.9 SIP/2.0"),
      message(0.01, "sent", "SIP/2.0 180 Ringing"),
      message(0.5, "sent", "SIP/2.0 200 OK"),
      message(0.6, "received", "ACK sip:demo@10.0.0.9 SIP/2.0"),
    ];
    expect(ladderOf(messages).columns).toEqual(["10.0.0.1:5060", "10.0.0.9:5060"]);
    expect(drawn(messages)).toEqual([
      "0 0>1 INVITE request",
      "10 1>0 180 Ringing provisional",
      "500 1>0 200 OK success",
      "600 0>1 ACK request",
    ]);
  });

  it("puts further peers to our right", () => {
    const messages = [
      message(0, "sent", "INVITE sip:b@x SIP/2.0"),
      message(1, "received", "SIP/2.0 302 Moved"),
      message(2, "sent", "INVITE sip:c@y SIP/2.0", "10.0.0.2:5060"),
    ];
    expect(ladderOf(messages).columns).toHaveLength(3);
    expect(drawn(messages)).toEqual(["0 1>0 INVITE request", "1000 0>1 302 Moved failure", "2000 1>2 INVITE request"]);
  });
});
