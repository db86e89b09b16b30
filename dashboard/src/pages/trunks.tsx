// Trunks: the carriers that bring calls and carry ours, and how they are.
import { useQuery } from "@tanstack/react-query";
import { Cable } from "lucide-react";
import { trunkQuery } from "~/api/figures";
import { asProblem } from "~/api/problem";
import { healthOf } from "~/lib/trunk";
import { type ResourceRow, resource } from "~/resources/api";
import type { SectionSpec } from "~/resources/fields";
import { ResourceList, Source } from "~/resources/page";
import { Badge, Failure, Loading } from "~/ui/basics";
import { Dialog } from "~/ui/dialog";
import { Table } from "~/ui/list";

interface Trunk extends ResourceRow {
  name?: string | null;
  register?: boolean | null;
  username?: string | null;
  addresses?: string[] | null;
  targets?: { uri?: string }[] | null;
  channels?: number | null;
}

const trunks = resource<Trunk>("/api/v1/trunks");

export default function Trunks() {
  return (
    <ResourceList<Trunk>
      title="Trunks"
      about="Carriers and PBXs: whose calls come in, and where calls of ours go out. One that is made here registers at once."
      one="trunk"
      icon={Cable}
      resource={trunks}
      permission="trunks"
      name={(row) => row.name ?? row.id}
      empty="Without one, calls come in from whomever the configuration lets in, and go out to addresses that it allows."
      columns={[
        {
          title: "Name",
          cell: (row) => (
            <span className="row">
              <span className="name">{row.name}</span>
              <Source row={row} />
            </span>
          ),
        },
        { title: "How it is", cell: (row) => <Health trunk={row} /> },
        {
          title: "Calls go to",
          cell: (row) => (
            <span className="mono wrap-anywhere">
              {row.targets?.map((target) => target.uri).join(", ") || <span className="muted">nowhere</span>}
            </span>
          ),
        },
        {
          title: "Calls come from",
          cell: (row) => (
            <span className="mono wrap-anywhere">
              {row.addresses?.join(", ") || <span className="muted">{row.register ? "the registrar" : "nowhere"}</span>}
            </span>
          ),
        },
        {
          title: "At once",
          align: "right",
          cell: (row) => <span className="number">{row.channels ?? <span className="muted">any</span>}</span>,
        },
      ]}
      more={(row, close) => [{ label: "How it is", dialog: <Status trunk={row} close={close} /> }]}
      sections={SECTIONS}
    />
  );
}

function Health({ trunk }: { trunk: Trunk }) {
  const status = useQuery(trunkQuery(trunk.id));
  if (status.isPending) return <span className="muted">Asking…</span>;
  if (status.isError) {
    const unused = asProblem(status.error).status === 409;
    return <Badge tone="warn">{unused ? "This node does not use it" : "Not to be found out"}</Badge>;
  }
  const { tone, words } = healthOf(status.data);
  return <Badge tone={tone}>{words}</Badge>;
}

const TONES: Record<string, "good" | "warn" | "bad"> = { up: "good", failing: "warn", down: "bad" };
const SAID: Record<string, string> = {
  up: "It answers",
  down: "It does not answer",
  failing: "It answers, and the last call came to nothing there",
  unknown: "Not asked yet, or never: options_interval_s is 0",
};

function Status({ trunk, close }: { trunk: Trunk; close: () => void }) {
  const status = useQuery(trunkQuery(trunk.id));
  return (
    <Dialog wide title={trunk.name ?? trunk.id} about="As this node sees it, and again every 10 s" close={close}>
      {status.isPending && <Loading lines={3} />}
      {status.isError && <Failure error={status.error} again={() => status.refetch()} />}
      {status.data && (
        <div className="stack">
          <p>
            <Badge tone={healthOf(status.data).tone}>{healthOf(status.data).words}</Badge>
          </p>
          {status.data.targets.length > 0 && (
            <Table
              label="Targets"
              columns={[
                { title: "Target", cell: (row) => <span className="mono wrap-anywhere">{row.uri}</span> },
                {
                  title: "How it is",
                  cell: (row) => <Badge tone={TONES[row.health] ?? "note"}>{SAID[row.health] ?? row.health}</Badge>,
                },
              ]}
              rows={status.data.targets}
              id={(row) => row.uri}
            />
          )}
        </div>
      )}
    </Dialog>
  );
}

const SECTIONS: SectionSpec[] = [
  {
    title: "The trunk",
    fields: [
      {
        name: "name",
        label: "Name",
        kind: "text",
        required: true,
        placeholder: "carrier",
        hint: "In calls, metrics and records: letters, digits, - _ and dots.",
      },
      {
        name: "transport",
        label: "Transport",
        kind: "choice",
        options: ["auto", "udp", "tcp", "tls"],
        none: "As its address says",
      },
      {
        name: "targets",
        label: "Where calls of ours go",
        kind: "json",
        placeholder: '[{ "uri": "sip:sip.carrier.example", "priority": 1 }]',
        hint: "Lower priorities first, 16 at most. None: it carries no calls of ours.",
      },
      {
        name: "domain",
        label: "Domain",
        kind: "text",
        hint: "In addresses of calls, where it is not the target's own.",
      },
      { name: "channels", label: "Calls at once", kind: "number", hint: "None: as many as the node takes." },
    ],
  },
  {
    title: "Who we are to it",
    about: "Passwords are in the environment of the nodes: here stands the name of the variable.",
    fields: [
      { name: "username", label: "User name", kind: "text" },
      { name: "password_env", label: "Variable with the password", kind: "text", placeholder: "CARRIER_PASSWORD" },
      { name: "register", label: "Registers", kind: "yes-no", none: "No, by default" },
      { name: "registrar", label: "Registrar", kind: "text", hint: "If it is not the first target." },
      { name: "register_expires_s", label: "For how long, s", kind: "number", placeholder: "3600" },
      { name: "user", label: "User of our address there", kind: "text" },
    ],
  },
  {
    title: "Whose calls are its own",
    fields: [
      { name: "addresses", label: "It calls from", kind: "lines", placeholder: "203.0.113.7\n203.0.113.0/24" },
      { name: "certificate_names", label: "Names in its certificate", kind: "lines" },
      { name: "inbound_username", label: "It must say it is", kind: "text" },
      { name: "inbound_password_env", label: "Variable with its password", kind: "text" },
      { name: "inbound_digest", label: "Hashed by", kind: "lines", placeholder: "sha-256" },
      { name: "trust_identity", label: "It is believed who calls", kind: "yes-no" },
      {
        name: "identity",
        label: "Signatures of its callers",
        kind: "choice",
        options: ["off", "note", "require"],
        none: "By default",
      },
      {
        name: "identity_minimum_attestation",
        label: "At least",
        kind: "choice",
        options: ["A", "B", "C"],
        none: "By default",
      },
    ],
  },
  {
    title: "Numbers",
    fields: [
      {
        name: "allowed_prefixes",
        label: "Calls of ours begin with",
        kind: "lines",
        placeholder: "+49\n+1",
        hint: "None: there are no calls of ours over it.",
      },
      { name: "caller_number", label: "Who calls, if nobody says", kind: "text" },
      { name: "from", label: "From names", kind: "choice", options: ["number", "user"], none: "By default" },
      {
        name: "privacy",
        label: "Hides who calls",
        kind: "choice",
        options: ["always", "asked", "never"],
        none: "By default",
      },
      { name: "p_asserted_identity", label: "Says who calls there too", kind: "yes-no" },
      {
        name: "emergency",
        label: "Emergency numbers",
        kind: "choice",
        options: ["refuse", "allow"],
        none: "By default",
      },
      { name: "emergency_numbers", label: "These are", kind: "lines" },
      { name: "inbound_called", label: "Rules for numbers that it calls", kind: "json", placeholder: "[ ]" },
      { name: "inbound_caller", label: "Rules for numbers that call", kind: "json", placeholder: "[ ]" },
      { name: "outbound_called", label: "Rules for numbers that we call", kind: "json", placeholder: "[ ]" },
      { name: "outbound_caller", label: "Rules for numbers that we call from", kind: "json", placeholder: "[ ]" },
    ],
  },
  {
    title: "Limits and media",
    fields: [
      { name: "calls_per_second", label: "New calls a second", kind: "number" },
      { name: "outbound_per_minute", label: "Calls of ours a minute", kind: "number" },
      { name: "options_interval_s", label: "Asked for life every, s", kind: "number", placeholder: "30" },
      { name: "try_timeout_s", label: "Next target after, s", kind: "number", placeholder: "4" },
      {
        name: "redirects",
        label: "Follows redirects to",
        kind: "choice",
        options: ["trunk", "refuse", "any"],
        none: "By default",
      },
      {
        name: "srtp",
        label: "Encryption",
        kind: "choice",
        options: ["off", "optional", "required", "dtls"],
        none: "By default",
      },
      { name: "codecs", label: "Codecs, best first", kind: "lines", placeholder: "opus\ng722\npcma" },
      { name: "headers", label: "Headers that are kept with a call", kind: "lines", placeholder: "X-Account" },
    ],
  },
];
