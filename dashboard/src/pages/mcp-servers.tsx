// MCP servers, and the tools that each offers now.
import { useQuery } from "@tanstack/react-query";
import { Plug } from "lucide-react";
import { send } from "~/api/client";
import type { Part } from "~/api/queries";
import { type ResourceRow, resource } from "~/resources/api";
import { ResourceList, Source } from "~/resources/page";
import { Empty, Failure, Loading } from "~/ui/basics";
import { Dialog } from "~/ui/dialog";

interface Server extends ResourceRow {
  name?: string | null;
  url?: string | null;
  command?: string | null;
  tools?: string[] | null;
}

const servers = resource<Server>("/api/v1/mcp-servers");

export default function McpServers() {
  return (
    <ResourceList<Server>
      title="MCP servers"
      about="Servers of the Model Context Protocol: an assistant that names one may use all that it offers."
      one="server"
      icon={Plug}
      resource={servers}
      permission="tools"
      name={(row) => row.name ?? row.id}
      empty="Programs on this machine can be named in the configuration file only; here are those that are asked over HTTP."
      columns={[
        {
          title: "Name",
          cell: (row) => (
            <span className="row">
              <span className="name mono">{row.name}</span>
              <Source row={row} />
            </span>
          ),
        },
        { title: "Where", cell: (row) => <span className="mono wrap-anywhere">{row.url ?? row.command}</span> },
        { title: "Tools", cell: (row) => (row.tools ? row.tools.join(", ") : <span className="muted">all</span>) },
      ]}
      more={(row, close) => [{ label: "What it offers", dialog: <Offers server={row} close={close} /> }]}
      sections={[
        {
          title: "Server",
          fields: [
            { name: "name", label: "Name", kind: "text", required: true, placeholder: "crm" },
            { name: "url", label: "Address", kind: "text", required: true, placeholder: "https://crm.example/mcp" },
            { name: "timeout_ms", label: "How long a tool may take, ms", kind: "number", placeholder: "10000" },
            { name: "refresh_s", label: "Its tools are listed again after, s", kind: "number", placeholder: "300" },
            { name: "tools", label: "Which of its tools", kind: "lines", hint: "None: all." },
            {
              name: "headers",
              label: "Headers",
              kind: "json",
              hint: "Their values are never shown: (hidden) stands for one that stays.",
            },
            { name: "cancel_on_barge_in", label: "Given up when the caller speaks", kind: "yes-no" },
            { name: "sensitive", label: "Arguments are kept off the record", kind: "yes-no" },
            {
              name: "allow_private",
              label: "May be at a private address",
              kind: "yes-no",
              hint: "For the operator's organization only.",
            },
          ],
        },
      ]}
    />
  );
}

interface Offered {
  name: string;
  description: string;
  parameters: unknown;
}

function Offers({ server, close }: { server: Server; close: () => void }) {
  const path = `/api/v1/mcp-servers/${encodeURIComponent(server.id)}/tools`;
  const offered = useQuery({
    queryKey: ["mcp-servers", server.id, "tools"],
    queryFn: async () => (await send<Part<Offered>>("GET", path)).row.data,
    retry: false,
    gcTime: 0,
  });
  return (
    <Dialog wide title={`What ${server.name} offers`} close={close}>
      {offered.isPending && <Loading />}
      {offered.isError && <Failure error={offered.error} again={() => offered.refetch()} />}
      {offered.data?.length === 0 && <Empty icon={Plug} title="It offers nothing" />}
      <ul className="stack">
        {offered.data?.map((tool) => (
          <li key={tool.name}>
            <details>
              <summary>
                <code>{tool.name}</code>
              </summary>
              <pre className="code-block">{JSON.stringify(tool.parameters, null, 2)}</pre>
            </details>
            <p className="muted">{tool.description}</p>
          </li>
        ))}
      </ul>
    </Dialog>
  );
}
