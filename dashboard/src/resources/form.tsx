// The fields of a form that is written down as data.
import type { ReactElement } from "react";
import type { UseFormReturn } from "react-hook-form";
import { Field, wrongOf } from "~/ui/form";
import { type FieldSpec, type FormValues, inputName, type SectionSpec } from "./fields";

export function Fields({
  form,
  sections,
  disabled,
}: {
  form: UseFormReturn<FormValues>;
  sections: SectionSpec[];
  disabled?: boolean;
}) {
  return sections.map((section) => (
    <fieldset key={section.title} className="form" disabled={disabled}>
      {sections.length > 1 && (
        <legend>
          <h3>{section.title}</h3>
        </legend>
      )}
      {section.about && <p className="muted small">{section.about}</p>}
      <div className="columns">
        {section.fields.map((field) => (
          <div key={field.name} className={WIDE.has(field.kind) ? "across" : ""}>
            <Field label={field.label} hint={field.hint} wrong={wrongOf(form, inputName(field))}>
              {control(field, form)}
            </Field>
          </div>
        ))}
      </div>
    </fieldset>
  ));
}

const WIDE: ReadonlySet<FieldSpec["kind"]> = new Set(["long", "json", "lines"] as const);

function control(field: FieldSpec, form: UseFormReturn<FormValues>): ReactElement<object> {
  const registered = form.register(inputName(field), field.required ? { required: true } : {});
  const { placeholder } = field;
  switch (field.kind) {
    case "long":
      return <textarea rows={6} placeholder={placeholder} {...registered} />;
    case "lines":
      return <textarea rows={3} placeholder={placeholder} {...registered} />;
    case "json":
      return (
        <textarea rows={5} className="mono" spellCheck={false} placeholder={placeholder ?? "{ }"} {...registered} />
      );
    case "number":
      return <input inputMode="decimal" placeholder={placeholder} {...registered} />;
    case "secret":
      return <input type="password" autoComplete="off" placeholder={placeholder} {...registered} />;
    case "yes-no":
      return (
        <select {...registered}>
          <option value="">{field.none ?? "By default"}</option>
          <option value="true">Yes</option>
          <option value="false">No</option>
        </select>
      );
    case "choice":
      return (
        <select {...registered}>
          {field.none !== undefined && <option value="">{field.none}</option>}
          {field.options?.map((option) => (
            <option key={option}>{option}</option>
          ))}
        </select>
      );
    default:
      return <input autoComplete="off" placeholder={placeholder} {...registered} />;
  }
}
