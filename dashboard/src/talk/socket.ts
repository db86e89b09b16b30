// The line to a session over its WebSocket (docs/sessions.md): messages as JSON, voice as PCM beside them.
import type { Message } from "./conversation";
import type { Ears, Line, Opened } from "./line";
import { toPcm } from "./pcm";
import { MICROPHONE_RATE, Microphone, Speaker } from "./voice";

const GOODBYE_MS = 2_000;

export async function bySocket({ session, context, stream }: Opened, ears: Ears, silent: boolean): Promise<Line> {
  const speaker = silent ? undefined : new Speaker(context);
  const socket = new WebSocket(address(session, speaker));
  const send = (message: object) => socket.readyState === WebSocket.OPEN && socket.send(JSON.stringify(message));
  const speak = (samples: Float32Array) =>
    void send({ type: "audio", rate: MICROPHONE_RATE, payload: base64(toPcm(samples)) });
  socket.binaryType = "arraybuffer";
  socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => {
    if (typeof data !== "string") return speaker?.play(data);
    const message = JSON.parse(data) as Message;
    if (message.type === "interrupted") speaker?.drop();
    ears.message(message);
  };
  socket.onclose = ears.closed;
  return {
    id: session.id,
    speaker,
    microphone: stream && (await Microphone.open(context, stream, speak)),
    type: (text) => void send({ type: "user-message", text }),
    end: () => {
      speaker?.drop();
      send({ type: "end-session" });
      // The server closes behind its goodbye; one that is gone does not.
      setTimeout(() => socket.close(), GOODBYE_MS);
    },
  };
}

function address(session: { id: string; token: string }, speaker: Speaker | undefined): URL {
  // Where this page is from: the server may know itself by another name.
  const url = new URL(`/api/v1/sessions/${session.id}/ws`, location.href.replace(/^http/, "ws"));
  url.searchParams.set("token", session.token);
  url.searchParams.set("audio", speaker ? "binary" : "none");
  if (speaker) url.searchParams.set("rate", String(speaker.rate));
  return url;
}

function base64(bytes: ArrayBuffer): string {
  return btoa(String.fromCharCode(...new Uint8Array(bytes)));
}
