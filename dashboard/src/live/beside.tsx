// Beside a call that is up: one listens in, whispers to its party, or takes over, with the microphone and loudspeaker of this machine.
// This is a session of its own, which is brought into the call's conference; its own assistant leaves.
import { Ear, PhoneOff } from "lucide-react";
import { createContext, type ReactNode, useContext, useState } from "react";
import { asProblem } from "~/api/problem";
import type { Call } from "~/api/queries";
import { act } from "~/calls/acts";
import { plain } from "~/calls/badge";
import type { Line } from "~/talk/line";
import { Meter } from "~/talk/meter";
import { useTalk } from "~/talk/use-talk";
import { Badge, Button, Failure } from "~/ui/basics";
import { say } from "~/ui/toast";

export type Part = "listens_in" | "whispers" | "talks";

const DOES: Record<Part, string> = {
  listens_in: "You are listening to",
  whispers: "You whisper to the party of",
  talks: "You are talking with",
};

interface Beside {
  /** Which call one is with. */
  with: string | undefined;
  /** The session that one is there by: it is a call of its own, and no caller. */
  own: ReadonlySet<string>;
  join: (call: Call, part: Part) => Promise<void>;
}

const Context = createContext<Beside>({ with: undefined, own: new Set(), join: async () => undefined });

export const useBeside = (): Beside => useContext(Context);

export function BesideCalls({ children }: { children: ReactNode }) {
  const talking = useTalk();
  const [there, setThere] = useState<{ call: Call; part: Part }>();
  const [own, setOwn] = useState<ReadonlySet<string>>(new Set());
  const up = there !== undefined && talking.line !== undefined;
  const join = async (call: Call, part: Part) => {
    const line = await talking.begin(call.assistant_id, part === "listens_in" ? "listens" : "talks");
    if (line === undefined) return;
    setOwn((before) => new Set([...before, line.id]));
    setThere({ call, part });
    await bring(line, call, part, talking.end);
  };
  return (
    <Context value={{ with: up ? there.call.id : undefined, own, join }}>
      {talking.problem && <Failure error={talking.problem} />}
      {up && <Bar call={there.call} part={there.part} line={talking.line} end={talking.end} />}
      {children}
    </Context>
  );
}

const TRIES = 20;
const TRY_AGAIN_MS = 250;

/** Its own assistant is not to be heard before that. A session is a call as soon as its socket is open, which takes a moment. */
async function bring(line: Line, call: Call, part: Part, end: () => void): Promise<void> {
  if (line.speaker) line.speaker.muted = true;
  for (let tries = 1; ; tries += 1) {
    try {
      await act(line.id, { action: "join", call_id: call.id, part });
      if (line.speaker) line.speaker.muted = false;
      return;
    } catch (error) {
      const problem = asProblem(error);
      const early = [404, 409].includes(problem.status) && tries < TRIES;
      if (!early) {
        say(problem.message, "bad");
        return end();
      }
      await new Promise((done) => setTimeout(done, TRY_AGAIN_MS));
    }
  }
}

function Bar({ call, part, line, end }: { call: Call; part: Part; line: Line | undefined; end: () => void }) {
  if (line === undefined) return null;
  const { speaker, microphone } = line;
  return (
    <section className="card beside" aria-label="You are on the line">
      <div className="row">
        <Badge tone="good" live>
          {DOES[part]} {plain(call.direction === "inbound" ? call.from : call.to) || "unknown"}
        </Badge>
      </div>
      <div className="voices">
        {speaker && <Meter label="The call" level={() => speaker.level()} />}
        {microphone && <Meter label="You" level={() => microphone.level()} />}
        <Button look="danger" size="small" icon={part === "listens_in" ? Ear : PhoneOff} onClick={end}>
          {part === "listens_in" ? "Stop listening" : "Leave"}
        </Button>
      </div>
    </section>
  );
}
