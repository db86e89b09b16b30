// The code of an authenticator, where it is asked for: signing in, and switching the second factor on.
import { useEffect } from "react";
import type { FieldValues, Path, UseFormReturn } from "react-hook-form";
import { Field, wrongOf } from "./form";

export function CodeField<T extends FieldValues>({
  form,
  name,
  label,
  recovery = false,
}: {
  form: UseFormReturn<T>;
  name: Path<T>;
  label: string;
  /** Recovery codes do too: they have letters. */
  recovery?: boolean;
}) {
  useEffect(() => form.setFocus(name), [form, name]);
  return (
    <Field
      label={label}
      hint={recovery ? "Or one of your recovery codes, if the telephone is lost." : undefined}
      wrong={wrongOf(form, name)}
    >
      <input
        inputMode={recovery ? "text" : "numeric"}
        autoComplete="one-time-code"
        className="mono"
        {...form.register(name, { required: true })}
      />
    </Field>
  );
}
