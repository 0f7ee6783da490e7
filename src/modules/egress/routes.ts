import { Elysia, t } from "elysia"
import type { Gate } from "../../http/gate.ts"
import { momentOf } from "../../http/moment.ts"
import { pageOf, pageQuery } from "../../http/paging.ts"
import { type Permission, READ_MCP } from "../../http/permission.ts"
import { attemptListShape, policyShape } from "./contract.ts"
import type { EgressService } from "./service.ts"

const READ: Permission = { access: "tenant", role: "tenant_admin", scopes: READ_MCP }
const tags = ["Egress"]

export const egressRoutes = ({ gate, egressService }: { gate: Gate; egressService: EgressService }) =>
  new Elysia({ prefix: "/v1/egress" })
    .use(gate)
    .get("/policy", () => egressService.policy(), {
      permit: READ,
      response: policyShape,
      detail: { summary: "What may leave this instance", tags },
    })
    .get(
      "/attempts",
      ({ caller, query }) => {
        const since = query.since === undefined ? null : momentOf("since", query.since)
        return egressService.attempts(caller, { allowed: query.allowed ?? null, host: query.host ?? null, since }, pageOf(query))
      },
      {
        permit: READ,
        query: t.Object({
          ...pageQuery,
          allowed: t.Optional(t.Boolean({ description: "Only those that were let out, or only those that were refused." })),
          host: t.Optional(t.String({ maxLength: 255, description: "Exactly this one." })),
          since: t.Optional(t.String({ description: "RFC 3339; at or after." })),
        }),
        response: attemptListShape,
        detail: {
          summary: "What this workspace reached outside, or tried to, newest first",
          description: "Recorded while the instance is sealed. A token sees what its own project did.",
          tags,
        },
      },
    )
