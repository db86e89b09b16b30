// Webhooks: who is told what happens, and what came of each telling.

import { useQueryClient } from "@tanstack/react-query";
import { Webhook as Icon } from "lucide-react";
import { api, body, type Schemas } from "~/api/client";
import { asProblem } from "~/api/problem";
import { listOptions } from "~/api/queries";
import { useMay } from "~/app/me";
import { type ResourceRow, resource } from "~/resources/api";
import { ResourceList } from "~/resources/page";
import { Badge, Button, Empty, When } from "~/ui/basics";
import { Confirm, Dialog } from "~/ui/dialog";
import { ShownOnce } from "~/ui/form-dialog";
import { type Column, List } from "~/ui/list";
import { say } from "~/ui/toast";

type Webhook = Schemas["Webhook"] & ResourceRow & { secret?: string };
type Delivery = Schemas["Delivery"];

const DELIVERIES_AGAIN_MS = 3_000;

const webhooks = resource<Webhook>("/api/v1/webhooks");

export default function Webhooks() {
  return (
    <ResourceList<Webhook>
      title="Webhooks"
      about="Servers that are told what happens, signed by Standard Webhooks, again and again for a day until they take it."
      one="webhook"
      icon={Icon}
      resource={webhooks}
      permission="webhooks"
      name={(row) => row.url}
      empty="Tell your programs, n8n, or a Slack channel when a call ends or a lead is scored."
      columns={COLUMNS}
      made={(row, close) =>
        row.secret && (
          <ShownOnce
            title="This is its secret"
            about="What it is told is signed with this. It is shown this once."
            letters={row.secret}
            close={close}
          />
        )
      }
      more={(row, close) => [
        { label: "Deliveries", dialog: <Deliveries webhook={row} close={close} /> },
        { label: "Send a test", dialog: <Test webhook={row} close={close} /> },
      ]}
      sections={[
        {
          title: "Webhook",
          fields: [
            {
              name: "url",
              label: "Address",
              kind: "text",
              required: true,
              placeholder: "https://example.com/hooks/offhook",
            },
            {
              name: "kind",
              label: "Kind",
              kind: "choice",
              options: ["standard", "slack"],
              none: "standard",
              onlyNew: true,
            },
            { name: "description", label: "What it is for", kind: "text" },
            {
              name: "events",
              label: "Of what",
              kind: "lines",
              placeholder: "call.ended\nlead.scored",
              hint: "Types, call.* for all of a group; none: all. Each on a line of its own.",
            },
            { name: "lead_threshold", label: "Leads from this score on (Slack)", kind: "number", placeholder: "70" },
            { name: "is_active", label: "Is told", kind: "yes-no", none: "Yes, by default" },
          ],
        },
      ]}
    />
  );
}

const COLUMNS: Column<Webhook>[] = [
  {
    title: "Where",
    cell: (row) => (
      <div>
        <span className="name wrap-anywhere">{row.url}</span>
        {row.description && <div className="muted small">{row.description}</div>}
      </div>
    ),
  },
  {
    title: "Of what",
    cell: (row) => (row.events.length === 0 ? "all" : <span className="mono">{row.events.join(", ")}</span>),
  },
  {
    title: "State",
    cell: (row) =>
      row.is_active ? <Badge tone="good">Is told</Badge> : <Badge tone="warn">{row.disabled_reason ?? "Off"}</Badge>,
  },
  { title: "Changed", cell: (row) => <When at={row.updated_at} /> },
];

function Test({ webhook, close }: { webhook: Webhook; close: () => void }) {
  const act = async () => {
    await body(api.POST("/api/v1/webhooks/{id}/test", { params: { path: { id: webhook.id } } }));
    say("It is on its way. What came of it is among the deliveries.");
  };
  return (
    <Confirm title="Send a test?" verb="Send it" tone="primary" act={act} close={close}>
      {webhook.url} is told of an event of the type <code>webhook.test</code>.
    </Confirm>
  );
}

function Deliveries({ webhook, close }: { webhook: Webhook; close: () => void }) {
  const may = useMay("webhooks:write");
  const queries = useQueryClient();
  const path = { id: webhook.id };
  const key = ["webhooks", webhook.id, "deliveries"];
  const list = listOptions<Delivery>(key, (cursor) =>
    body(api.GET("/api/v1/webhooks/{id}/deliveries", { params: { path, query: { limit: 50, cursor } } })),
  );
  // Tries come by themselves, and no event tells of them.
  const query = { ...list, refetchInterval: DELIVERIES_AGAIN_MS };
  const again = async (delivery: Delivery) => {
    try {
      await body(api.POST("/api/v1/deliveries/{id}/redeliver", { params: { path: { id: delivery.id } } }));
      await queries.invalidateQueries({ queryKey: key });
      say("It is on its way again.");
    } catch (error) {
      say(asProblem(error).message, "bad");
    }
  };
  const columns: Column<Delivery>[] = [
    {
      title: "Event",
      cell: (row) => (
        <details>
          <summary className="name">{row.type}</summary>
          <pre className="code-block">{JSON.stringify(row.body, null, 2)}</pre>
          {row.response_body && <pre className="code-block">{row.response_body}</pre>}
        </details>
      ),
    },
    {
      title: "State",
      cell: (row) => (
        <Badge tone={row.state === "delivered" ? "good" : row.state === "dead" ? "bad" : "note"}>
          {row.state} {row.response_status ?? ""}
        </Badge>
      ),
    },
    { title: "Why not", cell: (row) => <span className="wrap-anywhere">{row.error ?? "–"}</span> },
    { title: "Tries", align: "right", cell: (row) => <span className="number">{row.attempts}</span> },
    { title: "When", cell: (row) => <When at={row.created_at} /> },
  ];
  return (
    <Dialog wide title="Deliveries" about={webhook.url} close={close}>
      <List
        query={query}
        label="Deliveries"
        columns={columns}
        id={(row) => row.id}
        actions={(row) =>
          may && row.state !== "pending" ? (
            <Button size="small" look="quiet" onClick={() => void again(row)}>
              Again
            </Button>
          ) : null
        }
        empty={<Empty icon={Icon} title="It was told nothing yet" />}
      />
    </Dialog>
  );
}
