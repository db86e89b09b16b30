// Signing in: password first, and a code when the server asks for one.

import { useEffect, useState } from "react";
import { useForm } from "react-hook-form";
import { asProblem } from "~/api/problem";
import { session } from "~/api/session";
import { Notice } from "~/ui/basics";
import { CodeField } from "~/ui/code-field";
import { Field, Submit, useSend, wrongOf } from "~/ui/form";

interface Shown {
  email: string;
  password: string;
  totp: string;
}

export default function SignIn() {
  const form = useForm<Shown>({ defaultValues: { email: "", password: "", totp: "" } });
  const [codeWanted, setCodeWanted] = useState(false);
  useEffect(() => {
    document.title = "Sign in · Offhook";
  }, []);
  const { submit, problem, busy } = useSend(form, async ({ email, password, totp }) => {
    try {
      await session.signIn({ email: email.trim(), password, ...(codeWanted ? { totp: totp.trim() } : {}) });
    } catch (error) {
      const first = asProblem(error).field("totp") === "is missing" && !codeWanted;
      if (!first) throw error;
      setCodeWanted(true);
    }
  });
  return (
    <div className="door">
      <main>
        <div className="brand">
          <img src="/favicon.svg" alt="" width={30} height={30} />
          Offhook
        </div>
        <div className="card">
          <h1>{codeWanted ? "Enter your code" : "Sign in"}</h1>
          <form className="form" onSubmit={submit} noValidate>
            <div className="form" hidden={codeWanted}>
              <Field label="E-mail" wrong={wrongOf(form, "email")}>
                <input type="email" autoComplete="username" {...form.register("email", { required: true })} />
              </Field>
              <Field label="Password" wrong={wrongOf(form, "password")}>
                <input
                  type="password"
                  autoComplete="current-password"
                  {...form.register("password", { required: true })}
                />
              </Field>
            </div>
            {codeWanted && <Code form={form} />}
            <Submit busy={busy} problem={problem}>
              Sign in
            </Submit>
          </form>
        </div>
        <footer>
          The first start of a server prints an owner and a password. Another one:{" "}
          <code className="wrap-anywhere">offhook user add EMAIL</code>
        </footer>
      </main>
    </div>
  );
}

function Code({ form }: { form: ReturnType<typeof useForm<Shown>> }) {
  return (
    <>
      <CodeField form={form} name="totp" label="Code of your authenticator" recovery />
      {form.formState.submitCount > 2 && (
        <Notice tone="warn">A code works for 30 s, and once. Is the clock of the telephone right?</Notice>
      )}
    </>
  );
}
