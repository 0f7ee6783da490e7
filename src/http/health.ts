import { Elysia, t } from "elysia"
import type { Gate } from "./gate.ts"

export interface Readiness {
  readonly ready: boolean
  /** Why not, for people. */
  readonly reason: string | null
}

/** Liveness: the process answers. Readiness: it can take work now (S-9). */
export const healthRoutes = (deps: { gate: Gate; readiness: () => Promise<Readiness> }) =>
  new Elysia({ prefix: "/health" })
    .use(deps.gate)
    .get("/live", () => ({ status: "live" as const }), {
      permit: { access: "public" },
      response: t.Object({ status: t.Literal("live") }),
      detail: { summary: "Whether the process answers", tags: ["Health"] },
    })
    .get(
      "/ready",
      async ({ status }) => {
        const { ready, reason } = await deps.readiness()
        return ready ? { status: "ready" as const, reason } : status(503, { status: "not_ready" as const, reason })
      },
      {
        permit: { access: "public" },
        response: {
          200: t.Object({ status: t.Literal("ready"), reason: t.Nullable(t.String()) }),
          503: t.Object({ status: t.Literal("not_ready"), reason: t.Nullable(t.String()) }),
        },
        detail: { summary: "Whether it can take work now", tags: ["Health"] },
      },
    )
