// The first page: how many calls there are and how they go, whether the node takes them, and what is still to be done to begin.
import { useInfiniteQuery, useQueries, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Check } from "lucide-react";
import { lazy, type ReactNode, Suspense, useMemo } from "react";
import { summaryQuery } from "~/api/figures";
import { CALLS_UP, nodeQuery, upQuery } from "~/api/later";
import { keysQuery, readinessQuery, usersQuery } from "~/api/queries";
import { isOperator, useMay, useMe } from "~/app/me";
import { milliseconds } from "~/lib/format";
import { daysBefore, money, percent, today } from "~/lib/spans";
import { Badge, Card, CopyButton, Failure, Notice, PageHead, useNow } from "~/ui/basics";
import { Tile, Tiles } from "~/ui/tiles";

// What draws is as heavy as the rest of the page: the figures are there before it.
const CallsChart = lazy(() => import("~/charts/calls"));
const CHART_PX = 160;

export default function Overview() {
  const me = useMe();
  const mayCalls = useMay("calls:read");
  const name = me.user?.name.split(" ")[0];
  return (
    <>
      <PageHead title={name ? `Hello, ${name}` : "Overview"} />
      <div className="stack">
        <Ready />
        {mayCalls && <Figures />}
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
  if (data.ready) {
    return (
      <Notice tone="good">
        <span>
          The node is up and takes calls. <Busy />
        </span>
      </Notice>
    );
  }
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

/** More of the node, for who may see it. */
function Busy() {
  const may = useMay("node:read");
  const { data } = useQuery({ ...nodeQuery, enabled: may });
  if (data === undefined) return null;
  const restarts = data.actors.reduce((sum, actor) => sum + actor.restarts, 0);
  return (
    <span className="muted">
      Its cores are {percent(data.cpu_busy)} busy
      {restarts > 0 && (
        <>
          ; <Badge tone="warn">{restarts === 1 ? "an actor was restarted" : `${restarts} restarts of actors`}</Badge>
        </>
      )}
      . <Link to="/node">More of it</Link>
    </span>
  );
}

function Figures() {
  const now = useNow(60_000);
  const day = today(now).getTime();
  const since = useMemo(() => new Date(day), [day]);
  const summary = useQuery(summaryQuery(since, "hour"));
  if (summary.isError) return <Failure error={summary.error} again={() => summary.refetch()} />;
  const total = summary.data?.total;
  const gap = total?.response_gap;
  const wait = <span className="muted">…</span>;
  return (
    <>
      <Tiles>
        <Concurrency />
        <Tile name="Calls today" value={total?.calls ?? wait} of={total && `${total.answered} answered`} />
        <Tile
          name="Response gap, p50"
          value={total ? (gap ? milliseconds(gap.p50_ms) : "–") : wait}
          of={total && (gap ? `p95 ${milliseconds(gap.p95_ms)}` : "no answer yet")}
        />
        <Tile
          name="Success"
          value={total ? (total.success_rate == null ? "–" : percent(total.success_rate)) : wait}
          of={total && (total.judged === 0 ? "none was judged" : `of ${total.judged} judged`)}
        />
        <Tile
          name="Cost today"
          value={total ? money(total.cost_micros) : wait}
          of={total && `${total.minutes.toFixed(1)} min`}
        />
      </Tiles>
      <Card
        title="Today"
        actions={
          <Link className="button small" to="/analytics">
            Analytics
          </Link>
        }
      >
        <div className="today">
          {summary.data && (
            <Suspense>
              <CallsChart groups={summary.data.groups} since={since} until={now} step="hour" height={CHART_PX} />
            </Suspense>
          )}
        </div>
      </Card>
    </>
  );
}

/** How many calls are up: the node knows it of all, and everybody else counts their own. */
function Concurrency() {
  const mayNode = useMay("node:read");
  const node = useQuery({ ...nodeQuery, enabled: mayNode });
  const lists = useQueries({ queries: CALLS_UP.map((status) => ({ ...upQuery(status), enabled: !mayNode })) });
  const counted = lists.reduce((sum, list) => sum + (list.data?.data.length ?? 0), 0);
  const known = mayNode ? node.data !== undefined : lists.every((list) => list.data !== undefined);
  const calls = mayNode ? node.data?.calls : counted;
  return (
    <Tile
      name="On the line now"
      value={known ? <Link to="/live">{calls}</Link> : <span className="muted">…</span>}
      of={node.data && `of ${node.data.calls_max}`}
    />
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
  const mayTalk = useMay("sessions:write");
  const ever = useQuery({ ...useEver(), enabled: useMay("calls:read") });
  const called = (ever.data?.total.calls ?? 0) > 0;
  const steps: Step[] = [];
  if (mayTalk) {
    steps.push({
      title: "Talk to an assistant",
      done: called,
      words: (
        <p>
          By voice or by typing, here in the browser. <Link to="/talk">Talk to it</Link>
        </p>
      ),
    });
  }
  if (isOperator(me) && mayCall) {
    steps.push({ title: "Call the demo assistant", done: called, words: <Softphone /> });
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

/** Whether there was a call at all, of late. */
function useEver() {
  const now = useNow(3_600_000);
  return useMemo(() => summaryQuery(daysBefore(now, 30)), [now]);
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
