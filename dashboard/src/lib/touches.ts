// Which lists an event touches, so that they are read again. Pure.

/** The key of a list, or the beginning of several. */
export type Key = readonly string[];

/** `id` is the call's, where the event is of one. */
export function touches(type: string, id: string | undefined): Key[] {
  const call: Key[] = id === undefined ? [["calls"]] : [["calls", id]];
  switch (type.split(".")[0]) {
    case "call":
      return [
        ...call,
        ["calls", "list"],
        ["analytics"],
        ["node"],
        ...(type === "call.analyzed" ? [["leads"], ["memories"]] : []),
      ];
    case "turn":
    case "tool":
    case "recording":
      return call;
    case "lead":
      return [["leads"]];
    case "session":
      return [["sessions"]];
    case "node":
      return [["node"], ["readiness"]];
    default:
      return [];
  }
}
