// What is said in passing: "Saved". Screen readers hear it when they are free.
import { X } from "lucide-react";
import { useEffect, useSyncExternalStore } from "react";
import { Button } from "./basics";

interface Toast {
  id: number;
  text: string;
  tone: "good" | "bad";
}

const SHOWN_MS = 5_000;
const SHOWN_MAX = 3;

let toasts: Toast[] = [];
let next = 0;
const listeners = new Set<() => void>();

function set(list: Toast[]): void {
  toasts = list;
  for (const listener of listeners) listener();
}

export function say(text: string, tone: Toast["tone"] = "good"): void {
  next += 1;
  set([...toasts, { id: next, text, tone }].slice(-SHOWN_MAX));
}

const subscribe = (listener: () => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

export function Toasts() {
  const shown = useSyncExternalStore(subscribe, () => toasts);
  return (
    <div className="toasts" role="status" aria-live="polite">
      {shown.map((toast) => (
        <Shown key={toast.id} toast={toast} />
      ))}
    </div>
  );
}

function Shown({ toast }: { toast: Toast }) {
  const away = () => set(toasts.filter((one) => one.id !== toast.id));
  // biome-ignore lint/correctness/useExhaustiveDependencies: one timer a toast
  useEffect(() => {
    const timer = setTimeout(away, SHOWN_MS);
    return () => clearTimeout(timer);
  }, []);
  return (
    <div className={`toast ${toast.tone}`}>
      <span>{toast.text}</span>
      <Button look="quiet" size="small" icon={X} aria-label="Close this message" onClick={away} />
    </div>
  );
}
