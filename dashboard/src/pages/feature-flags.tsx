// What is on or off for an organization.
import { ToggleRight } from "lucide-react";
import { type ResourceRow, resource } from "~/resources/api";
import { ResourceList, Source } from "~/resources/page";
import { Badge, When } from "~/ui/basics";

interface Flag extends ResourceRow {
  key?: string | null;
  enabled?: boolean | null;
  description?: string | null;
  updated_at?: string | null;
}

const flags = resource<Flag>("/api/v1/feature-flags");

export default function FeatureFlags() {
  return (
    <ResourceList
      title="Feature flags"
      about={
        <>
          <code>inbound_calls</code> off: your numbers answer nobody. <code>recording</code> off: no call is recorded.
          Others are for whoever reads them.
        </>
      }
      one="flag"
      icon={ToggleRight}
      resource={flags}
      permission="feature_flags"
      name={(row) => row.key ?? row.id}
      empty="Without any, everything is on."
      columns={[
        {
          title: "Flag",
          cell: (row) => (
            <div>
              <span className="name mono">{row.key}</span> <Source row={row} />
              {row.description && <div className="muted small">{row.description}</div>}
            </div>
          ),
        },
        {
          title: "State",
          cell: (row) => (row.enabled ? <Badge tone="good">On</Badge> : <Badge tone="warn">Off</Badge>),
        },
        { title: "Changed", cell: (row) => <When at={row.updated_at} /> },
      ]}
      sections={[
        {
          title: "Flag",
          fields: [
            { name: "key", label: "Key", kind: "text", required: true, placeholder: "recording" },
            { name: "enabled", label: "On", kind: "yes-no", required: true, none: "Choose" },
            { name: "description", label: "What it is for", kind: "text" },
          ],
        },
      ]}
    />
  );
}
