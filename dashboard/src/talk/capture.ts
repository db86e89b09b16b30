// The microphone's side of the audio thread: takes what it hears, and hands it on in pieces of 20 ms.
import { Downsampler } from "./downsample";

// The audio thread has its own names, which the page's types do not know.
declare const sampleRate: number;
declare class AudioWorkletProcessor {
  readonly port: MessagePort;
}
declare function registerProcessor(name: string, processor: new () => AudioWorkletProcessor): void;

const RATE = 16_000;
const PIECE = RATE / 50;

class Capture extends AudioWorkletProcessor {
  readonly #down = new Downsampler(sampleRate, Math.min(RATE, sampleRate));
  #waiting: number[] = [];

  process(inputs: Float32Array[][]): boolean {
    const heard = inputs[0]?.[0];
    if (heard === undefined) return true;
    this.#waiting.push(...this.#down.push(heard));
    while (this.#waiting.length >= PIECE) {
      this.port.postMessage(new Float32Array(this.#waiting.splice(0, PIECE)));
    }
    return true;
  }
}

registerProcessor("offhook-capture", Capture);
