import { Elysia, t } from "elysia"
import { parseJson, readBytes } from "../../http/body.ts"
import type { Gate } from "../../http/gate.ts"
import { AppError } from "../../kernel/errors.ts"
import type { ConfigEndpoint } from "./config-endpoint.ts"

/** The configuration schema of a connector is in it. */
const BODY_MAX_BYTES = 256 * 1024

const told = t.Object({ message: t.String(), error: t.String() })
const configAnswer = t.Object({
  config: t.Record(t.String(), t.Unknown()),
  config_schema: t.Record(t.String(), t.Unknown()),
  bridge: t.Nullable(t.Record(t.String(), t.Unknown())),
})

/** Where connectors that were built with the public kits fetch their settings. */
export const mcpConfigRoutes = ({ gate, mcpConfig }: { readonly gate: Gate; readonly mcpConfig: ConfigEndpoint }) =>
  new Elysia().use(gate).post(
    "/mcp/config",
    async ({ request, set }) => {
      const token = request.headers.get("authorization") ?? request.headers.get("x-mcp-token")
      try {
        const bytes = await readBytes(request, BODY_MAX_BYTES)
        const { status, body } = await mcpConfig(token, bytes.byteLength === 0 ? null : parseJson(bytes))
        set.status = status
        // Secrets are in it.
        set.headers["cache-control"] = "no-store"
        return body as never // the one shape or the other, by status
      } catch (error) {
        if (!(error instanceof AppError)) throw error
        throw new AppError(error.kind, error.message, { ...error.extras, fields: { message: error.message } })
      }
    },
    {
      permit: { access: "signed" },
      response: { 200: configAnswer, 401: told, 403: told, 404: told, 422: told },
      detail: {
        summary: "The configuration of the instance that a run token was made for",
        description:
          'Bearer run token; body `{"runtime_context":{"instance_id","server_id","tool_name"}}`, which must name what the token is for.',
        tags: ["MCP"],
      },
    },
  )
