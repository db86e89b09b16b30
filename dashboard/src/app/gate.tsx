// Before any page: who is not signed in signs in, and everybody else goes on to where they wanted to.
import { QueryErrorResetBoundary, useQueryClient } from "@tanstack/react-query";
import { Component, lazy, type ReactNode, Suspense, useEffect, useSyncExternalStore } from "react";
import { session } from "~/api/session";
import { Failure, Loading } from "~/ui/basics";

const SignIn = lazy(() => import("~/pages/sign-in"));

export function Gate({ children }: { children: ReactNode }) {
  const state = useSyncExternalStore(session.subscribe, session.state);
  const queries = useQueryClient();
  useEffect(() => {
    // What one user saw is not the next one's.
    if (state === "out") queries.clear();
  }, [state, queries]);
  if (state === "starting") return <Loading />;
  return (
    <QueryErrorResetBoundary>
      {({ reset }) => (
        <Net reset={reset}>
          <Suspense fallback={<Loading />}>{state === "in" ? children : <SignIn />}</Suspense>
        </Net>
      )}
    </QueryErrorResetBoundary>
  );
}

/** Catches what no page did. */
export class Net extends Component<{ children: ReactNode; reset?: () => void }, { error: unknown }> {
  override state: { error: unknown } = { error: undefined };

  static getDerivedStateFromError(error: unknown) {
    return { error };
  }

  override render() {
    if (this.state.error === undefined) return this.props.children;
    const again = () => {
      this.props.reset?.();
      this.setState({ error: undefined });
    };
    return (
      <main className="main">
        <Failure error={this.state.error} again={again} />
      </main>
    );
  }
}
