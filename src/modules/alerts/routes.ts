import { Elysia, t } from "elysia"
import type { Gate } from "../../http/gate.ts"
import { pageOf, pageQuery } from "../../http/paging.ts"
import { type Permission, READ_WORKFLOWS } from "../../http/permission.ts"
import { alertListShape } from "./contract.ts"
import type { AlertService } from "./service.ts"

const READ: Permission = { access: "project", role: "project_viewer", scopes: READ_WORKFLOWS }

export const alertRoutes = (deps: { gate: Gate; alerts: AlertService }) =>
  new Elysia({ prefix: "/v1/alerts" })
    .use(deps.gate)
    .get("", ({ caller, query }) => deps.alerts.list(caller, query.standing ?? null, pageOf(query)), {
      permit: READ,
      query: t.Object({
        ...pageQuery,
        standing: t.Optional(t.Boolean({ description: "Only those that stand, or only those that are over." })),
      }),
      response: alertListShape,
      detail: { summary: "What needs attention in this project, newest first", tags: ["Alerts"] },
    })
