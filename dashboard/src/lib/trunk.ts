// How a trunk is, in words. Pure.
import type { Schemas } from "~/api/client";

export type TrunkStatus = Schemas["TrunkStatus"];

export interface Health {
  tone: "plain" | "good" | "note" | "warn" | "bad";
  words: string;
}

/** The worst first: who does not register gets no calls, whatever its targets do. */
export function healthOf({ registered, targets }: TrunkStatus): Health {
  if (registered === false) return { tone: "bad", words: "Not registered: no call comes in" };
  const also = registered ? "Registered; " : "";
  const of = (health: string) => targets.filter((target) => target.health === health).length;
  const [up, down, failing] = [of("up"), of("down"), of("failing")];
  const all = targets.length;
  if (all === 0) return { tone: "plain", words: registered ? "Registered" : "Calls come in; it has no targets" };
  if (down === all) return { tone: "bad", words: `${also}no target answers` };
  if (down > 0) return { tone: "warn", words: `${also}${down} of ${all} targets do not answer` };
  if (failing > 0) return { tone: "warn", words: `${also}the last call failed at ${failing} of ${all}` };
  if (up === all)
    return { tone: "good", words: `${also}${all === 1 ? "its target answers" : `all ${all} targets answer`}` };
  return { tone: "note", words: `${also}not asked yet, or never` };
}
