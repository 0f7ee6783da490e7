import { t } from "elysia"
import { NAME_MAX_CHARS, URL_MAX_CHARS } from "../../kernel/limits.ts"

export const mcpBeginShape = t.Object({
  server_id: t.String({ minLength: 1, maxLength: 200, description: "A registered MCP server whose `auth_mode` is `oauth`." }),
  connection_id: t.Optional(t.String({ description: "The connection that gets the new tokens; else one is made." })),
  scopes: t.Optional(t.Array(t.String({ pattern: "^[\\x21\\x23-\\x5b\\x5d-\\x7e]{1,200}$" }), { maxItems: 100 })),
  redirect_uri: t.Optional(t.String({ maxLength: URL_MAX_CHARS, description: "Default: `{public_url}/connections/callback`." })),
  display_name: t.Optional(t.String({ minLength: 1, maxLength: NAME_MAX_CHARS, pattern: "^[^\\u0000]*$" })),
})
export type McpBeginning = typeof mcpBeginShape.static
