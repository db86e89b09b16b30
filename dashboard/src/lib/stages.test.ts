import { expect, it } from "vitest";
import { stagesOf } from "./stages";

const told = (timings: Record<string, unknown>) =>
  stagesOf(timings)
    .map((stage) => `${stage.name} ${stage.ms}`)
    .join(", ");

it("has the engine whole where nobody divided it", () => {
  expect(told({ endpointing_ms: 600, engine_ms: 312, sendout_ms: 7, response_gap_ms: 919 })).toBe(
    "End of turn 600, Engine 312, Sending out 7",
  );
});

it("has the stages of a cascade instead", () => {
  expect(
    told({
      endpointing_ms: 400,
      engine_ms: 500,
      transcript_ms: 100,
      first_token_ms: 250,
      first_audio_ms: 150,
      sendout_ms: 0,
    }),
  ).toBe("End of turn 400, Transcript 100, Model 250, Speech 150");
});

it("is empty of nothing", () => expect(told({})).toBe(""));
