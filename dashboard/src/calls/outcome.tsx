// What came of a call: what was found out about it afterwards, and how its media was.
import type { Analysis as Found } from "~/api/later";
import { words } from "~/lib/format";
import { Badge, Card, Facts, Notice } from "~/ui/basics";

export function Analysis({ analysis }: { analysis: Found }) {
  // Nobody asked for one.
  if (analysis.state === "skipped") return null;
  if (analysis.state !== "done") {
    return (
      <Notice
        tone="warn"
        title={analysis.state === "pending" ? "The call is being analysed" : "The call was not analysed"}
      >
        {analysis.reason}
      </Notice>
    );
  }
  const fields = Object.entries(analysis.fields ?? {}).map(([name, value]): [string, string] => [
    words(name),
    typeof value === "string" ? value : JSON.stringify(value),
  ]);
  return (
    <Card
      title="Analysis"
      actions={
        <>
          {analysis.success != null && (
            <Badge tone={analysis.success ? "good" : "bad"}>{analysis.success ? "Success" : "No success"}</Badge>
          )}
          {analysis.sentiment && <Badge>{words(analysis.sentiment)}</Badge>}
          {analysis.lead_score != null && <Badge tone="note">Lead {analysis.lead_score}</Badge>}
        </>
      }
    >
      <div className="stack">
        {analysis.summary && <p>{analysis.summary}</p>}
        {analysis.success_reason && <p className="muted">{analysis.success_reason}</p>}
        {fields.length > 0 && <Facts rows={fields} />}
      </div>
    </Card>
  );
}

/** The figures that the record has of a call's media. */
export function Quality({ quality }: { quality: Record<string, unknown> }) {
  const rows = Object.entries(quality).flatMap(([name, value]): [string, string][] =>
    typeof value === "number" || typeof value === "string" ? [[words(name), String(value)]] : [],
  );
  if (rows.length === 0) return null;
  return (
    <Card title="Media" about="What came over RTP, as the record has it">
      <Facts rows={rows} />
    </Card>
  );
}
