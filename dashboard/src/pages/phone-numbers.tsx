// Which number is answered by whom.

import { Hash } from "lucide-react";
import { AssistantName } from "~/assistants/names";
import { type ResourceRow, resource } from "~/resources/api";
import { ResourceList, Source } from "~/resources/page";
import { Badge } from "~/ui/basics";

interface PhoneNumber extends ResourceRow {
  number?: string | null;
  assistant_id?: string | null;
  trunk_id?: string | null;
  active?: boolean | null;
}

const numbers = resource<PhoneNumber>("/api/v1/phone-numbers");

export default function PhoneNumbers() {
  return (
    <ResourceList
      title="Numbers"
      about="Who answers which number. What is dialled and stands nowhere here goes to the default assistant, if there is one."
      one="number"
      icon={Hash}
      resource={numbers}
      permission="phone_numbers"
      name={(row) => row.number ?? row.id}
      empty="Give a number that your trunk brings to an assistant."
      columns={[
        {
          title: "Number",
          cell: (row) => (
            <span className="row">
              <span className="name number">{row.number}</span>
              <Source row={row} />
            </span>
          ),
        },
        { title: "Assistant", cell: (row) => row.assistant_id && <AssistantName id={row.assistant_id} /> },
        { title: "Trunk", cell: (row) => row.trunk_id ?? <span className="muted">any</span> },
        {
          title: "State",
          cell: (row) =>
            row.active === false ? <Badge tone="warn">Refused</Badge> : <Badge tone="good">Answers</Badge>,
        },
      ]}
      sections={[
        {
          title: "Number",
          fields: [
            {
              name: "number",
              label: "Number",
              kind: "text",
              required: true,
              placeholder: "+4930123456",
              hint: "Or a SIP user, as callers dial it.",
            },
            { name: "assistant_id", label: "Assistant", kind: "text", required: true, hint: "Its id, or its name." },
            { name: "trunk_id", label: "Trunk (optional)", kind: "text", hint: "Calls must come over this one." },
            {
              name: "active",
              label: "Answers",
              kind: "yes-no",
              none: "Yes, by default",
              hint: "Else it is refused as if it were unknown.",
            },
          ],
        },
      ]}
    />
  );
}
