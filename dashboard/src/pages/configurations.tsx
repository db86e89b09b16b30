// Values that an organization keeps here for its programs.
import { SlidersHorizontal } from "lucide-react";
import { type ResourceRow, resource } from "~/resources/api";
import { ResourceList, Source } from "~/resources/page";
import { When } from "~/ui/basics";

interface Configuration extends ResourceRow {
  key?: string | null;
  value?: unknown;
  type?: string | null;
  description?: string | null;
  updated_at?: string | null;
}

const configurations = resource<Configuration>("/api/v1/configurations");

export default function Configurations() {
  return (
    <ResourceList
      title="Configuration"
      about="Values that your programs and assistants share. The node's own settings are in its file."
      one="value"
      icon={SlidersHorizontal}
      resource={configurations}
      permission="configurations"
      name={(row) => row.key ?? row.id}
      empty="Opening hours, a greeting of the day: whatever is to be changed without changing a program."
      columns={[
        {
          title: "Key",
          cell: (row) => (
            <div>
              <span className="name mono">{row.key}</span> <Source row={row} />
              {row.description && <div className="muted small">{row.description}</div>}
            </div>
          ),
        },
        { title: "Value", cell: (row) => <code className="wrap-anywhere">{JSON.stringify(row.value)}</code> },
        { title: "Type", cell: (row) => row.type ?? "json" },
        { title: "Changed", cell: (row) => <When at={row.updated_at} /> },
      ]}
      sections={[
        {
          title: "Value",
          fields: [
            { name: "key", label: "Key", kind: "text", required: true, placeholder: "opening_hours" },
            {
              name: "type",
              label: "Type",
              kind: "choice",
              options: ["string", "number", "boolean", "json"],
              none: "json",
            },
            {
              name: "value",
              label: "Value",
              kind: "json",
              required: true,
              hint: "As JSON: a text in quotes, 12, true, or { }.",
            },
            { name: "description", label: "What it is for", kind: "text" },
          ],
        },
      ]}
    />
  );
}
