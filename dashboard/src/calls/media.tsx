// How the media of a call goes, drawn while it is up: the record keeps what it came to, and not how it got there.
import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense, useEffect, useState } from "react";
import { mediaQuery } from "~/api/figures";
import { asProblem } from "~/api/problem";
import type { Call } from "~/api/queries";
import { added, type Measured, type Sample } from "~/lib/media";
import { Card, Facts, Failure, Loading } from "~/ui/basics";

const MediaCharts = lazy(() => import("~/charts/media"));

export function LiveMedia({ call }: { call: Call }) {
  const media = useQuery({ ...mediaQuery(call.id, true), enabled: call.status === "answered" });
  const [samples, setSamples] = useState<Sample[]>([]);
  const { data, dataUpdatedAt } = media;
  useEffect(() => {
    if (data?.received) setSamples((before) => added(before, dataUpdatedAt, data.received as Measured));
  }, [data, dataUpdatedAt]);
  const received = data?.received;
  return (
    <Card title="Media" about="What comes from the caller over RTP; drawn from when this page was opened">
      {media.isPending && call.status === "answered" && <Loading lines={3} />}
      {call.status !== "answered" && <p className="muted">There is none before the call is answered.</p>}
      {media.isError && asProblem(media.error).status === 409 && (
        <p className="muted">There is no media yet, or the call is another node's.</p>
      )}
      {media.isError && asProblem(media.error).status !== 409 && (
        <Failure error={media.error} again={() => media.refetch()} />
      )}
      {data && (
        <div className="stack">
          <Facts
            rows={[
              ["Codec", data.codec],
              ["Packets", received?.packets],
              ["Lost", received && `${received.lost} (${received.loss_percent} %)`],
              ["Late", received?.late],
              ["Concealed frames", received?.concealed],
              ["MOS", received?.mos?.toFixed(2)],
            ]}
          />
          {!received && <p className="muted">A WebSocket has no packets to lose.</p>}
          {samples.length > 1 && (
            <Suspense fallback={<Loading lines={6} />}>
              <MediaCharts samples={samples} />
            </Suspense>
          )}
        </div>
      )}
    </Card>
  );
}
