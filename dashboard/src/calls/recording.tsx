// The recording of a call: both sides drawn, played, and jumped about in by mouse and by keys.
import { useQuery } from "@tanstack/react-query";
import { Download, Pause, Play } from "lucide-react";
import { type RefObject, useEffect, useRef, useState } from "react";
import { download, file } from "~/api/client";
import { asProblem } from "~/api/problem";
import { clock } from "~/lib/format";
import { peaks } from "~/lib/waveform";
import { Button, Failure, Loading } from "~/ui/basics";
import { say } from "~/ui/toast";

/** Longer ones are not drawn: all of it is in memory for that. 34 minutes of both sides at 8 kHz. */
const DRAWN_BYTES_MAX = 64 * 1024 * 1024;
const COLUMNS = 600;

interface Drawn {
  url: string;
  seconds: number;
  caller: Float32Array;
  agent: Float32Array;
}

async function read(path: string, signal: AbortSignal): Promise<Drawn> {
  const blob = await file(path, signal);
  const audio = new OfflineAudioContext(2, 1, 8_000);
  const decoded = await audio.decodeAudioData(await blob.arrayBuffer());
  const side = (channel: number) =>
    peaks(decoded.getChannelData(Math.min(channel, decoded.numberOfChannels - 1)), COLUMNS);
  return { url: URL.createObjectURL(blob), seconds: decoded.duration, caller: side(0), agent: side(1) };
}

export interface Player {
  audio: RefObject<HTMLAudioElement | null>;
  position: number;
  setPosition: (seconds: number) => void;
}

export function usePlayer(): Player {
  const audio = useRef<HTMLAudioElement>(null);
  const [position, setPosition] = useState(0);
  return { audio, position, setPosition };
}

/** Jumps there, and plays from there. */
export function playFrom(player: Player, seconds: number): void {
  const audio = player.audio.current;
  if (!audio) return;
  audio.currentTime = seconds;
  player.setPosition(seconds);
  void audio.play();
}

/** Something that happened, in seconds from the beginning. */
export interface Mark {
  at: number;
  label: string;
}

export function Recording({ id, bytes, player, marks }: { id: string; bytes: number; player: Player; marks: Mark[] }) {
  const path = `/api/v1/calls/${id}/recording`;
  const short = bytes <= DRAWN_BYTES_MAX;
  const recording = useQuery({
    queryKey: ["recording", id],
    queryFn: ({ signal }) => read(path, signal),
    enabled: short,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
  });
  useEffect(() => () => void (recording.data && URL.revokeObjectURL(recording.data.url)), [recording.data]);
  const save = () => download(path, `${id}.wav`).catch((error) => say(asProblem(error).message, "bad"));
  return (
    <div className="recording">
      {!short && <p className="muted">It is too long to be drawn here.</p>}
      {short && recording.isPending && <Loading lines={3} />}
      {recording.isError && <Failure error={recording.error} again={() => recording.refetch()} />}
      {recording.data && <Playing drawn={recording.data} player={player} marks={marks} />}
      <div className="row">
        <Button size="small" icon={Download} onClick={save}>
          Save as WAV
        </Button>
        <span className="muted small">
          Above the caller, below the agent{marks.length > 0 && "; red where the caller cut in"}
        </span>
      </div>
    </div>
  );
}

function Playing({ drawn, player, marks }: { drawn: Drawn; player: Player; marks: Mark[] }) {
  const [plays, setPlays] = useState(false);
  const { audio, position, setPosition } = player;
  const toggle = () => {
    if (plays) audio.current?.pause();
    else void audio.current?.play();
  };
  const seek = (seconds: number) => {
    if (audio.current) audio.current.currentTime = seconds;
    setPosition(seconds);
  };
  return (
    <div className="player">
      <Button look="primary" icon={plays ? Pause : Play} aria-label={plays ? "Pause" : "Play"} onClick={toggle} />
      <div className="wave">
        <Wave drawn={drawn} position={position} />
        {marks.map((mark) => (
          <span
            key={mark.at}
            className="cut"
            role="img"
            aria-label={mark.label}
            title={mark.label}
            style={{ left: `${(100 * mark.at) / Math.max(drawn.seconds, 0.001)}%` }}
          />
        ))}
        <input
          type="range"
          aria-label="Where in the recording"
          aria-valuetext={`${clock(position)} of ${clock(drawn.seconds)}`}
          min={0}
          max={drawn.seconds}
          step={0.1}
          value={position}
          onChange={(event) => seek(Number(event.target.value))}
        />
      </div>
      <span className="number small">
        {clock(position)} / {clock(drawn.seconds)}
      </span>
      {/* biome-ignore lint/a11y/useMediaCaption: the transcript beside it is its caption */}
      <audio
        ref={audio}
        src={drawn.url}
        onTimeUpdate={(event) => setPosition(event.currentTarget.currentTime)}
        onPlay={() => setPlays(true)}
        onPause={() => setPlays(false)}
      />
    </div>
  );
}

function Wave({ drawn, position }: { drawn: Drawn; position: number }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const heard = Math.round((position / Math.max(drawn.seconds, 0.001)) * COLUMNS);
  useEffect(() => {
    const place = canvas.current;
    const brush = place?.getContext("2d");
    if (!place || !brush) return;
    const style = getComputedStyle(place);
    const [played, waiting] = [style.getPropertyValue("--accent"), style.getPropertyValue("--line-strong")];
    brush.clearRect(0, 0, place.width, place.height);
    const middle = place.height / 2;
    for (let column = 0; column < COLUMNS; column += 1) {
      brush.fillStyle = column < heard ? resolved(place, played) : resolved(place, waiting);
      const [up, down] = [drawn.caller[column] ?? 0, drawn.agent[column] ?? 0];
      brush.fillRect(column * 2, middle - 2 - up * (middle - 3), 1.5, Math.max(1, up * (middle - 3)));
      brush.fillRect(column * 2, middle + 2, 1.5, Math.max(1, down * (middle - 3)));
    }
  }, [drawn, heard]);
  return <canvas ref={canvas} width={COLUMNS * 2} height={96} aria-hidden />;
}

/** light-dark() is for style sheets; a canvas wants the colour that comes of it. */
function resolved(place: HTMLElement, colour: string): string {
  place.style.color = colour;
  return getComputedStyle(place).color;
}
