// Samples as the socket has them: PCM, 16 bit, little-endian, mono. Pure.

export function toPcm(samples: Float32Array): ArrayBuffer {
  const view = new DataView(new ArrayBuffer(samples.length * 2));
  samples.forEach((sample, place) => {
    view.setInt16(place * 2, Math.round(Math.max(-1, Math.min(1, sample)) * 32_767), true);
  });
  return view.buffer;
}

export function fromPcm(bytes: ArrayBuffer): Float32Array<ArrayBuffer> {
  const view = new DataView(bytes);
  const samples = new Float32Array(bytes.byteLength >> 1);
  for (let place = 0; place < samples.length; place += 1) samples[place] = view.getInt16(place * 2, true) / 32_768;
  return samples;
}

const QUIETEST_DB = -50;

/** How loud it is for an eye: 0 is -50 dBFS and below, 1 is as loud as it can be. */
export function loudness(samples: Float32Array): number {
  if (samples.length === 0) return 0;
  const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
  const decibels = 10 * Math.log10(Math.max(power, 1e-10));
  return Math.max(0, Math.min(1, 1 - decibels / QUIETEST_DB));
}
