import { readFileSync } from "node:fs"
import { join } from "node:path"
import { openapi } from "@elysiajs/openapi"
import { Elysia } from "elysia"
import { completed } from "./openapi-document.ts"

export interface OpenApiDeps {
  readonly version: string
  /** Where `docs/scalar.js` is. */
  readonly assetsFolder: string
}

/**
 * Nothing is fetched from elsewhere, and nothing is reported. The plugin's types
 * know only some of the explorer's options, hence `as never`.
 */
const EXPLORER = {
  url: "/openapi.json", // the plugin's own is relative, and wrong below /docs/
  cdn: "/docs/scalar.js",
  withDefaultFonts: false,
  telemetry: false,
  agent: { disabled: true },
  mcp: { disabled: true },
  showDeveloperTools: "never",
  hideClientButton: true,
} as const

/** `/openapi.json` from the schemas that validate, and `/docs`, which shows it without any network (S-9). */
export function openApi({ version, assetsFolder }: OpenApiDeps) {
  return new Elysia({ name: "openapi" })
    .onAfterHandle(({ path, responseValue }) => (path === "/openapi.json" ? completed(responseValue) : undefined))
    .use(
      openapi({
        path: "/docs",
        specPath: "/openapi.json",
        documentation: {
          info: {
            title: "AgentRuntime",
            version,
            description:
              "Self-hosted runtime for production AI agents. Authenticate with `Authorization: Bearer pat_…` or a session cookie.",
          },
          components: {
            securitySchemes: {
              pat: { type: "http", scheme: "bearer", description: "Personal access token, `pat_…`" },
              session: {
                type: "apiKey",
                in: "cookie",
                name: "agentruntime_session",
                description: "Over TLS the name is `__Host-agentruntime_session`.",
              },
            },
          },
        },
        scalar: EXPLORER as never,
        exclude: { paths: ["/docs", "/openapi.json", "/docs/scalar.js", "/", "/setup", "/login"] },
      }),
    )
    .get("/docs/scalar.js", () => explorer(join(assetsFolder, "docs", "scalar.js")), {
      detail: { hide: true, "x-permission": { access: "public" } } as object,
    })
}

function explorer(path: string): Response {
  return new Response(readFileSync(path), {
    headers: { "content-type": "text/javascript; charset=utf-8", "cache-control": "public, max-age=86400" },
  })
}
