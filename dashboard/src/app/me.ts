// Who is signed in, for every page: read once before the first page is drawn.
import { useSuspenseQuery } from "@tanstack/react-query";
import { type Me, meQuery, type Role } from "~/api/queries";

const RANK: Role[] = ["owner", "admin", "agent", "viewer"];

export function useMe(): Me {
  return useSuspenseQuery(meQuery).data;
}

export function useMay(permission: string): boolean {
  return useMe().permissions.includes(permission);
}

/** Roles that somebody may give: their own and those below it. */
export function rolesBelow(role: string): Role[] {
  const rank = RANK.indexOf(role as Role);
  return rank < 0 ? [] : RANK.slice(rank);
}

/** Of the operator's organization, which sees the node and all organizations. */
export function isOperator(me: Me): boolean {
  return me.organization_id === "default";
}
