// Fewer samples a second: each is the average of those it stands for. Pure; speech needs no more.

export class Downsampler {
  readonly #step: number;
  #phase = 0;
  #sum = 0;
  #count = 0;

  /** `to` is at most `from`. */
  constructor(from: number, to: number) {
    this.#step = to / from;
  }

  push(samples: Float32Array): number[] {
    const out: number[] = [];
    for (const sample of samples) {
      this.#sum += sample;
      this.#count += 1;
      this.#phase += this.#step;
      if (this.#phase < 1) continue;
      this.#phase -= 1;
      out.push(this.#sum / this.#count);
      this.#sum = 0;
      this.#count = 0;
    }
    return out;
  }
}
