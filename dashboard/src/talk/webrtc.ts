// The line to a session over WebRTC (docs/webrtc.md): voice by the browser's own means, and messages over a data channel.
import { problemOf } from "~/api/problem";
import type { Message } from "./conversation";
import type { Ears, Line, Opened, Sound } from "./line";
import { loudness } from "./pcm";

/** A network that lets no UDP through is found out by then: there is the WebSocket. */
const CONNECTED_MS_MAX = 5_000;
const GOODBYE_MS = 2_000;
const METERED_SAMPLES = 512;

export async function byWebRtc({ session, context, stream }: Opened, ears: Ears): Promise<Line> {
  const peer = new RTCPeerConnection();
  const words = peer.createDataChannel("offhook");
  words.onmessage = ({ data }: MessageEvent<string>) => ears.message(JSON.parse(data) as Message);
  const speaker = new Heard(context, peer);
  const voice = stream?.getAudioTracks()[0];
  if (voice && stream) peer.addTrack(voice, stream);
  else peer.addTransceiver("audio", { direction: "recvonly" });
  try {
    await agree(peer, session);
    await connected(peer);
  } catch (error) {
    peer.close();
    throw error;
  }
  const over = () => {
    peer.close();
    ears.closed();
  };
  words.onclose = over;
  peer.onconnectionstatechange = () => peer.connectionState === "failed" && over();
  const send = (message: object) => words.readyState === "open" && words.send(JSON.stringify(message));
  return {
    id: session.id,
    speaker,
    microphone: voice && stream && new Spoken(context, stream, voice),
    type: (text) => void send({ type: "user-message", text }),
    end: () => {
      speaker.muted = true;
      send({ type: "end-session" });
      setTimeout(over, GOODBYE_MS);
    },
  };
}

async function agree(peer: RTCPeerConnection, session: Opened["session"]): Promise<void> {
  await peer.setLocalDescription(await peer.createOffer());
  const response = await fetch(`/api/v1/sessions/${session.id}/webrtc`, {
    method: "POST",
    headers: { "content-type": "application/sdp", authorization: `Bearer ${session.token}` },
    body: peer.localDescription?.sdp ?? "",
  });
  if (!response.ok) throw await problemOf(response);
  await peer.setRemoteDescription({ type: "answer", sdp: await response.text() });
}

function connected(peer: RTCPeerConnection): Promise<void> {
  return new Promise((done, failed) => {
    const given = setTimeout(() => failed(new Error("WebRTC does not come through.")), CONNECTED_MS_MAX);
    peer.onconnectionstatechange = () => {
      if (peer.connectionState === "connected") done();
      else if (peer.connectionState === "failed") failed(new Error("WebRTC does not come through."));
      else return;
      clearTimeout(given);
    };
  });
}

/** How loud a stream is now. */
function meter(context: AudioContext, stream: MediaStream): () => number {
  const analyser = context.createAnalyser();
  analyser.fftSize = METERED_SAMPLES;
  context.createMediaStreamSource(stream).connect(analyser);
  const samples = new Float32Array(METERED_SAMPLES);
  return () => {
    analyser.getFloatTimeDomainData(samples);
    return loudness(samples);
  };
}

class Heard implements Sound {
  readonly #sound = new Audio();
  #level: (() => number) | undefined;

  constructor(context: AudioContext, peer: RTCPeerConnection) {
    peer.ontrack = ({ track }) => {
      const stream = new MediaStream([track]);
      // Chromium decodes what is played by an element, and nothing else.
      this.#sound.srcObject = stream;
      void this.#sound.play();
      this.#level = meter(context, stream);
    };
  }

  get muted(): boolean {
    return this.#sound.muted;
  }

  set muted(muted: boolean) {
    this.#sound.muted = muted;
  }

  level(): number {
    return this.#level?.() ?? 0;
  }
}

class Spoken implements Sound {
  readonly #track: MediaStreamTrack;
  readonly #level: () => number;

  constructor(context: AudioContext, stream: MediaStream, track: MediaStreamTrack) {
    this.#track = track;
    this.#level = meter(context, stream);
  }

  get muted(): boolean {
    return !this.#track.enabled;
  }

  set muted(muted: boolean) {
    this.#track.enabled = !muted;
  }

  level(): number {
    return this.muted ? 0 : this.#level();
  }
}
