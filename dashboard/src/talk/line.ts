// The line to a session: messages both ways, and voice. By WebRTC where the server and the network have it, else over its WebSocket.
import { api, body, type Schemas } from "~/api/client";
import type { Message } from "./conversation";
import { bySocket } from "./socket";
import { askMicrophone } from "./voice";
import { byWebRtc } from "./webrtc";

/** typed: no sound. listens: the loudspeaker alone. talks: the microphone too. */
export type Ways = "typed" | "listens" | "talks";

/** The loudspeaker, or the microphone. */
export interface Sound {
  muted: boolean;
  /** How loud it is now, 0 to 1. */
  level(): number;
}

export interface Line {
  /** The session's id, and that of its call. */
  id: string;
  /** What is typed. */
  type: (text: string) => void;
  /** Says goodbye, and closes. */
  end: () => void;
  speaker: Sound | undefined;
  microphone: Sound | undefined;
}

export interface Ears {
  message: (message: Message) => void;
  closed: () => void;
}

/** What a line is made of. */
export interface Opened {
  session: Schemas["SessionMade"];
  context: AudioContext;
  /** The microphone, where it is spoken into. */
  stream: MediaStream | undefined;
}

/** Makes a session with an assistant, and connects to it. */
export async function connect(assistant: string | undefined, ways: Ways, ears: Ears): Promise<Line> {
  // Before anything is waited for: a browser lets a page make sound that was just clicked.
  const context = new AudioContext();
  let stream: MediaStream | undefined;
  const over = () => {
    for (const track of stream?.getTracks() ?? []) track.stop();
    if (context.state !== "closed") void context.close();
  };
  const heard = {
    ...ears,
    closed: () => {
      over();
      ears.closed();
    },
  };
  const session = () =>
    body(api.POST("/api/v1/sessions", { body: assistant === undefined ? {} : { assistant_id: assistant } }));
  try {
    // Who does not give the microphone has no session made.
    if (ways === "talks") stream = await askMicrophone();
    const made = await session();
    if (ways === "typed" || !made.webrtc_url)
      return await bySocket({ session: made, context, stream }, heard, ways === "typed");
    try {
      return await byWebRtc({ session: made, context, stream }, heard);
    } catch {
      // Its token may be used up.
      return await bySocket({ session: await session(), context, stream }, heard, false);
    }
  } catch (error) {
    over();
    throw error;
  }
}
