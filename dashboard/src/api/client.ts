// The API, with the types of its OpenAPI document. Every request shows the access token; one that is refused for its age is sent again once.
import createClient, { type Middleware } from "openapi-fetch";
import { Problem, problemOf } from "./problem";
import type { components, paths } from "./schema";
import { session } from "./session";

export type Schemas = components["schemas"];
/** The routes that this server has, by the document it was built with. */
export type Route = keyof paths;

const signed: Middleware = {
  onRequest({ request }) {
    const token = session.token();
    if (token !== undefined) request.headers.set("authorization", `Bearer ${token}`);
    if (request.method === "POST") request.headers.set("idempotency-key", randomKey());
    return request;
  },
};

async function twice(request: Request): Promise<Response> {
  const again = request.clone();
  const response = await fetch(request);
  if (response.status !== 401 || !(await session.refresh())) return response;
  const token = session.token();
  if (token !== undefined) again.headers.set("authorization", `Bearer ${token}`);
  return fetch(again);
}

const client = createClient<paths>({ baseUrl: "/", fetch: twice });
client.use(signed);

export const api = client;

interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** The body of an answer; what is no success is thrown as a [`Problem`]. */
export async function body<T>(asked: Promise<Answer<T>>): Promise<T> {
  const { data, error, response } = await asked;
  if (!response.ok) throw await problemOf(response, error);
  return data as T;
}

/** The same with its version, for `If-Match`. */
export async function versioned<T>(asked: Promise<Answer<T>>): Promise<{ row: T; version: string }> {
  const { data, error, response } = await asked;
  if (!response.ok) throw await problemOf(response, error);
  return { row: data as T, version: response.headers.get("etag") ?? "*" };
}

/** A request by its path, where many routes are alike. What is no success is thrown as a [`Problem`]. */
export async function send<T>(
  method: "GET" | "POST" | "PATCH" | "DELETE",
  path: string,
  more: { body?: object; version?: string } = {},
): Promise<{ row: T; version: string }> {
  const headers = new Headers({ authorization: `Bearer ${session.token() ?? ""}` });
  if (more.body !== undefined) headers.set("content-type", "application/json");
  if (more.version !== undefined) headers.set("if-match", more.version);
  if (method === "POST") headers.set("idempotency-key", randomKey());
  const body = more.body === undefined ? null : JSON.stringify(more.body);
  const response = await twice(new Request(path, { method, headers, body }));
  if (!response.ok) throw await problemOf(response);
  const row = response.status === 204 ? undefined : await response.json();
  return { row: row as T, version: response.headers.get("etag") ?? "*" };
}

/** A file that only who is signed in may have: fetched with the token, then given to the browser. */
export async function download(path: string, name: string): Promise<void> {
  const url = URL.createObjectURL(await file(path));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** The bytes of a file that only who is signed in may have. */
export async function file(path: string, signal?: AbortSignal): Promise<Blob> {
  const headers = { authorization: `Bearer ${session.token() ?? ""}` };
  const response = await twice(new Request(path, { headers, signal: signal ?? null }));
  if (!response.ok) throw await problemOf(response);
  return response.blob();
}

/** The text of an answer that does not end, piece by piece; behind the event that was seen last. */
export async function* stream(path: string, last: string | undefined, signal: AbortSignal): AsyncGenerator<string> {
  const headers = new Headers({ authorization: `Bearer ${session.token() ?? ""}` });
  if (last !== undefined) headers.set("last-event-id", last);
  const response = await twice(new Request(path, { headers, signal }));
  if (!response.ok || response.body === null) throw await problemOf(response);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}

/** crypto.randomUUID is for https only; this is for everybody. */
function randomKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export { Problem };
