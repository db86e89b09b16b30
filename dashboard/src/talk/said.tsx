// The conversation of a session, line by line, and where one types.
import { SendHorizontal } from "lucide-react";
import { useEffect, useRef } from "react";
import { useForm } from "react-hook-form";
import { milliseconds } from "~/lib/format";
import { Badge, Button } from "~/ui/basics";
import type { Talk } from "./conversation";

export function Said({ talk, assistant }: { talk: Talk; assistant: string }) {
  const box = useRef<HTMLElement>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: on each new word
  useEffect(() => {
    box.current?.scrollTo({ top: box.current.scrollHeight });
  }, [talk.lines, talk.speaks]);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable
    <section className="talk-lines" ref={box} aria-label="Conversation" tabIndex={0}>
      {talk.lines.length === 0 && (
        <p className="muted">
          {talk.state === "connecting" ? "Connecting…" : "Say something, or wait for the first word."}
        </p>
      )}
      <ol role="log" aria-live="polite">
        {talk.lines.map((line) => (
          <li key={line.key} className={line.who}>
            <span className="muted small">
              {line.who === "user" ? "You" : assistant}
              {line.heardMs !== undefined && (
                <>
                  {" "}
                  <Badge tone="warn">Cut short after {milliseconds(line.heardMs)}</Badge>
                </>
              )}
            </span>
            <p className="wrap-anywhere">{line.text}</p>
          </li>
        ))}
        {talk.speaks && (
          <li className="user" aria-hidden>
            <p className="muted">…</p>
          </li>
        )}
      </ol>
    </section>
  );
}

/** What is typed is answered by text, and by voice where there is one. */
export function Composer({ type, disabled }: { type: (text: string) => void; disabled: boolean }) {
  const form = useForm({ defaultValues: { text: "" } });
  const submit = form.handleSubmit(({ text }) => {
    if (text.trim() === "") return;
    type(text.trim());
    form.reset();
    form.setFocus("text");
  });
  useEffect(() => {
    if (!disabled) form.setFocus("text");
  }, [disabled, form]);
  return (
    <form className="composer" onSubmit={submit}>
      <input
        className="input"
        aria-label="What you want to say"
        placeholder="Type to it"
        autoComplete="off"
        disabled={disabled}
        {...form.register("text")}
      />
      <Button type="submit" look="primary" icon={SendHorizontal} aria-label="Send" disabled={disabled} />
    </form>
  );
}
