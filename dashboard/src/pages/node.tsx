// The node itself, for the operator: how full it is, what died, and reading its file again or emptying it.
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { RefreshCw, ServerOff } from "lucide-react";
import { useState } from "react";
import { send } from "~/api/client";
import { type ActorState, type NodeState, nodeQuery } from "~/api/later";
import { asProblem, sentence } from "~/api/problem";
import { useMay } from "~/app/me";
import { clock, words } from "~/lib/format";
import { Badge, Button, Card, Failure, Loading, Notice, PageHead } from "~/ui/basics";
import { Confirm } from "~/ui/dialog";
import { type Column, Table } from "~/ui/list";
import { Tile, Tiles } from "~/ui/tiles";
import { say } from "~/ui/toast";

const ACTORS: Column<ActorState>[] = [
  { title: "Actor", cell: (row) => <span className="name">{words(row.actor)}</span> },
  {
    title: "Restarts",
    align: "right",
    cell: (row) =>
      row.restarts > 0 ? <Badge tone="warn">{row.restarts}</Badge> : <span className="muted number">0</span>,
  },
  { title: "Deepest mailbox", align: "right", cell: (row) => <span className="number">{row.mailbox_depth}</span> },
  {
    title: "Messages dropped",
    align: "right",
    cell: (row) =>
      row.mailbox_dropped > 0 ? (
        <Badge tone="bad">{row.mailbox_dropped}</Badge>
      ) : (
        <span className="muted number">0</span>
      ),
  },
];

export default function Node() {
  const may = useMay("node:manage");
  const node = useQuery(nodeQuery);
  return (
    <>
      <PageHead title="Node" actions={may && node.data && <Acts node={node.data} />}>
        {node.data && `${node.data.name}, Offhook ${node.data.version}`}
      </PageHead>
      {node.isPending && <Loading lines={8} />}
      {node.isError && <Failure error={node.error} again={() => node.refetch()} />}
      {node.data && <Shown node={node.data} />}
    </>
  );
}

function Shown({ node }: { node: NodeState }) {
  return (
    <div className="stack">
      {node.draining && (
        <Notice tone="warn" title="The node is being emptied">
          It takes no new calls, lets those that are up end, and ends then.
        </Notice>
      )}
      <Tiles>
        <Tile name="Calls" value={node.calls} of={`of ${node.calls_max}`} />
        <Tile name="Cores busy" value={`${Math.round(node.cpu_busy * 100)} %`} />
        <Tile name="Up for" value={clock(node.uptime_s)} />
        <Tile name="Revision" value={node.revision} />
      </Tiles>
      {node.left_out.length > 0 && (
        <Notice tone="bad" title="Some rows cannot be used, and are left out">
          <ul>
            {node.left_out.map((row) => (
              <li key={row.id}>
                {row.kind} <code>{row.id}</code>: {row.reason}
              </li>
            ))}
          </ul>
        </Notice>
      )}
      <Card
        title="Actors"
        about="A restart is a fault that stayed where it was; dropped messages are a queue that was too short for a moment."
        flush
      >
        <Table label="Actors" columns={ACTORS} rows={node.actors} id={(row) => row.actor} />
      </Card>
    </div>
  );
}

function Acts({ node }: { node: NodeState }) {
  const queries = useQueryClient();
  const [draining, setDraining] = useState(false);
  const [mistakes, setMistakes] = useState<string[]>();
  const shown = () => queries.invalidateQueries({ queryKey: ["node"] });
  const reload = async () => {
    try {
      await send("POST", "/api/v1/admin/reload");
      say("The file was read again. The next call finds it so.");
      await queries.invalidateQueries();
    } catch (error) {
      const problem = asProblem(error);
      if (problem.errors.length === 0) return say(problem.message, "bad");
      setMistakes(problem.errors.map(({ field, reason }) => sentence(`${field} ${reason}`)));
    }
  };
  const drain = async () => {
    await send("POST", "/api/v1/admin/drain");
    await shown();
  };
  return (
    <>
      <Button icon={RefreshCw} onClick={reload}>
        Reload
      </Button>
      <Button icon={ServerOff} disabled={node.draining} onClick={() => setDraining(true)}>
        Drain
      </Button>
      {draining && (
        <Confirm title="Drain this node?" verb="Drain" act={drain} close={() => setDraining(false)}>
          It takes no new calls from now on. The {node.calls} that are up may end by themselves for
          node.drain_timeout_s; then the process ends, and this page with it.
        </Confirm>
      )}
      {mistakes && (
        <Confirm
          title="The file has mistakes"
          verb="I see"
          tone="primary"
          act={() => Promise.resolve()}
          close={() => setMistakes(undefined)}
        >
          Nothing was changed. {mistakes.join(" ")}
        </Confirm>
      )}
    </>
  );
}
