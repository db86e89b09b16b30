// Dialogs and menus: radix-ui keeps the focus, the keys and what screen readers hear; the looks are ours.
import { MoreHorizontal, X } from "lucide-react";
import { DropdownMenu, Dialog as Radix } from "radix-ui";
import { type ReactNode, useRef, useState } from "react";
import { asProblem, type Problem } from "~/api/problem";
import { Button, Failure } from "./basics";

export function Dialog({
  title,
  about,
  wide,
  close,
  children,
}: {
  title: string;
  about?: ReactNode;
  wide?: boolean;
  close: () => void;
  children: ReactNode;
}) {
  const [opener] = useState(takeOpener);
  const giveBack = (event: Event) => {
    event.preventDefault();
    opener?.focus();
  };
  return (
    <Radix.Root open onOpenChange={(open) => !open && close()}>
      <Radix.Portal>
        <Radix.Overlay className="veil" />
        <Radix.Content
          className={wide ? "dialog wide" : "dialog"}
          onOpenAutoFocus={toFirstField}
          onCloseAutoFocus={giveBack}
          {...(about ? {} : { "aria-describedby": undefined })}
        >
          <header>
            <div>
              <Radix.Title>{title}</Radix.Title>
              {about && <Radix.Description className="muted">{about}</Radix.Description>}
            </div>
            <Radix.Close asChild>
              <Button look="quiet" icon={X} aria-label="Close" />
            </Radix.Close>
          </header>
          <div className="inside">{children}</div>
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

/** The menu whose entry opens the next dialog: the entry itself is gone when the dialog closes. */
let menuOpener: HTMLElement | undefined;

/** Where the focus goes when the dialog closes. */
function takeOpener(): HTMLElement | undefined {
  const opener = menuOpener ?? (document.activeElement instanceof HTMLElement ? document.activeElement : undefined);
  menuOpener = undefined;
  return opener;
}

/** Whoever opens a form wants to fill it in, and not to close it. */
function toFirstField(event: Event) {
  const dialog = event.currentTarget as HTMLElement | null;
  const field = dialog?.querySelector<HTMLElement>("input:not([type=checkbox]), select, textarea");
  if (!field) return;
  event.preventDefault();
  field.focus();
}

/** Asks before something that cannot be taken back. */
export function Confirm({
  title,
  children,
  verb,
  act,
  close,
  tone = "danger",
}: {
  title: string;
  children: ReactNode;
  verb: string;
  act: () => Promise<unknown>;
  close: () => void;
  tone?: "danger" | "primary";
}) {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem>();
  const run = async () => {
    setBusy(true);
    setProblem(undefined);
    try {
      await act();
      close();
    } catch (error) {
      setProblem(asProblem(error));
      setBusy(false);
    }
  };
  return (
    <Dialog title={title} close={close}>
      <div className="stack">
        <div>{children}</div>
        {problem && <Failure error={problem} />}
        <div className="buttons">
          <Button onClick={close} disabled={busy}>
            Cancel
          </Button>
          <Button look={tone} busy={busy} onClick={run}>
            {verb}
          </Button>
        </div>
      </div>
    </Dialog>
  );
}

export interface MenuEntry {
  label: string;
  act: () => void;
  danger?: boolean;
}

/** What can be done with a row. */
export function RowMenu({ label, entries }: { label: string; entries: MenuEntry[] }) {
  const trigger = useRef<HTMLButtonElement>(null);
  if (entries.length === 0) return null;
  const choose = (act: () => void) => {
    menuOpener = trigger.current ?? undefined;
    act();
  };
  return (
    <DropdownMenu.Root>
      <DropdownMenu.Trigger asChild>
        <Button ref={trigger} look="quiet" icon={MoreHorizontal} aria-label={label} />
      </DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content className="menu" align="end" sideOffset={4}>
          {entries.map((entry) => (
            <DropdownMenu.Item
              key={entry.label}
              className={entry.danger ? "danger" : ""}
              onSelect={() => choose(entry.act)}
            >
              {entry.label}
            </DropdownMenu.Item>
          ))}
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}
