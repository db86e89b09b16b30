// The SIP messages of a call as a ladder; each opens with all its text.
import { useQuery } from "@tanstack/react-query";
import { Download, Waypoints } from "lucide-react";
import { useState } from "react";
import { download } from "~/api/client";
import { asProblem } from "~/api/problem";
import { ladderQuery, type SipMessage } from "~/api/queries";
import { milliseconds, moment } from "~/lib/format";
import { type Ladder as Drawn, ladderOf, type Rung } from "~/lib/ladder";
import { Button, Card, CopyButton, Empty, Failure, Loading } from "~/ui/basics";
import { Dialog } from "~/ui/dialog";
import { say } from "~/ui/toast";

export function Ladder({ id }: { id: string }) {
  const sip = useQuery(ladderQuery(id));
  const [open, setOpen] = useState<SipMessage>();
  const save = () =>
    download(`/api/v1/calls/${id}/pcap`, `${id}.pcap`).catch((error) => say(asProblem(error).message, "bad"));
  const actions = sip.data && (
    <Button size="small" icon={Download} onClick={save}>
      For Wireshark
    </Button>
  );
  return (
    <Card title="SIP messages" about="Without keys, passwords and digits" actions={actions} flush>
      {sip.isPending && <Loading lines={6} />}
      {sip.isError &&
        (asProblem(sip.error).status === 404 ? (
          <Empty icon={Waypoints} title="No messages are kept">
            The call was not over SIP, or <code>telemetry.sip_ladders</code> is off.
          </Empty>
        ) : (
          <div className="inside">
            <Failure error={sip.error} again={() => sip.refetch()} />
          </div>
        ))}
      {sip.data && <Rungs ladder={ladderOf(sip.data.data)} open={setOpen} />}
      {sip.data && sip.data.left_out > 0 && (
        <p className="inside muted">{sip.data.left_out} more were left out: a call keeps 64.</p>
      )}
      {open && <Message message={open} close={() => setOpen(undefined)} />}
    </Card>
  );
}

function Rungs({ ladder, open }: { ladder: Drawn; open: (message: SipMessage) => void }) {
  const { columns, rungs } = ladder;
  return (
    <div className="ladder">
      <ol>
        <li className="heads" aria-hidden>
          <span />
          <div className="lanes">
            {columns.map((address) => (
              <span key={address} className="mono">
                {address}
              </span>
            ))}
          </div>
        </li>
        {rungs.map((rung, place) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: messages never move
          <li key={place}>
            <Step rung={rung} columns={columns} open={() => open(rung.message)} />
          </li>
        ))}
      </ol>
    </div>
  );
}

function Step({ rung, columns, open }: { rung: Rung; columns: string[]; open: () => void }) {
  const width = 100 / columns.length;
  const [left, right] = [Math.min(rung.from, rung.to), Math.max(rung.from, rung.to)];
  const place = { left: `${(left + 0.5) * width}%`, right: `${100 - (right + 0.5) * width}%` };
  return (
    <button type="button" className="rung" onClick={open}>
      <span className="at">+{milliseconds(rung.after)}</span>
      <span className="lanes">
        {columns.map((address) => (
          <span key={address} className="lane" />
        ))}
        <span className={`arrow ${rung.kind}${rung.from > rung.to ? " leftwards" : ""}`} style={place}>
          <span className="label">
            {rung.label}
            {rung.sdp && <span className="muted"> · SDP</span>}
            <span className="visually-hidden">
              , from {columns[rung.from]} to {columns[rung.to]}
            </span>
          </span>
          <span className="shaft" aria-hidden />
        </span>
      </span>
    </button>
  );
}

function Message({ message, close }: { message: SipMessage; close: () => void }) {
  const about = `${moment(message.at)}, ${message.transport}, ${message.from} → ${message.to}`;
  return (
    <Dialog wide title={message.summary} about={about} close={close}>
      <div className="stack">
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable */}
        <pre className="code-block" tabIndex={0}>
          {message.text}
        </pre>
        <div className="row">
          <CopyButton text={message.text} label="Copy" />
        </div>
      </div>
    </Dialog>
  );
}
