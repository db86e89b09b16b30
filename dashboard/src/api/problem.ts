// Errors of the API (RFC 9457), and of the network, as one thing that a page can show.

export interface ProblemField {
  field: string;
  reason: string;
}

interface ProblemBody {
  title?: string;
  status?: number;
  detail?: string;
  errors?: ProblemField[];
  request_id?: string;
}

/** What went wrong. `status` is 0 when the server was not reached. */
export class Problem extends Error {
  readonly status: number;
  readonly errors: ProblemField[];
  readonly requestId: string | undefined;
  /** Seconds after which to try again. */
  readonly retryAfter: number | undefined;

  constructor(status: number, body: ProblemBody, retryAfter?: number) {
    super(told(status, body, retryAfter));
    this.name = "Problem";
    this.status = status;
    this.errors = body.errors ?? [];
    this.requestId = body.request_id;
    this.retryAfter = retryAfter;
  }

  /** The reason that a field is wrong. */
  field(name: string): string | undefined {
    return this.errors.find((error) => error.field === name)?.reason;
  }
}

function told(status: number, body: ProblemBody, retryAfter: number | undefined): string {
  if (status === 429 && retryAfter !== undefined) return `Too many tries. Wait ${waited(retryAfter)} and try again.`;
  if (status === 412) return "Somebody else changed this meanwhile. It was read again: look at it and save once more.";
  return sentence(body.detail ?? body.title ?? `The server answered ${status}.`);
}

function waited(seconds: number): string {
  if (seconds < 90) return `${seconds} s`;
  return `${Math.ceil(seconds / 60)} min`;
}

/** The API speaks in small letters and without a full stop; pages do not. */
export function sentence(text: string): string {
  if (text === "") return text;
  const whole = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(whole) ? whole : `${whole}.`;
}

/** The problem that an answer tells of; `read` is its body, where somebody has read it already. */
export async function problemOf(response: Response, read?: unknown): Promise<Problem> {
  const seconds = Number(response.headers.get("retry-after"));
  const retryAfter = Number.isFinite(seconds) && seconds > 0 ? seconds : undefined;
  let body: ProblemBody = {};
  try {
    const json: unknown = response.bodyUsed ? read : await response.json();
    if (json !== null && typeof json === "object") body = json as ProblemBody;
  } catch {
    // Not of our server: a proxy before it, most likely.
  }
  return new Problem(response.status, body, retryAfter);
}

/** Whatever was thrown, as a problem. */
export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof TypeError) {
    return new Problem(0, { detail: "The server does not answer. Check that it runs and that the network is up." });
  }
  return new Problem(0, { detail: error instanceof Error ? error.message : "Something went wrong." });
}
