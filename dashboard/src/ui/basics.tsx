// The small parts that every page is made of.
import { AlertTriangle, Check, CircleAlert, Copy, type LucideIcon } from "lucide-react";
import { type ButtonHTMLAttributes, type ReactNode, type Ref, useEffect, useState } from "react";
import { asProblem, type Problem, sentence } from "~/api/problem";
import { ago, moment } from "~/lib/format";

type Tone = "plain" | "good" | "warn" | "bad" | "note";

interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  ref?: Ref<HTMLButtonElement> | undefined;
  look?: "primary" | "danger" | "quiet" | "plain";
  size?: "small" | "normal";
  icon?: LucideIcon;
  /** Says that it works: it cannot be pressed again, and keeps its width. */
  busy?: boolean;
}

export function Button({
  look = "plain",
  size = "normal",
  icon: Icon,
  busy,
  children,
  className,
  ...rest
}: ButtonProps) {
  const classes = ["button", look, size === "small" ? "small" : "", children ? "" : "icon", className ?? ""];
  return (
    <button
      type="button"
      {...rest}
      className={classes.filter(Boolean).join(" ")}
      disabled={rest.disabled || busy}
      aria-busy={busy || undefined}
    >
      {Icon && <Icon size={16} aria-hidden />}
      {children}
    </button>
  );
}

export function Badge({ tone = "plain", live, children }: { tone?: Tone; live?: boolean; children: ReactNode }) {
  return <span className={`badge ${tone}${live ? " live" : ""}`}>{children}</span>;
}

export function Notice({
  tone,
  title,
  children,
}: {
  tone: "good" | "warn" | "bad";
  title?: string;
  children?: ReactNode;
}) {
  const Icon = tone === "good" ? Check : tone === "warn" ? AlertTriangle : CircleAlert;
  return (
    <div className={`notice ${tone}`} role={tone === "bad" ? "alert" : undefined}>
      <Icon size={17} aria-hidden />
      <div className="body">
        {title && <strong>{title}</strong>}
        {children}
      </div>
    </div>
  );
}

/** What failed, why, and a way on. */
export function Failure({ error, again }: { error: unknown; again?: () => void }) {
  const problem = asProblem(error);
  const also = fieldsOf(problem);
  return (
    <Notice tone="bad">
      <span>{problem.message}</span>
      {also && <span>{also}</span>}
      {problem.requestId && problem.status >= 500 && (
        <span className="small">
          For the log: <code>{problem.requestId}</code>
        </span>
      )}
      {again && (
        <span>
          <Button size="small" onClick={again}>
            Try again
          </Button>
        </span>
      )}
    </Notice>
  );
}

/** Fields that no form here has are told in words. */
function fieldsOf(problem: Problem): string | undefined {
  if (problem.errors.length === 0) return undefined;
  return sentence(problem.errors.map(({ field, reason }) => `${field} ${reason}`).join("; "));
}

export function Empty({
  icon: Icon,
  title,
  children,
  action,
}: {
  icon: LucideIcon;
  title: string;
  children?: ReactNode;
  action?: ReactNode;
}) {
  return (
    <div className="empty">
      <Icon size={26} aria-hidden />
      <h2>{title}</h2>
      {children && <p>{children}</p>}
      {action && <div className="row">{action}</div>}
    </div>
  );
}

/** Lines where text will be, as high as the text, so that nothing moves. */
export function Loading({ lines = 4 }: { lines?: number }) {
  return (
    <div className="inside stack" role="status" aria-label="Loading">
      {Array.from({ length: lines }, (_, line) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the lines are all alike
        <div key={line} className="skeleton" style={{ width: `${92 - ((line * 23) % 47)}%` }} />
      ))}
    </div>
  );
}

/** A moment, as long ago as it is, and exactly on hovering. */
export function When({ at, none = "never" }: { at: string | null | undefined; none?: string }) {
  const now = useNow(30_000);
  if (!at) return <span className="muted">{none}</span>;
  return (
    <time dateTime={at} title={moment(at)}>
      {ago(at, now)}
    </time>
  );
}

/** The time of day, again and again. */
export function useNow(everyMilliseconds: number): Date {
  const [now, setNow] = useState(() => new Date());
  useEffect(() => {
    const timer = setInterval(() => setNow(new Date()), everyMilliseconds);
    return () => clearInterval(timer);
  }, [everyMilliseconds]);
  return now;
}

export function CopyButton({ text, label }: { text: string; label: string }) {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), 2_000);
    return () => clearTimeout(timer);
  }, [copied]);
  const copy = async () => {
    await copyText(text);
    setCopied(true);
  };
  return (
    <Button size="small" icon={copied ? Check : Copy} onClick={copy}>
      {copied ? "Copied" : label}
    </Button>
  );
}

/** The clipboard is for https and this machine; elsewhere a selection does. */
async function copyText(text: string): Promise<void> {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

export function Secret({ text, label = "Copy" }: { text: string; label?: string }) {
  return (
    <div className="secret">
      <code>{text}</code>
      <CopyButton text={text} label={label} />
    </div>
  );
}

export function PageHead({ title, children, actions }: { title: string; children?: ReactNode; actions?: ReactNode }) {
  useEffect(() => {
    document.title = `${title} · Offhook`;
  }, [title]);
  return (
    <header className="page-head">
      <div className="words">
        <h1>{title}</h1>
        {children && <p>{children}</p>}
      </div>
      {actions && <div className="row">{actions}</div>}
    </header>
  );
}

export function Facts({ rows }: { rows: [name: string, value: ReactNode][] }) {
  return (
    <dl className="facts">
      {rows.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value ?? <span className="muted">–</span>}</dd>
        </div>
      ))}
    </dl>
  );
}

export function Card({
  title,
  about,
  actions,
  children,
  flush,
}: {
  title?: string;
  about?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
  /** Without space around what is inside: for tables. */
  flush?: boolean;
}) {
  return (
    <section className="card" aria-label={title}>
      {title && (
        <header>
          <div>
            <h2>{title}</h2>
            {about && <p className="muted small">{about}</p>}
          </div>
          {actions && <div className="row">{actions}</div>}
        </header>
      )}
      {flush ? children : <div className="inside">{children}</div>}
    </section>
  );
}
