// Figures that are seen at a glance.
import type { ReactNode } from "react";

export function Tiles({ children }: { children: ReactNode }) {
  return <dl className="tiles">{children}</dl>;
}

export function Tile({ name, value, of }: { name: string; value: ReactNode; of?: ReactNode }) {
  return (
    <div className="tile">
      <dt>{name}</dt>
      <dd>
        {value} {of && <small>{of}</small>}
      </dd>
    </div>
  );
}
