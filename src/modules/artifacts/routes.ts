import { Elysia, t } from "elysia"
import type { Gate } from "../../http/gate.ts"
import { pageOf, pageQuery } from "../../http/paging.ts"
import { type Permission, READ_WORKFLOWS, WRITE_WORKFLOWS } from "../../http/permission.ts"
import { artifactListShape, artifactShape } from "./contract.ts"
import { servedType } from "./media-type.ts"
import type { ArtifactService } from "./service.ts"
import type { ArtifactRow } from "./store.ts"

const READ: Permission = { access: "project", role: "project_viewer", scopes: READ_WORKFLOWS }
const WRITE: Permission = { access: "project", role: "project_contributor", scopes: WRITE_WORKFLOWS }
const tags = ["Artifacts"]

export const artifactRoutes = ({ gate, artifacts }: { gate: Gate; artifacts: ArtifactService }) =>
  new Elysia({ prefix: "/v1/artifacts" })
    .use(gate)
    .get("", ({ caller, query }) => artifacts.list(caller, query.run_id ?? null, pageOf(query)), {
      permit: READ,
      query: t.Object({ ...pageQuery, run_id: t.Optional(t.String({ description: "Only what this run gave." })) }),
      response: artifactListShape,
      detail: { summary: "Images, sounds and files that steps gave, newest first", tags },
    })
    .get("/:id", ({ caller, params }) => artifacts.get(caller, params.id), {
      permit: READ,
      response: artifactShape,
      detail: { summary: "One artifact, without its bytes", tags },
    })
    .get(
      "/:id/content",
      async ({ caller, params }) => {
        const { row, path } = await artifacts.content(caller, params.id)
        return new Response(Bun.file(path), { headers: contentHeaders(row) })
      },
      {
        permit: READ,
        response: { 200: t.Any({ description: "The bytes, as a download." }) },
        detail: {
          summary: "The bytes of an artifact",
          description: "Always a download. Types in which a browser may find a script are sent as application/octet-stream.",
          tags,
        },
      },
    )
    .delete(
      "/:id",
      async ({ caller, params, set }) => {
        await artifacts.delete(caller, params.id)
        set.status = 204
      },
      {
        permit: WRITE,
        response: { 204: t.Void() },
        detail: { summary: "Delete an artifact; its bytes go with the last one that has them", tags },
      },
    )

/** The bytes are anybody's, and this origin has its users' sessions: a browser may save them, and never run them. */
function contentHeaders({ id, name, mimeType, sha256 }: ArtifactRow): Record<string, string> {
  return {
    "content-type": servedType(mimeType),
    "content-disposition": attachment(name ?? id),
    "content-security-policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "cache-control": "private, no-cache",
    etag: `"${sha256}"`,
  }
}

/** The exact name as RFC 8187 writes it, and one in plain letters for whoever does not read that. */
function attachment(name: string): string {
  const plain = name.replaceAll(/[^\w. ()-]/g, "_")
  const exact = encodeURIComponent(name).replaceAll(/['()*]/g, c => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
  return `attachment; filename="${plain}"; filename*=UTF-8''${exact}`
}
