// The stages of an answer, out of what was measured of it. Pure.

export interface Stage {
  kind: "turn" | "words" | "model" | "speech" | "engine" | "out";
  name: string;
  ms: number;
}

/**
 * endpointing, engine and sendout are the gap; of a cascade the engine's part is divided: what was written down, the first word of the
 * model, the first sound of the voice.
 */
export function stagesOf(timings: Record<string, unknown>): Stage[] {
  const of = (name: string) => (typeof timings[name] === "number" ? Math.max(0, timings[name] as number) : undefined);
  const stages: Stage[] = [];
  const add = (kind: Stage["kind"], name: string, ms: number | undefined) => {
    if (ms !== undefined && ms > 0) stages.push({ kind, name, ms });
  };
  add("turn", "End of turn", of("endpointing_ms"));
  const [words, token, audio] = [of("transcript_ms"), of("first_token_ms"), of("first_audio_ms")];
  if (words !== undefined || token !== undefined || audio !== undefined) {
    add("words", "Transcript", words);
    add("model", "Model", token);
    add("speech", "Speech", audio);
  } else {
    add("engine", "Engine", of("engine_ms"));
  }
  add("out", "Sending out", of("sendout_ms"));
  return stages;
}
