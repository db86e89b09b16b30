// A waveform to be drawn: the loudest sample of each column. Pure.

/** The peak of each of `columns` equal pieces, 0 to 1. */
export function peaks(samples: Float32Array, columns: number): Float32Array {
  const found = new Float32Array(columns);
  const width = samples.length / columns;
  for (let column = 0; column < columns; column += 1) {
    const [from, to] = [Math.floor(column * width), Math.floor((column + 1) * width)];
    let peak = 0;
    for (let at = from; at < to; at += 1) peak = Math.max(peak, Math.abs(samples[at] ?? 0));
    found[column] = peak;
  }
  return found;
}
