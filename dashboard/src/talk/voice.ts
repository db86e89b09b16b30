// Ears and mouth of a session: the loudspeaker that plays what comes, and the microphone.
import captureUrl from "./capture?worker&url";
import { fromPcm, loudness } from "./pcm";

/** What pieces of the microphone have. */
export const MICROPHONE_RATE = 16_000;
/** How far ahead it is played, so that a piece that comes late is not heard. */
const AHEAD_S = 0.06;
/** Of the socket's rates, the browser's own: nothing is changed twice. */
const SOCKET_RATES = [48_000, 24_000, 16_000];

export class Speaker {
  readonly #context: AudioContext;
  readonly #playing = new Set<AudioBufferSourceNode>();
  #next = 0;
  #loud = 0;
  #loudUntil = 0;
  /** Nothing is heard while it is muted; it still shows how loud it would be. */
  muted = false;

  constructor(context: AudioContext) {
    this.#context = context;
  }

  /** Samples a second that it wants. */
  get rate(): number {
    return SOCKET_RATES.find((rate) => rate === this.#context.sampleRate) ?? 16_000;
  }

  play(bytes: ArrayBuffer): void {
    const samples = fromPcm(bytes);
    if (samples.length === 0) return;
    const buffer = this.#context.createBuffer(1, samples.length, this.rate);
    buffer.copyToChannel(samples, 0);
    this.#next = Math.max(this.#next, this.#context.currentTime + AHEAD_S);
    this.#loud = loudness(samples);
    this.#loudUntil = this.#next + buffer.duration;
    if (!this.muted) {
      const source = this.#context.createBufferSource();
      source.buffer = buffer;
      source.connect(this.#context.destination);
      source.onended = () => this.#playing.delete(source);
      this.#playing.add(source);
      source.start(this.#next);
    }
    this.#next += buffer.duration;
  }

  /** What has not been played is not to be heard any more. */
  drop(): void {
    for (const source of this.#playing) source.stop();
    this.#playing.clear();
    this.#next = 0;
    this.#loudUntil = 0;
  }

  level(): number {
    return this.#context.currentTime < this.#loudUntil ? this.#loud : 0;
  }
}

export class Microphone {
  readonly #stream: MediaStream;
  #loud = 0;
  muted = false;

  private constructor(stream: MediaStream) {
    this.#stream = stream;
  }

  /** Asks whoever sits there; then gives each piece of 20 ms. */
  static async open(context: AudioContext, piece: (samples: Float32Array) => void): Promise<Microphone> {
    if (navigator.mediaDevices === undefined) {
      throw new Error("A browser lets pages use the microphone over https, or on this machine, and nowhere else.");
    }
    const stream = await asked();
    const microphone = new Microphone(stream);
    await context.audioWorklet.addModule(captureUrl);
    const capture = new AudioWorkletNode(context, "offhook-capture", { numberOfOutputs: 0 });
    capture.port.onmessage = ({ data }: MessageEvent<Float32Array>) => {
      microphone.#loud = microphone.muted ? 0 : loudness(data);
      if (!microphone.muted) piece(data);
    };
    context.createMediaStreamSource(stream).connect(capture);
    return microphone;
  }

  level(): number {
    return this.#loud;
  }

  close(): void {
    for (const track of this.#stream.getTracks()) track.stop();
  }
}

async function asked(): Promise<MediaStream> {
  try {
    return await navigator.mediaDevices.getUserMedia({
      audio: { channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true },
    });
  } catch (error) {
    const name = error instanceof DOMException ? error.name : "";
    if (name === "NotAllowedError") {
      throw new Error("The browser was told not to give this page the microphone. It is at the left of the address.");
    }
    if (name === "NotFoundError") throw new Error("This machine has no microphone.");
    throw error;
  }
}
