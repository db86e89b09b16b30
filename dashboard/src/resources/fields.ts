// Forms of resources, as data: each field has a place in the row (with dots, where it lies deeper) and a kind. Pure.

export type Value = string | number | boolean | null | Value[] | { [name: string]: Value | undefined };
export type Row = Record<string, unknown>;

export interface FieldSpec {
  /** voice.voice_id */
  name: string;
  label: string;
  kind: "text" | "long" | "number" | "yes-no" | "choice" | "lines" | "json" | "secret";
  hint?: string;
  placeholder?: string;
  required?: boolean;
  /** Cannot be changed later. */
  onlyNew?: boolean;
  /** Of a choice. The empty one is "as it is by default". */
  options?: readonly string[];
  /** Of a choice: what the empty one is called; none: one must be chosen. */
  none?: string;
}

export interface SectionSpec {
  title: string;
  about?: string;
  fields: FieldSpec[];
}

/** What a form holds: a text for each field, by its place with dots replaced, which forms take for depth. */
export type FormValues = Record<string, string>;

export const inputName = (field: FieldSpec): string => field.name.replaceAll(".", "__");

export function valueAt(row: Row, name: string): unknown {
  let at: unknown = row;
  for (const part of name.split(".")) {
    if (at === null || typeof at !== "object") return undefined;
    at = (at as Row)[part];
  }
  return at;
}

/** The texts of a row. */
export function toForm(row: Row, fields: FieldSpec[]): FormValues {
  return Object.fromEntries(fields.map((field) => [inputName(field), text(valueAt(row, field.name), field)]));
}

function text(value: unknown, field: FieldSpec): string {
  if (value === null || value === undefined) return "";
  if (field.kind === "lines" && Array.isArray(value)) return value.join("\n");
  if (field.kind === "json") return JSON.stringify(value, null, 2);
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** A field whose text cannot be what it should be. */
export class Unreadable extends Error {
  constructor(
    readonly field: string,
    message: string,
  ) {
    super(message);
  }
}

/** The value that a text means; null: it is taken away. */
export function readValue(written: string, field: FieldSpec): Value {
  const trimmed = field.kind === "long" ? written : written.trim();
  if (trimmed === "") return null;
  switch (field.kind) {
    case "number": {
      const number = Number(trimmed);
      if (Number.isNaN(number)) throw new Unreadable(inputName(field), "This is not a number.");
      return number;
    }
    case "yes-no":
      return trimmed === "true";
    case "lines":
      return trimmed
        .split("\n")
        .map((line) => line.trim())
        .filter((line) => line !== "");
    case "json":
      try {
        return JSON.parse(trimmed) as Value;
      } catch {
        throw new Unreadable(inputName(field), "This is not JSON.");
      }
    default:
      return trimmed;
  }
}

/** What is to be sent so that a row becomes what the form says: what was changed, and nothing else (a JSON merge patch, RFC 7396). */
export function patchOf(before: Row, values: FormValues, fields: FieldSpec[]): Record<string, Value | undefined> {
  const was = toForm(before, fields);
  const patch: Record<string, Value | undefined> = {};
  for (const field of fields) {
    const name = inputName(field);
    const written = values[name] ?? "";
    if (written === was[name]) continue;
    const value = readValue(written, field);
    // Into a merge patch an object goes as what it becomes: what it no longer has is taken away by name.
    put(patch, field.name.split("."), field.kind === "json" ? merged(valueAt(before, field.name), value) : value);
  }
  return patch;
}

function put(target: Record<string, Value | undefined>, path: string[], value: Value): void {
  const [first = "", ...rest] = path;
  if (rest.length === 0) {
    target[first] = value;
    return;
  }
  const below = target[first];
  const inner = below !== null && typeof below === "object" && !Array.isArray(below) ? below : {};
  target[first] = inner;
  put(inner, rest, value);
}

function merged(before: unknown, after: Value): Value {
  if (!plain(before) || !plain(after)) return after;
  const gone = Object.keys(before).filter((name) => !(name in after));
  const kept = Object.entries(after).map(([name, value]) => [name, merged(before[name], value ?? null)]);
  return Object.fromEntries([...gone.map((name) => [name, null]), ...kept]) as Value;
}

function plain(value: unknown): value is Record<string, Value | undefined> {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}

export interface Change {
  place: string;
  before: string;
  after: string;
}

/** What differs between two versions of a row, by place. */
export function differences(before: unknown, after: unknown, place = ""): Change[] {
  if (plain(before) && plain(after)) {
    const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
    return names.flatMap((name) => differences(before[name], after[name], place === "" ? name : `${place}.${name}`));
  }
  const [left, right] = [shown(before), shown(after)];
  return left === right ? [] : [{ place, before: left, after: right }];
}

function shown(value: unknown): string {
  if (value === null || value === undefined) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}
