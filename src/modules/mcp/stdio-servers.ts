import type { StdioTarget } from "../../adapters/mcp/mcp.ts"
import type { Scope } from "../../connectors/connector.ts"
import { isUuid } from "../../kernel/ids.ts"
import type { StdioServer } from "../../kernel/stdio-server.ts"
import type { RegisteredServer } from "./remote-server.ts"

export interface StdioServers {
  /** By name. */
  list(scope: Scope): readonly RegisteredServer[]
  /** By `stdio:NAME`, or by its address `stdio://NAME`. */
  find(scope: Scope, text: string): RegisteredServer | null
  target(scope: Scope, id: string): StdioTarget | null
}

export interface StdioDeps {
  readonly declared: readonly StdioServer[]
  /** What every process has of this program's own environment. */
  readonly baseEnv: Readonly<Record<string, string>>
}

const NAME = /^stdio:(?:\/\/)?([a-z0-9][a-z0-9_-]{0,62})\/?$/

export function createStdioServers({ declared, baseEnv }: StdioDeps): StdioServers {
  // Who names a workspace chooses its slug; one like the id of a project must not get what is that project's.
  const mine = ({ tenantId, projectId }: Scope, server: StdioServer) =>
    server.projects.some(who => who === "*" || who === projectId || (who === tenantId && !isUuid(who)))

  function declaredAs(scope: Scope, text: string): StdioServer | null {
    const [, name] = NAME.exec(text.trim()) ?? []
    return declared.find(server => server.name === name && mine(scope, server)) ?? null
  }

  return {
    list: scope => declared.filter(server => mine(scope, server)).map(registered),
    find(scope, text) {
      const found = declaredAs(scope, text)
      return found ? registered(found) : null
    },
    target(scope, id) {
      const found = declaredAs(scope, id)
      if (!found) return null
      const { name, command, env, cwd } = found
      // What one project keeps in such a process is never another's, and a slug of one workspace may be a project's elsewhere.
      const key = ["stdio", scope.tenantId, scope.projectId, name].join("/")
      return { kind: "stdio", key, name, command, env: { ...baseEnv, ...env }, cwd }
    },
  }
}

function registered({ name, description }: StdioServer): RegisteredServer {
  return {
    id: `stdio:${name}`,
    service: name.replaceAll("-", "_"),
    name,
    description,
    canonicalUrl: `stdio://${name}`,
    authMode: "none",
    configSchema: {},
    tools: [],
    version: null,
    status: "active",
    bridge: null,
    origin: "operator",
  }
}
