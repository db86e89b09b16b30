// Talking with an assistant from here, by voice or by typing: a session, which is a call in all but its wire.
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { Bot, Keyboard, Mic, MicOff, PhoneOff } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { useMay } from "~/app/me";
import { AssistantSelect, useAssistantName } from "~/assistants/names";
import { ended } from "~/talk/conversation";
import type { Line, Ways } from "~/talk/line";
import { Meter } from "~/talk/meter";
import { Composer, Said } from "~/talk/said";
import { type Talking, useTalk } from "~/talk/use-talk";
import { Badge, Button, Card, Empty, Failure, Notice, PageHead } from "~/ui/basics";
import { Field } from "~/ui/form";

export default function TalkPage() {
  const { assistant, by } = useSearch({ from: "/talk" });
  const may = useMay("sessions:write");
  const talking = useTalk();
  const nameOf = useAssistantName();
  const begun = useRef(false);
  const { begin } = talking;
  // biome-ignore lint/correctness/useExhaustiveDependencies: once, for who came here by a button that said so
  useEffect(() => {
    // A page that nobody has touched yet may make no sound.
    const asked = by === "typing" || (by === "voice" && navigator.userActivation?.hasBeenActive);
    if (!may || !asked || begun.current) return;
    begun.current = true;
    void begin(assistant, by === "voice" ? "talks" : "typed");
  }, [may, by]);
  return (
    <>
      <PageHead title="Talk">To an assistant, without a telephone. It is on the record as a call is.</PageHead>
      {may ? (
        <div className="stack">
          <Choice talking={talking} chosen={assistant} />
          {talking.problem && <Failure error={talking.problem} />}
          {talking.talk ? (
            <Session talking={talking} assistant={assistant === undefined ? "Assistant" : nameOf(assistant)} />
          ) : (
            <Nobody />
          )}
        </div>
      ) : (
        <Notice tone="warn">Your role may look at sessions, and not begin one.</Notice>
      )}
    </>
  );
}

function Nobody() {
  return (
    <Card flush>
      <Empty icon={Bot} title="Nobody is on the line">
        Choose who is to answer. Talking needs a microphone, which the browser asks you for; typing needs nothing.
      </Empty>
    </Card>
  );
}

function Choice({ talking, chosen }: { talking: Talking; chosen: string | undefined }) {
  const navigate = useNavigate();
  const choose = (name: string) =>
    navigate({ to: "/talk", search: name === "" ? {} : { assistant: name }, replace: true });
  const up = talking.line !== undefined;
  const begin = (ways: Ways) => void talking.begin(chosen, ways);
  return (
    <div className="talk-choice">
      <Field label="Assistant">
        <AssistantSelect
          none="The default one"
          value={chosen ?? ""}
          disabled={up}
          onChange={(event) => void choose(event.target.value)}
        />
      </Field>
      {up ? (
        <Button look="danger" icon={PhoneOff} onClick={talking.end}>
          End
        </Button>
      ) : (
        <>
          <Button look="primary" icon={Mic} busy={talking.busy} onClick={() => begin("talks")}>
            Talk to it
          </Button>
          <Button icon={Keyboard} busy={talking.busy} onClick={() => begin("typed")}>
            Type to it
          </Button>
        </>
      )}
    </div>
  );
}

function Session({ talking, assistant }: { talking: Talking; assistant: string }) {
  const { talk, line, id } = talking;
  const mayRead = useMay("calls:read");
  if (talk === undefined) return null;
  const over = talk.state === "ended" || talk.state === "lost";
  return (
    <Card
      title="Conversation"
      actions={
        over ? (
          <Badge>Over</Badge>
        ) : (
          <Badge live tone="good">
            {talk.state === "open" ? "On the line" : "Connecting"}
          </Badge>
        )
      }
      flush
    >
      {line?.speaker && <Voices line={line} />}
      <Said talk={talk} assistant={assistant} />
      {over ? (
        <div className="inside row apart" role="status">
          <span>{ended(talk.reason)}</span>
          {mayRead && id && (
            <Link to="/calls/$id" params={{ id }}>
              Open the call
            </Link>
          )}
        </div>
      ) : (
        <Composer type={(text) => line?.type(text)} disabled={talk.state !== "open"} />
      )}
      {!over && talk.reason && (
        <p className="inside muted" role="alert">
          {talk.reason}
        </p>
      )}
    </Card>
  );
}

function Voices({ line }: { line: Line }) {
  const [muted, setMuted] = useState(false);
  const { microphone, speaker } = line;
  const toggle = () => {
    if (microphone) microphone.muted = !muted;
    setMuted(!muted);
  };
  return (
    <div className="voices">
      {microphone && <Meter label={muted ? "You (muted)" : "You"} level={() => microphone.level()} />}
      {speaker && <Meter label="The assistant" level={() => speaker.level()} />}
      {microphone && (
        <Button size="small" icon={muted ? MicOff : Mic} aria-pressed={muted} onClick={toggle}>
          {muted ? "Unmute" : "Mute"}
        </Button>
      )}
    </div>
  );
}
