// What calls came to, and how their media is.
import { queryOptions } from "@tanstack/react-query";
import { api, body } from "./client";

export type GroupBy = "hour" | "day" | "assistant" | "direction";

/** Figures are counted again so often, and soon after a call that came or went. */
const FIGURES_AGAIN_MS = 60_000;
const MEDIA_AGAIN_MS = 2_000;

export const summaryQuery = (since: Date, group_by?: GroupBy) =>
  queryOptions({
    queryKey: ["analytics", since.toISOString(), group_by],
    queryFn: () =>
      body(api.GET("/api/v1/analytics/summary", { params: { query: { since: since.toISOString(), group_by } } })),
    refetchInterval: FIGURES_AGAIN_MS,
  });

/** How the media of a call is, again and again while it is up. */
export const mediaQuery = (id: string, up: boolean) =>
  queryOptions({
    queryKey: ["media", id],
    queryFn: () => body(api.GET("/api/v1/calls/{id}/stats", { params: { path: { id } } })),
    refetchInterval: up ? MEDIA_AGAIN_MS : false,
    retry: false,
  });

export const trunkQuery = (id: string) =>
  queryOptions({
    queryKey: ["trunk-status", id],
    queryFn: () => body(api.GET("/api/v1/trunks/{id}/status", { params: { path: { id } } })),
    refetchInterval: 10_000,
    retry: false,
  });
