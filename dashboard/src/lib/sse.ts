// Server-sent events out of a stream of text (HTML Standard, 9.2). Pure; fetch is used instead of EventSource, which shows no token.

export interface ServerEvent {
  id: string | undefined;
  type: string;
  data: string;
}

/** Takes text as it comes, and gives the events that are whole. */
export class EventReader {
  #rest = "";
  #id: string | undefined;

  read(text: string): ServerEvent[] {
    this.#rest += text;
    const pieces = this.#rest.split(/\r?\n\r?\n/);
    this.#rest = pieces.pop() ?? "";
    return pieces.flatMap((piece) => this.#event(piece));
  }

  #event(piece: string): ServerEvent[] {
    let type = "message";
    const data: string[] = [];
    for (const line of piece.split(/\r?\n/)) {
      const [, name = "", value = ""] = /^([^:]*):? ?(.*)$/.exec(line) ?? [];
      if (name === "id") this.#id = value;
      if (name === "event") type = value;
      if (name === "data") data.push(value);
    }
    return data.length === 0 ? [] : [{ id: this.#id, type, data: data.join("\n") }];
  }
}
