// Where one can go: a row a page, with the route of the API it lives from. A page whose route this server does not have does not compile.
import { Building2, FileClock, KeyRound, LayoutDashboard, type LucideIcon, PhoneCall, Users } from "lucide-react";
import type { Route } from "~/api/client";

export interface Place {
  to: string;
  title: string;
  icon: LucideIcon;
  route: Route;
  /** Who may not is not shown it. */
  permission?: string;
}

export interface Group {
  title: string;
  places: Place[];
}

export const NAVIGATION: Group[] = [
  {
    title: "Operate",
    places: [
      { to: "/", title: "Overview", icon: LayoutDashboard, route: "/api/v1/me" },
      { to: "/calls", title: "Calls", icon: PhoneCall, route: "/api/v1/calls", permission: "calls:read" },
    ],
  },
  {
    title: "Access",
    places: [
      { to: "/users", title: "Users", icon: Users, route: "/api/v1/users", permission: "users:read" },
      { to: "/api-keys", title: "API keys", icon: KeyRound, route: "/api/v1/api-keys", permission: "api_keys:read" },
      {
        to: "/organizations",
        title: "Organizations",
        icon: Building2,
        route: "/api/v1/organizations",
        permission: "organizations:read",
      },
      {
        to: "/audit-log",
        title: "Audit log",
        icon: FileClock,
        route: "/api/v1/audit-log",
        permission: "audit_log:read",
      },
    ],
  },
];

/** The groups with what somebody with these permissions may see. */
export function visible(groups: Group[], permissions: readonly string[]): Group[] {
  const seen = groups.map((group) => ({
    ...group,
    places: group.places.filter((place) => place.permission === undefined || permissions.includes(place.permission)),
  }));
  return seen.filter((group) => group.places.length > 0);
}
