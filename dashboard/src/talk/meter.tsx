// How loud somebody is, now.
import { useEffect, useRef } from "react";

/** How often who cannot see it may ask. */
const TOLD_MS = 500;
/** Of what is shown, how much stays for the next picture: it falls more slowly than it rises. */
const FALL = 0.88;

export function Meter({ label, level }: { label: string; level: () => number }) {
  const bar = useRef<HTMLDivElement>(null);
  const heard = useRef<HTMLMeterElement>(null);
  const latest = useRef(level);
  latest.current = level;
  useEffect(() => {
    let shown = 0;
    let told = 0;
    let frame = requestAnimationFrame(function draw(time) {
      shown = Math.max(latest.current(), shown * FALL);
      bar.current?.style.setProperty("--level", shown.toFixed(3));
      if (heard.current && time - told > TOLD_MS) {
        told = time;
        heard.current.value = Math.round(shown * 100);
      }
      frame = requestAnimationFrame(draw);
    });
    return () => cancelAnimationFrame(frame);
  }, []);
  return (
    <div className="meter">
      <span className="muted small">{label}</span>
      <meter className="visually-hidden" aria-label={label} min={0} max={100} value={0} ref={heard} />
      <div className="track" ref={bar} aria-hidden>
        <span />
      </div>
    </div>
  );
}
