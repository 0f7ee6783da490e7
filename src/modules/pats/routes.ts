import { Elysia, t } from "elysia"
import type { Gate } from "../../http/gate.ts"
import { pageOf, pageQuery } from "../../http/paging.ts"
import type { Permission } from "../../http/permission.ts"
import { rfc3339, rfc3339OrNull } from "../../kernel/clock.ts"
import { NewPat, PatId, PatList, PatRequest, RevealedPat } from "./contract.ts"
import type { PatInfo, PatService } from "./service.ts"

export interface PatRouteDeps {
  readonly gate: Gate
  readonly pats: PatService
}

const MANAGE: Permission = { access: "project", role: "project_contributor", scopes: ["pat:manage"] }
const REVEAL: Permission = { access: "project", role: "project_viewer", scopes: ["pat:manage"] }
const tags = ["Personal access tokens"]

export const patRoutes = ({ gate, pats }: PatRouteDeps) =>
  new Elysia({ prefix: "/v1/pats" })
    .use(gate)
    .get(
      "",
      async ({ caller, query }) => {
        const page = pageOf(query)
        const { items, total } = await pats.list(caller, page)
        return { pats: items.map(onWire), total, ...page }
      },
      {
        permit: MANAGE,
        query: t.Object(pageQuery),
        response: PatList,
        detail: { summary: "My tokens in this project, without their secrets; an admin sees everybody's", tags },
      },
    )
    .post(
      "",
      async ({ caller, body, status }) => {
        const { pat, token } = await pats.create(caller, { displayName: body.display_name, scopes: body.scopes })
        return status(201, {
          id: pat.id,
          display_name: pat.displayName,
          token,
          scopes: pat.scopes,
          created_at: rfc3339(pat.createdAt),
        })
      },
      {
        permit: MANAGE,
        body: PatRequest,
        response: { 201: NewPat },
        detail: { summary: "Make a token that acts as me in this project", tags },
      },
    )
    .get("/:id/reveal", async ({ caller, params: { id } }) => ({ id, token: await pats.reveal(caller, id) }), {
      permit: REVEAL,
      params: PatId,
      response: RevealedPat,
      detail: { summary: "Show my token once more; afterwards 410", tags },
    })
    .delete(
      "/:id",
      async ({ caller, params, set }) => {
        await pats.revoke(caller, params.id)
        set.status = 204
      },
      { permit: MANAGE, params: PatId, response: { 204: t.Void() }, detail: { summary: "Revoke a token", tags } },
    )

function onWire(pat: PatInfo) {
  return {
    id: pat.id,
    display_name: pat.displayName,
    scopes: pat.scopes,
    token_hint: pat.tokenHint,
    user_id: pat.userId,
    created_at: rfc3339(pat.createdAt),
    last_used_at: rfc3339OrNull(pat.lastUsedAt),
    revealed_at: rfc3339OrNull(pat.revealedAt),
    revoked_at: rfc3339OrNull(pat.revokedAt),
  }
}
