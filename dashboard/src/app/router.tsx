// Which page is at which path. Each page is a piece of script of its own, loaded when it is asked for.
import { createRootRoute, createRoute, createRouter, Link, lazyRouteComponent } from "@tanstack/react-router";
import { Compass } from "lucide-react";
import { Empty, Failure } from "~/ui/basics";
import { Gate } from "./gate";
import { Shell } from "./shell";

const root = createRootRoute({
  component: () => (
    <Gate>
      <Shell />
    </Gate>
  ),
  notFoundComponent: NotFound,
});

const page = <P extends string>(path: P, load: () => Promise<{ default: () => React.ReactNode }>) =>
  createRoute({ getParentRoute: () => root, path, component: lazyRouteComponent(load) });

export const callRoute = createRoute({
  getParentRoute: () => root,
  path: "/calls/$id",
  component: lazyRouteComponent(() => import("~/pages/call")),
});

/** Who is to answer, and how one is here to talk: then it begins at once. */
interface TalkSearch {
  assistant?: string;
  by?: "typing" | "voice";
}

const talkRoute = createRoute({
  getParentRoute: () => root,
  path: "/talk",
  component: lazyRouteComponent(() => import("~/pages/talk")),
  validateSearch: (search): TalkSearch => ({
    ...(typeof search.assistant === "string" && search.assistant !== "" ? { assistant: search.assistant } : {}),
    ...(search.by === "typing" || search.by === "voice" ? { by: search.by } : {}),
  }),
});

const tree = root.addChildren([
  page("/", () => import("~/pages/overview")),
  page("/calls", () => import("~/pages/calls")),
  callRoute,
  talkRoute,
  page("/live", () => import("~/pages/live")),
  page("/analytics", () => import("~/pages/analytics")),
  page("/trunks", () => import("~/pages/trunks")),
  page("/leads", () => import("~/pages/leads")),
  page("/memories", () => import("~/pages/memories")),
  page("/webhooks", () => import("~/pages/webhooks")),
  page("/node", () => import("~/pages/node")),
  page("/assistants", () => import("~/pages/assistants")),
  createRoute({
    getParentRoute: () => root,
    path: "/assistants/$id",
    component: lazyRouteComponent(() => import("~/pages/assistant")),
  }),
  page("/phone-numbers", () => import("~/pages/phone-numbers")),
  page("/tools", () => import("~/pages/tools")),
  page("/mcp-servers", () => import("~/pages/mcp-servers")),
  page("/configurations", () => import("~/pages/configurations")),
  page("/feature-flags", () => import("~/pages/feature-flags")),
  page("/users", () => import("~/pages/users")),
  page("/api-keys", () => import("~/pages/api-keys")),
  page("/organizations", () => import("~/pages/organizations")),
  page("/audit-log", () => import("~/pages/audit-log")),
  page("/account", () => import("~/pages/account")),
]);

export const router = createRouter({
  routeTree: tree,
  defaultPreload: "intent",
  defaultErrorComponent: ({ error, reset }) => <Failure error={error} again={reset} />,
  scrollRestoration: true,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}

function NotFound() {
  return (
    <Empty
      icon={Compass}
      title="There is no such page"
      action={
        <Link className="button primary" to="/">
          To the overview
        </Link>
      }
    >
      The address may be from another version, or of something that was deleted.
    </Empty>
  );
}
