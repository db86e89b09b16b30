// HTTP tools: what a model may ask of others, with a try.

import { Wrench } from "lucide-react";
import { useState } from "react";
import { useForm } from "react-hook-form";
import { send } from "~/api/client";
import { milliseconds } from "~/lib/format";
import { type ResourceRow, resource } from "~/resources/api";
import { ResourceList, Source } from "~/resources/page";
import { Badge } from "~/ui/basics";
import { Field, useSend, wrongOf } from "~/ui/form";
import { FormDialog } from "~/ui/form-dialog";

interface Tool extends ResourceRow {
  name?: string | null;
  description?: string | null;
  method?: string | null;
  url?: string | null;
}

const tools = resource<Tool>("/api/v1/tools");

export default function Tools() {
  return (
    <ResourceList<Tool>
      title="Tools"
      about="HTTP requests that a model may make in a call. An assistant names those it has."
      one="tool"
      icon={Wrench}
      resource={tools}
      permission="tools"
      name={(row) => row.name ?? row.id}
      empty="Give a model a way to look up an order, or to book a table."
      columns={[
        {
          title: "Name",
          cell: (row) => (
            <div>
              <span className="name mono">{row.name}</span> <Source row={row} />
              <div className="muted small">{row.description}</div>
            </div>
          ),
        },
        {
          title: "Request",
          cell: (row) => (
            <span className="mono wrap-anywhere">
              {(row.method ?? "get").toUpperCase()} {row.url}
            </span>
          ),
        },
      ]}
      more={(row, close) => [{ label: "Try it", dialog: <Try tool={row} close={close} /> }]}
      sections={[
        {
          title: "Request",
          fields: [
            { name: "name", label: "Name", kind: "text", required: true, placeholder: "find_order" },
            {
              name: "method",
              label: "Method",
              kind: "choice",
              options: ["get", "post", "put", "patch", "delete"],
              none: "get",
            },
            { name: "description", label: "When to use it, for the model", kind: "long", required: true },
            {
              name: "url",
              label: "Address",
              kind: "text",
              required: true,
              placeholder: "https://shop.example/orders/{number}",
              hint: "With places for arguments.",
            },
            {
              name: "parameters",
              label: "Arguments, as JSON Schema",
              kind: "json",
              placeholder: '{ "type": "object", "properties": { "number": { "type": "string" } } }',
            },
            { name: "query", label: "Parameters of the address", kind: "json" },
            { name: "body", label: "Fields of the body", kind: "json" },
            {
              name: "headers",
              label: "Headers",
              kind: "json",
              hint: "Their values are kept and never shown: (hidden) stands for one that stays.",
            },
          ],
        },
        {
          title: "Manners",
          fields: [
            { name: "timeout_ms", label: "How long it may take, ms", kind: "number", placeholder: "10000" },
            { name: "cancel_on_barge_in", label: "Given up when the caller speaks", kind: "yes-no" },
            { name: "sensitive", label: "Arguments are kept off the record", kind: "yes-no" },
            {
              name: "allow_private",
              label: "May ask private addresses",
              kind: "yes-no",
              hint: "For the operator's organization only.",
            },
          ],
        },
      ]}
    />
  );
}

interface Tried {
  status: string;
  output: string;
  duration_ms: number;
}

function Try({ tool, close }: { tool: Tool; close: () => void }) {
  const [tried, setTried] = useState<Tried>();
  const form = useForm({ defaultValues: { arguments: "{}" } });
  const sent = useSend(form, async (values) => {
    setTried(undefined);
    const body = { arguments: JSON.parse(values.arguments) as object };
    setTried((await send<Tried>("POST", `/api/v1/tools/${encodeURIComponent(tool.id)}/test`, { body })).row);
  });
  const isJson = (text: string) => {
    try {
      return typeof JSON.parse(text) === "object" || "This is not an object.";
    } catch {
      return "This is not JSON.";
    }
  };
  return (
    <FormDialog
      title={`Try ${tool.name}`}
      about="The request is made in earnest, as a call would make it."
      sent={sent}
      verb="Try it"
      close={close}
    >
      <Field label="Arguments, as a model would write them" wrong={wrongOf(form, "arguments")}>
        <textarea className="mono" rows={4} spellCheck={false} {...form.register("arguments", { validate: isJson })} />
      </Field>
      {tried && (
        <div className="stack tight" role="status">
          <div className="row">
            <Badge tone={tried.status === "ok" ? "good" : "bad"}>{tried.status}</Badge>
            <span className="muted">{milliseconds(tried.duration_ms)}</span>
          </div>
          <pre className="code-block">{tried.output}</pre>
        </div>
      )}
    </FormDialog>
  );
}
