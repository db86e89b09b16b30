// Where one can go: a row a page, with the route of the API it lives from. What the server does not have, or one may not, is not shown.
import {
  Bot,
  Brain,
  Building2,
  Cable,
  ChartColumn,
  FileClock,
  Hash,
  KeyRound,
  LayoutDashboard,
  type LucideIcon,
  Mic,
  PhoneCall,
  Plug,
  Radio,
  Server,
  SlidersHorizontal,
  Target,
  ToggleRight,
  Users,
  Webhook,
  Wrench,
} from "lucide-react";
import type { Served } from "~/api/served";

export interface Place {
  to: string;
  title: string;
  icon: LucideIcon;
  /** GET /api/v1/users */
  route: string;
  /** Who may not is not shown it. */
  permission?: string;
}

export interface Group {
  title: string;
  places: Place[];
}

const place = (to: string, title: string, icon: LucideIcon, route: string, permission?: string): Place => ({
  to,
  title,
  icon,
  route,
  ...(permission === undefined ? {} : { permission }),
});

export const NAVIGATION: Group[] = [
  {
    title: "Operate",
    places: [
      place("/", "Overview", LayoutDashboard, "GET /api/v1/me"),
      place("/live", "Live calls", Radio, "GET /api/v1/calls", "calls:read"),
      place("/calls", "Calls", PhoneCall, "GET /api/v1/calls/{id}", "calls:read"),
      place("/analytics", "Analytics", ChartColumn, "GET /api/v1/analytics/summary", "calls:read"),
      place("/leads", "Leads", Target, "GET /api/v1/leads", "leads:read"),
      place("/memories", "Memories", Brain, "GET /api/v1/memories", "memories:read"),
      place("/node", "Node", Server, "GET /api/v1/admin/node", "node:read"),
    ],
  },
  {
    title: "Build",
    places: [
      place("/talk", "Talk", Mic, "POST /api/v1/sessions", "sessions:write"),
      place("/assistants", "Assistants", Bot, "GET /api/v1/assistants", "assistants:read"),
      place("/phone-numbers", "Numbers", Hash, "GET /api/v1/phone-numbers", "phone_numbers:read"),
      place("/trunks", "Trunks", Cable, "GET /api/v1/trunks", "trunks:read"),
      place("/tools", "Tools", Wrench, "GET /api/v1/tools", "tools:read"),
      place("/mcp-servers", "MCP servers", Plug, "GET /api/v1/mcp-servers", "tools:read"),
      place("/webhooks", "Webhooks", Webhook, "GET /api/v1/webhooks", "webhooks:read"),
      place("/configurations", "Configuration", SlidersHorizontal, "GET /api/v1/configurations", "configurations:read"),
      place("/feature-flags", "Feature flags", ToggleRight, "GET /api/v1/feature-flags", "feature_flags:read"),
    ],
  },
  {
    title: "Access",
    places: [
      place("/users", "Users", Users, "GET /api/v1/users", "users:read"),
      place("/api-keys", "API keys", KeyRound, "GET /api/v1/api-keys", "api_keys:read"),
      place("/organizations", "Organizations", Building2, "GET /api/v1/organizations", "organizations:read"),
      place("/audit-log", "Audit log", FileClock, "GET /api/v1/audit-log", "audit_log:read"),
    ],
  },
];

/** The groups with what this server has, and somebody with these permissions may see. */
export function visible(groups: Group[], permissions: readonly string[], served: Served): Group[] {
  const may = ({ permission, route }: Place) =>
    served.has(route) && (permission === undefined || permissions.includes(permission));
  return groups
    .map((group) => ({ ...group, places: group.places.filter(may) }))
    .filter((group) => group.places.length > 0);
}
