// The line to a session: messages both ways, and voice. Over its WebSocket today; a line over WebRTC has the same outside.
import { api, body } from "~/api/client";
import type { Message } from "./conversation";
import { toPcm } from "./pcm";
import { MICROPHONE_RATE, Microphone, Speaker } from "./voice";

/** typed: no sound. listens: the loudspeaker alone. talks: the microphone too. */
export type Ways = "typed" | "listens" | "talks";

export interface Line {
  /** The session's id, and that of its call. */
  id: string;
  /** What is typed. */
  type: (text: string) => void;
  /** Says goodbye, and closes. */
  end: () => void;
  speaker: Speaker | undefined;
  microphone: Microphone | undefined;
}

const GOODBYE_MS = 2_000;

export interface Ears {
  message: (message: Message) => void;
  closed: () => void;
}

/** Makes a session with an assistant, and connects to it. */
export async function connect(assistant: string | undefined, ways: Ways, ears: Ears): Promise<Line> {
  // Before anything is waited for: a browser lets a page make sound that was just clicked.
  const context = ways === "typed" ? undefined : new AudioContext();
  const speaker = context && new Speaker(context);
  let socket: WebSocket | undefined;
  let microphone: Microphone | undefined;
  const speak = (samples: Float32Array) => {
    if (socket?.readyState !== WebSocket.OPEN) return;
    socket.send(JSON.stringify({ type: "audio", rate: MICROPHONE_RATE, payload: base64(toPcm(samples)) }));
  };
  try {
    // Who does not give the microphone has no session made.
    if (context && ways === "talks") microphone = await Microphone.open(context, speak);
    const wish = assistant === undefined ? {} : { assistant_id: assistant };
    const session = await body(api.POST("/api/v1/sessions", { body: wish }));
    const over = () => {
      microphone?.close();
      void context?.close();
      ears.closed();
    };
    socket = open(session, speaker, { ...ears, closed: over });
    return line(session.id, socket, speaker, microphone);
  } catch (error) {
    microphone?.close();
    void context?.close();
    throw error;
  }
}

function open(session: { id: string; token: string }, speaker: Speaker | undefined, ears: Ears): WebSocket {
  // Where this page is from: the server may know itself by another name.
  const url = new URL(`/api/v1/sessions/${session.id}/ws`, location.href.replace(/^http/, "ws"));
  url.searchParams.set("token", session.token);
  url.searchParams.set("audio", speaker ? "binary" : "none");
  if (speaker) url.searchParams.set("rate", String(speaker.rate));
  const socket = new WebSocket(url);
  socket.binaryType = "arraybuffer";
  socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => {
    if (typeof data !== "string") return speaker?.play(data);
    const message = JSON.parse(data) as Message;
    if (message.type === "interrupted") speaker?.drop();
    ears.message(message);
  };
  socket.onclose = ears.closed;
  return socket;
}

function line(id: string, socket: WebSocket, speaker: Speaker | undefined, microphone: Microphone | undefined): Line {
  const send = (message: object) => socket.readyState === WebSocket.OPEN && socket.send(JSON.stringify(message));
  return {
    id,
    speaker,
    microphone,
    type: (text) => void send({ type: "user-message", text }),
    end: () => {
      speaker?.drop();
      send({ type: "end-session" });
      // The server closes behind its goodbye; one that is gone does not.
      setTimeout(() => socket.close(), GOODBYE_MS);
    },
  };
}

function base64(bytes: ArrayBuffer): string {
  return btoa(String.fromCharCode(...new Uint8Array(bytes)));
}
