// Works with a server through openapi-fetch and the types that openapi-typescript makes of its document: the dashboard's client, elsewhere.
// generated_client.js FOLDER URL API_KEY CALLEE RECEIVER: FOLDER is the receiver's, RECEIVER its URL, CALLEE the SIP URI of a telephone.
import assert from "node:assert";
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import createClient from "openapi-fetch";
import type { paths } from "./schema.js";

const [folder, url, key, callee, receiver] = process.argv.slice(2) as [string, string, string, string, string];
const api = createClient<paths>({ baseUrl: url, headers: { "X-API-Key": key } });

/** What was answered, of a request that went well. */
async function ok<T>(asked: Promise<{ data?: T; error?: unknown; response: Response }>, status: number): Promise<T> {
  const { data, error, response } = await asked;
  assert.equal(response.status, status, JSON.stringify(error));
  return data as T;
}

/** Looks until there is something. */
async function until<T>(what: string, look: () => Promise<T | undefined | false>, seconds = 30): Promise<T> {
  const end = Date.now() + seconds * 1000;
  while (Date.now() < end) {
    const found = await look();
    if (found) return found;
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error(`no ${what} within ${seconds} s`);
}

/** Opens a WebSocket and listens to nothing: Node has one of its own from 22 on only. */
async function connected(address: string): Promise<void> {
  const headers = {
    Connection: "Upgrade",
    Upgrade: "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": randomBytes(16).toString("base64"),
  };
  const asked = request(address.replace("ws://", "http://"), { headers }).end();
  await new Promise((open, failed) => {
    asked.on("upgrade", (_, socket) => open(socket.resume()));
    asked.on("response", (response) => failed(new Error(`${response.statusCode}`)));
    asked.on("error", failed);
  });
}

interface Taken {
  verified: boolean[];
  body: { type: string; data: { call_id?: string } };
}

/** What the receiver took. */
function got(): Taken[] {
  const file = `${folder}/got`;
  const lines = existsSync(file) ? readFileSync(file, "utf8").split("\n") : [];
  return lines.filter((line) => line !== "").map((line) => JSON.parse(line) as Taken);
}

const hook = await ok(api.POST("/api/v1/webhooks", { body: { url: receiver, events: ["call.*", "session.*"] } }), 201);
writeFileSync(`${folder}/secrets`, hook.secret);

// Of objects with fields of their own the generator knows nothing.
const wish = { name: "desk", first_message: "Good morning.", engine: { kind: "realtime" } as never };
const assistant = await ok(api.POST("/api/v1/assistants", { body: wish }), 201);
assert.deepEqual([assistant.name, assistant.version], ["desk", 1]);
const number = await ok(api.POST("/api/v1/phone-numbers", { body: { number: "+4930123456", assistant_id: assistant.id } }), 201);
assert.equal(number.assistant_id, assistant.id);
const refused = await api.POST("/api/v1/phone-numbers", { body: { number: "x" } });
assert.equal(refused.response.status, 422);
assert.deepEqual(refused.error?.errors.map((error) => error.field), ["assistant_id"]);

const session = await ok(api.POST("/api/v1/sessions", { body: { assistant_id: assistant.id } }), 201);
await connected(`${session.websocket_url}?token=${session.token}`);
const path = { params: { path: { id: session.id } } };
await ok(api.POST("/api/v1/sessions/{id}/messages", { ...path, body: { content: "When are you open?" } }), 202);
const roles = await until("answer", async () => {
  const all = (await ok(api.GET("/api/v1/sessions/{id}/messages", path), 200)).data.map((message) => message.role);
  return all.includes("user") && all.slice(all.indexOf("user")).includes("assistant") && all;
});
await ok(api.DELETE("/api/v1/sessions/{id}", path), 204);
await until("end of the session", async () => (await ok(api.GET("/api/v1/sessions/{id}", path), 200)).status === "ended");

const place = () =>
  api.POST("/api/v1/calls", {
    params: { header: { "Idempotency-Key": "once" } },
    body: { to: callee, from: "+15550100", assistant_id: assistant.id },
  });
const call = await ok(place(), 201);
assert.equal((await ok(place(), 201)).id, call.id, "the same call");
const ended = await until(
  "end of the call",
  async () => {
    const now = await ok(api.GET("/api/v1/calls/{id}", { params: { path: { id: call.id } } }), 200);
    return now.status === "ended" && now;
  },
  60,
);
assert.equal(ended.outcome, "completed");
const told = await until("webhook", async () => got().find((one) => one.body.type === "call.ended" && one.body.data.call_id === call.id), 60);
assert.deepEqual(told.verified, [true]);
console.log(JSON.stringify({ call: call.id, session: session.id, roles }));
process.exit(0);
