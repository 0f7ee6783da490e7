import { Elysia, t } from "elysia"
import type { Gate } from "../../http/gate.ts"
import { pageOf, pageQuery } from "../../http/paging.ts"
import type { Permission } from "../../http/permission.ts"
import { rfc3339, rfc3339OrNull } from "../../kernel/clock.ts"
import { AppError } from "../../kernel/errors.ts"
import { NewPat, PatId, PatList, PatRequest, RevealedPat } from "./contract.ts"
import type { PatInfo, PatService } from "./service.ts"

export interface PatRouteDeps {
  readonly gate: Gate
  readonly pats: PatService
}

const MANAGE: Permission = { access: "project", role: "project_contributor", scopes: ["pat:manage"] }
const REVEAL: Permission = { access: "project", role: "project_viewer", scopes: ["pat:manage"] }
const WHERE_A_PAT_ACTS =
  "A token acts in its own project. X-Project-Id may name another one of the workspace: the owner's role there decides, " +
  "together with the token's scopes."
const tags = ["Personal access tokens"]

export const patRoutes = ({ gate, pats }: PatRouteDeps) =>
  new Elysia({ prefix: "/v1/pats" })
    .use(gate)
    .get(
      "",
      async ({ caller, query }) => {
        const page = pageOf(query)
        const { items, total } = await pats.list(caller, query.include_revoked ? "with_revoked" : "good", page)
        return { pats: items.map(onWire), total, ...page }
      },
      {
        permit: MANAGE,
        query: t.Object({
          ...pageQuery,
          include_revoked: t.Optional(t.Boolean({ description: "Revoked ones, too; they are kept for 30 days." })),
        }),
        response: PatList,
        detail: {
          summary: "My tokens in this project, without their secrets; an admin sees everybody's",
          description: WHERE_A_PAT_ACTS,
          tags,
        },
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
        detail: {
          summary: "Make a token that acts as me in this project",
          description: `A token makes tokens with scopes of its own only, and they end when it is revoked. ${WHERE_A_PAT_ACTS}`,
          tags,
        },
      },
    )
    .get(
      "/:id/reveal",
      async ({ caller, params: { id }, request }) => {
        // Elysia lets a GET route answer HEAD, whose answer nobody sees: it would use the one reveal up.
        if (request.method !== "GET") throw new AppError("bad_request", "a token is revealed by GET only")
        return { id, token: await pats.reveal(caller, id) }
      },
      {
        permit: REVEAL,
        params: PatId,
        response: RevealedPat,
        detail: {
          summary: "Show my token once more; afterwards 410",
          description: "A token reveals another one only if it has all of that one's scopes.",
          tags,
        },
      },
    )
    .delete(
      "/:id",
      async ({ caller, params, set }) => {
        await pats.revoke(caller, params.id)
        set.status = 204
      },
      {
        permit: MANAGE,
        params: PatId,
        response: { 204: t.Void() },
        detail: { summary: "Revoke a token, and all that were made with it", tags },
      },
    )

function onWire(pat: PatInfo) {
  return {
    id: pat.id,
    display_name: pat.displayName,
    scopes: pat.scopes,
    token_hint: pat.tokenHint,
    user_id: pat.userId,
    created_by_pat_id: pat.createdByPatId,
    created_at: rfc3339(pat.createdAt),
    last_used_at: rfc3339OrNull(pat.lastUsedAt),
    revealed_at: rfc3339OrNull(pat.revealedAt),
    revoked_at: rfc3339OrNull(pat.revokedAt),
  }
}
