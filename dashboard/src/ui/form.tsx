// Forms: fields with their names, hints and mistakes, and one way to send them.
import { cloneElement, type ReactElement, type ReactNode, useId, useState } from "react";
import type { FieldValues, Path, UseFormReturn } from "react-hook-form";
import { asProblem, type Problem, sentence } from "~/api/problem";
import { Button, Failure } from "./basics";

interface Control {
  id?: string;
  className?: string;
  "aria-describedby"?: string | undefined;
  "aria-invalid"?: boolean | undefined;
}

interface FieldProps {
  label: string;
  hint?: ReactNode;
  wrong?: string | undefined;
  children: ReactElement<Control>;
}

/** A control with its name; screen readers hear the hint and the mistake with it. */
export function Field({ label, hint, wrong, children }: FieldProps) {
  const id = useId();
  const described = [wrong ? `${id}-wrong` : "", hint ? `${id}-hint` : ""].filter(Boolean).join(" ");
  const className = ["input", children.props.className ?? ""].join(" ").trim();
  const control = cloneElement(children, {
    id,
    className,
    "aria-describedby": described || undefined,
    "aria-invalid": wrong ? true : undefined,
  });
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {control}
      {wrong && (
        <span className="wrong" id={`${id}-wrong`} role="alert">
          {wrong}
        </span>
      )}
      {hint && (
        <span className="hint" id={`${id}-hint`}>
          {hint}
        </span>
      )}
    </div>
  );
}

/**
 * Sends a form. What the server says of a field is shown at that field, and all else above the buttons.
 */
export function useSend<T extends FieldValues>(form: UseFormReturn<T>, send: (values: T) => Promise<void>) {
  const [problem, setProblem] = useState<Problem>();
  const submit = form.handleSubmit(async (values) => {
    setProblem(undefined);
    try {
      await send(values);
    } catch (error) {
      const failed = asProblem(error);
      const known = Object.keys(form.getValues());
      let elsewhere = failed.errors.length === 0;
      for (const { field, reason } of failed.errors) {
        const name = known.find((one) => field === one || field.startsWith(`${one}.`));
        if (name === undefined) elsewhere = true;
        else form.setError(name as Path<T>, { type: "server", message: sentence(reason) }, { shouldFocus: true });
      }
      setProblem(elsewhere ? failed : undefined);
    }
  });
  return { submit, problem, busy: form.formState.isSubmitting };
}

/** The last line of a form. */
export function Submit({
  children,
  busy,
  problem,
  cancel,
  look = "primary",
}: {
  children: ReactNode;
  busy: boolean;
  problem: Problem | undefined;
  cancel?: () => void;
  look?: "primary" | "danger";
}) {
  return (
    <>
      {problem && <Failure error={problem} />}
      <div className="buttons row">
        {cancel && (
          <Button onClick={cancel} disabled={busy}>
            Cancel
          </Button>
        )}
        <Button type="submit" look={look} busy={busy}>
          {children}
        </Button>
      </div>
    </>
  );
}

/** What is wrong with a field, for [`Field`]. */
export function wrongOf<T extends FieldValues>(form: UseFormReturn<T>, name: Path<T>): string | undefined {
  const error = form.getFieldState(name, form.formState).error;
  if (error === undefined) return undefined;
  return error.message || (error.type === "required" ? "This is needed." : "This is wrong.");
}
