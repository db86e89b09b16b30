// Who is signed in here. The access token is in this module's memory and nowhere else; the refresh token is a cookie that no script reads.
// A refresh token works once, and showing it twice ends the login, so of all tabs one refreshes at a time.
import { asProblem, Problem, problemOf } from "./problem";

/** `starting` until the cookie was tried. */
export type SessionState = "starting" | "out" | "in";

interface Tokens {
  access_token: string;
  expires_in: number;
}

const REFRESH_EARLY_MS = 60_000;
const AGAIN_MS = 5_000;
const HERE_BEFORE = "offhook-signed-in";
const LOCK = "offhook-refresh";

let token: string | undefined;
let expiresAt = 0;
let state: SessionState = "starting";
let timer: ReturnType<typeof setTimeout> | undefined;
let underway: Promise<boolean> | undefined;

const listeners = new Set<() => void>();
const tabs = typeof BroadcastChannel === "undefined" ? undefined : new BroadcastChannel("offhook-session");
if (tabs) tabs.onmessage = (event) => event.data === "out" && forget();

export const session = {
  subscribe(listener: () => void): () => void {
    listeners.add(listener);
    return () => listeners.delete(listener);
  },
  state: (): SessionState => state,
  token: (): string | undefined => token,

  /** Tries the cookie of a login from before. A browser that never had one is not made to ask. */
  async start(): Promise<void> {
    if (!remembered()) return become("out");
    await session.refresh();
  },

  async signIn(credentials: { email: string; password: string; totp?: string }): Promise<void> {
    keep(await ask("login", { ...credentials, cookie: true }));
  },

  /** Gets the next access token; false when the login is over. Many may ask at once. */
  refresh(): Promise<boolean> {
    underway ??= alone(renew).finally(() => {
      underway = undefined;
    });
    return underway;
  },

  async signOut(): Promise<void> {
    const shown = token;
    forget();
    tabs?.postMessage("out");
    if (shown === undefined) return;
    const headers = { authorization: `Bearer ${shown}` };
    await fetch("/api/v1/auth/logout", { method: "POST", headers, keepalive: true });
  },

  /** The login has ended on the server already. */
  ended(): void {
    forget();
    tabs?.postMessage("out");
  },
};

async function renew(): Promise<boolean> {
  try {
    keep(await ask("refresh", {}));
    return true;
  } catch (error) {
    const { status } = asProblem(error);
    const over = status >= 400 && status < 500 && status !== 429 && status !== 408;
    if (over) {
      forget();
      return false;
    }
    if (state === "starting") {
      become("out");
      return false;
    }
    // The server is away or busy: the token of now may still work.
    plan(AGAIN_MS);
    return token !== undefined && Date.now() < expiresAt;
  }
}

/** One tab at a time, where the browser has locks: it has them over https and on this machine. */
function alone<T>(work: () => Promise<T>): Promise<T> {
  if (!("locks" in navigator) || !navigator.locks) return work();
  return navigator.locks.request(LOCK, work) as Promise<T>;
}

async function ask(what: "login" | "refresh", body: object): Promise<Tokens> {
  const response = await fetch(`/api/v1/auth/${what}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
    // An answer that is lost with its page would leave a cookie that was used already.
    keepalive: true,
  });
  if (!response.ok) throw await problemOf(response);
  const tokens: unknown = await response.json();
  if (!isTokens(tokens)) throw new Problem(response.status, { detail: "the server's answer was not understood" });
  return tokens;
}

function isTokens(value: unknown): value is Tokens {
  const tokens = value as Partial<Tokens> | null;
  return typeof tokens?.access_token === "string" && typeof tokens.expires_in === "number";
}

function keep(tokens: Tokens): void {
  token = tokens.access_token;
  expiresAt = Date.now() + tokens.expires_in * 1000;
  plan(Math.max(tokens.expires_in * 1000 - REFRESH_EARLY_MS, AGAIN_MS));
  remember(true);
  become("in");
}

function forget(): void {
  token = undefined;
  expiresAt = 0;
  clearTimeout(timer);
  remember(false);
  become("out");
}

function plan(milliseconds: number): void {
  clearTimeout(timer);
  timer = setTimeout(() => void session.refresh(), milliseconds);
}

function become(next: SessionState): void {
  if (state === next) return;
  state = next;
  for (const listener of listeners) listener();
}

// Says that there may be a cookie, and nothing else.
function remember(signedIn: boolean): void {
  try {
    if (signedIn) localStorage.setItem(HERE_BEFORE, "1");
    else localStorage.removeItem(HERE_BEFORE);
  } catch {
    // Storage is off: one signs in after each reload.
  }
}

function remembered(): boolean {
  try {
    return localStorage.getItem(HERE_BEFORE) !== null;
  } catch {
    return true;
  }
}

// A machine that slept wakes with a token that is too old, and its timers come late.
if (typeof document !== "undefined") {
  document.addEventListener("visibilitychange", () => {
    const late = state === "in" && Date.now() > expiresAt - REFRESH_EARLY_MS;
    if (document.visibilityState === "visible" && late) void session.refresh();
  });
}
