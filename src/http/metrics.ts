import { Elysia, t } from "elysia"
import type { Gate } from "./gate.ts"

export interface MetricsText {
  text(): Promise<string>
  readonly contentType: string
}

/** For a Prometheus server (S-9). Public like the health routes: it names no workspace, and a scraper has no session. */
export const metricsRoutes = (deps: { gate: Gate; metrics: MetricsText }) =>
  new Elysia().use(deps.gate).get(
    "/metrics",
    async ({ set }) => {
      set.headers["content-type"] = deps.metrics.contentType
      return await deps.metrics.text()
    },
    {
      permit: { access: "public" },
      response: t.String({ description: "The text format of Prometheus." }),
      detail: { summary: "Counters and gauges of this process", tags: ["Health"] },
    },
  )
