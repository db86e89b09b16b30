// Assistants: who answers.
import { Link } from "@tanstack/react-router";
import { Bot } from "lucide-react";
import { ASSISTANT_SECTIONS, type Assistant, assistants } from "~/assistants/assistant";
import { ResourceList, Source } from "~/resources/page";
import { When } from "~/ui/basics";

export default function Assistants() {
  return (
    <ResourceList<Assistant>
      title="Assistants"
      about="Who answers calls: what is said first, what thinks, what it sounds like, and what it may do. A change is in effect for the next call."
      one="assistant"
      icon={Bot}
      resource={assistants}
      permission="assistants"
      name={(row) => row.name ?? row.id}
      empty="A name and a first message are enough for one that answers."
      columns={[
        {
          title: "Name",
          cell: (row) => (
            <span className="row">
              <Link className="name" to="/assistants/$id" params={{ id: row.id }}>
                {row.name}
              </Link>
              <Source row={row} />
            </span>
          ),
        },
        { title: "Engine", cell: (row) => String(row.engine?.kind ?? "auto") },
        { title: "Language", cell: (row) => row.language ?? "en" },
        { title: "Version", align: "right", cell: (row) => <span className="number">{row.version || "–"}</span> },
        { title: "Changed", cell: (row) => <When at={row.updated_at} none="with the file" /> },
      ]}
      sections={ASSISTANT_SECTIONS.slice(0, 2)}
    />
  );
}
