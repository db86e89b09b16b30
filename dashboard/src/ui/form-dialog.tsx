// A form in a dialog, and what is said once it was sent: a secret that is shown this once.
import { useQueryClient } from "@tanstack/react-query";
import type { FormEvent, ReactNode } from "react";
import type { Problem } from "~/api/problem";
import { Button, Notice, Secret } from "./basics";
import { Dialog } from "./dialog";
import { Submit } from "./form";

/** What `useSend` gives. */
export interface Sent {
  submit: (event?: FormEvent) => Promise<void>;
  problem: Problem | undefined;
  busy: boolean;
}

interface FormDialogProps {
  title: string;
  about?: ReactNode;
  wide?: boolean;
  sent: Sent;
  /** What its button says. */
  verb: string;
  look?: "primary" | "danger";
  close: () => void;
  children: ReactNode;
}

export function FormDialog({ title, about, wide = false, sent, verb, look, close, children }: FormDialogProps) {
  return (
    <Dialog title={title} about={about} wide={wide} close={close}>
      <form className="form" onSubmit={sent.submit} noValidate>
        {children}
        <Submit busy={sent.busy} problem={sent.problem} cancel={close} {...(look ? { look } : {})}>
          {verb}
        </Submit>
      </form>
    </Dialog>
  );
}

/** Letters that nobody is shown again. */
export function ShownOnce({
  title,
  about,
  letters,
  close,
}: {
  title: string;
  about: string;
  letters: string;
  close: () => void;
}) {
  return (
    <Dialog title={title} close={close}>
      <div className="stack">
        <Notice tone="warn">{about}</Notice>
        <Secret text={letters} />
        <div className="buttons">
          <Button look="primary" onClick={close}>
            I have it
          </Button>
        </div>
      </div>
    </Dialog>
  );
}

/** Has lists read again, by their keys. */
export function useChanged(...keys: string[]): () => Promise<unknown> {
  const queries = useQueryClient();
  return () => Promise.all(keys.map((key) => queries.invalidateQueries({ queryKey: [key] })));
}
