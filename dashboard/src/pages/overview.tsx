// The first page: whether the node takes calls, and what is still to be done to begin.
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Check } from "lucide-react";
import type { ReactNode } from "react";
import { keysQuery, readinessQuery, usersQuery } from "~/api/queries";
import { isOperator, useMay, useMe } from "~/app/me";
import { Card, CopyButton, Notice, PageHead } from "~/ui/basics";

export default function Overview() {
  const me = useMe();
  const name = me.user?.name.split(" ")[0];
  return (
    <>
      <PageHead title={name ? `Hello, ${name}` : "Overview"} />
      <div className="stack">
        <Ready />
        <FirstSteps />
      </div>
    </>
  );
}

function Ready() {
  const { data, isError } = useQuery(readinessQuery);
  if (isError) {
    return (
      <Notice tone="bad" title="The server does not answer">
        Check that it runs, and its log.
      </Notice>
    );
  }
  if (data === undefined) return <div className="notice">Asking the node whether it takes calls…</div>;
  if (data.ready) return <Notice tone="good">The node is up and takes calls.</Notice>;
  return (
    <Notice tone="warn" title="The node takes no new calls">
      <ul>
        {data.reasons.map((reason) => (
          <li key={reason}>{reason}</li>
        ))}
      </ul>
    </Notice>
  );
}

interface Step {
  title: string;
  done: boolean;
  words: ReactNode;
}

function FirstSteps() {
  const me = useMe();
  const [mayUsers, mayKeys, mayCall] = [useMay("users:read"), useMay("api_keys:read"), useMay("calls:write")];
  const users = useInfiniteQuery({ ...usersQuery, enabled: mayUsers });
  const keys = useInfiniteQuery({ ...keysQuery, enabled: mayKeys });
  const steps: Step[] = [];
  if (isOperator(me) && mayCall) {
    steps.push({ title: "Call the demo assistant", done: false, words: <Softphone /> });
    steps.push({
      title: "Have the assistant call somebody",
      done: false,
      words: (
        <p>
          Over a trunk, or to a SIP address that <code>sip.direct_calls</code> allows.{" "}
          <Link to="/calls">Place a call</Link>
        </p>
      ),
    });
  }
  if (me.user) {
    steps.push({
      title: "Protect your login with a second factor",
      done: me.user.mfa_enabled,
      words: (
        <p>
          Any authenticator on a telephone does. <Link to="/account">Set it up</Link>
        </p>
      ),
    });
  }
  if (mayUsers) {
    steps.push({
      title: "Let your colleagues in",
      done: (users.data?.pages[0]?.data.length ?? 0) > 1,
      words: (
        <p>
          Each with a login and a role of their own. <Link to="/users">Add a user</Link>
        </p>
      ),
    });
  }
  if (mayKeys) {
    steps.push({
      title: "Make a key for your programs",
      done: (keys.data?.pages[0]?.data.length ?? 0) > 0,
      words: (
        <p>
          Everything here is in the <a href="/docs">REST API</a> too. <Link to="/api-keys">Make a key</Link>
        </p>
      ),
    });
  }
  if (steps.length === 0) return null;
  return (
    <Card title="First steps" flush>
      <ol className="steps">
        {steps.map((step, place) => (
          <li key={step.title} className={step.done ? "done" : ""}>
            <span className="mark">{step.done ? <Check size={13} aria-label="Done" /> : place + 1}</span>
            <div className="words">
              <h3>{step.title}</h3>
              {!step.done && step.words}
            </div>
          </li>
        ))}
      </ol>
    </Card>
  );
}

const SIPP = "sipp -sn uac 127.0.0.1:5060 -s demo -i 127.0.0.1 -p 5070 -m 1 -d 5000";

function Softphone() {
  return (
    <>
      <p>
        With a softphone (Linphone, baresip, Zoiper) call <code>sip:demo@{location.hostname}</code>, without
        registering; it greets you and talks. Or one call of five seconds by SIPp, on the server itself:
      </p>
      <div className="secret">
        <code>{SIPP}</code>
        <CopyButton text={SIPP} label="Copy" />
      </div>
    </>
  );
}
