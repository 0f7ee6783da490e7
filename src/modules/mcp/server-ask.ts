import type { Egress } from "../../adapters/egress/egress.ts"
import type { McpClients, McpTarget, RequestOptions } from "../../adapters/mcp/mcp.ts"
import { missingKeys } from "../../connectors/config.ts"
import type { Scope } from "../../connectors/connector.ts"
import type { Credentials, CredentialsOf } from "../../connectors/credentials.ts"
import { asker } from "../../kernel/asker.ts"
import type { Clock } from "../../kernel/clock.ts"
import { AppError } from "../../kernel/errors.ts"
import type { JsonObject } from "../../kernel/json.ts"
import type { Mask } from "../../kernel/masked.ts"
import { failureOf, type Servers } from "./directory.ts"
import { type Discovered, discover, requireTools } from "./discovery.ts"
import { maskOf, secretsIn } from "./guarded.ts"
import type { RegisteredServer, ServerWiring } from "./remote-server.ts"
import type { AskAs, BindingValidationBody } from "./server-contract.ts"
import { type TargetDeps, targetOf, wiringProblem } from "./server-target.ts"
import { type Validated, validateServer } from "./server-validate.ts"

export type ConnectionExists = (scope: { readonly tenantId: string }, connectionId: string) => Promise<boolean>

/** What an instance is called with; a string says why it cannot be. */
export type WiringOf = (scope: Scope, instanceId: string) => Promise<ServerWiring | string>

export interface ServerAskDeps extends TargetDeps {
  readonly clients: McpClients
  readonly egress: Egress
  readonly directory: Servers
  readonly clock: Clock
  readonly credentialsOf: CredentialsOf
  readonly connectionExists: ConnectionExists
  readonly wiringOf: WiringOf
  /** The project's oldest instance of a server. */
  readonly instanceOf: (scope: Scope, serverId: string) => Promise<string | null>
}

export type Asked = Discovered
type BindingCheck = BindingValidationBody["checks"][number]

/** For all of it. */
const ASK_TIMEOUT_MS = 30_000

/** Asks a server what it is, with the credentials that somebody names. Nothing here calls a tool that changes anything. */
export class ServerAsk {
  constructor(private readonly deps: ServerAskDeps) {}

  /** Throws `invalid` with a sentence for whatever the server does. */
  async discover(scope: Scope, server: RegisteredServer, as: AskAs, signal: AbortSignal): Promise<Asked> {
    const wiring = await this.#wiring(scope, server, as)
    const problem = wiringProblem(server, wiring)
    if (problem !== null) throw undiscovered(server, `${problem}; name an instance_id or a connection_id that has it`)
    const target = this.#target(scope, server, wiring)
    try {
      const found = await discover(this.deps, target, options(scope, server, signal))
      requireTools(found)
      this.deps.directory.known.remember(target.key, scope, server.id, found.tools, this.deps.clock.now())
      return found
    } catch (error) {
      if (error instanceof AppError) throw error
      throw undiscovered(server, maskFor(server, wiring).text(failureOf(error).message))
    }
  }

  async validate(scope: Scope, server: RegisteredServer, as: AskAs, signal: AbortSignal): Promise<Validated> {
    const { clients, egress, clock, directory } = this.deps
    const wiring = await this.#wiring(scope, server, as)
    const target = this.#target(scope, server, wiring)
    const deps = { clients, egress, now: () => clock.now() }
    const problem = wiringProblem(server, wiring)
    const validated = await validateServer(deps, server, target, options(scope, server, signal), problem)
    if (validated.tools) directory.known.remember(target.key, scope, server.id, validated.tools, clock.now())
    const mask = maskFor(server, wiring)
    return { ...validated, checks: validated.checks.map(check => ({ ...check, message: mask.text(check.message) })) }
  }

  /** The three checks of a binding (contract G-23). */
  async binding(
    scope: Scope,
    server: RegisteredServer,
    connectionId: string,
    signal: AbortSignal,
  ): Promise<readonly BindingCheck[]> {
    const { clients, clock, credentialsOf, connectionExists } = this.deps
    if (!(await connectionExists(scope, connectionId))) throw new AppError("not_found", "no such connection")
    const credentials = await credentialsOf(scope, connectionId)
    const wiring = credentials.ok ? wiringFrom(server, connectionId, credentials) : null
    const missing = missingKeys(server.configSchema, wiring?.config ?? {})
    const checks: BindingCheck[] = []
    const timed = async (id: BindingCheck["id"], check: () => Promise<Finding> | Finding) => {
      const startedAt = clock.now()
      const finding = await check()
      const message = maskFor(server, wiring).text(finding.message)
      checks.push({ id, status: finding.status, message, duration_ms: Math.max(0, clock.now() - startedAt) })
    }
    const plain = missing.filter(key => !server.configSchema[key]?.secret)
    const secret = missing.filter(key => server.configSchema[key]?.secret)
    await timed("config_complete", () => complete(plain))
    await timed("credentials_present", () => (credentials.ok ? complete(secret) : failed(credentials.message)))
    await timed("reachability", async () => {
      if (checks.some(check => check.status === "failed")) return skipped("the connection does not give everything")
      const problem = wiringProblem(server, wiring)
      if (problem !== null) return failed(problem)
      try {
        const { name, version } = await clients.connect(this.#target(scope, server, wiring), options(scope, server, signal))
        return passed(`reached: ${name} ${version}`)
      } catch (error) {
        return failed(failureOf(error).message)
      }
    })
    return checks
  }

  #target(scope: Scope, server: RegisteredServer, wiring: ServerWiring | null): McpTarget {
    const target = targetOf(this.deps, scope, server, wiring)
    if (target) return target
    throw new AppError("not_found", "no such MCP server")
  }

  async #wiring(scope: Scope, server: RegisteredServer, as: AskAs): Promise<ServerWiring | null> {
    if (server.origin === "operator") return null
    if (as.connection_id !== undefined) {
      const credentials = await this.deps.credentialsOf(scope, as.connection_id)
      if (!credentials.ok) throw new AppError("invalid", `connection_id: ${credentials.message}`)
      return wiringFrom(server, as.connection_id, credentials)
    }
    if (as.instance_id !== undefined) {
      const found = await this.deps.wiringOf(scope, as.instance_id)
      if (typeof found === "string") throw new AppError("invalid", `instance_id: ${found}`)
      return found
    }
    if (wiringProblem(server, null) === null) return null
    const own = await this.deps.instanceOf(scope, server.id)
    const found = own === null ? null : await this.deps.wiringOf(scope, own)
    return typeof found === "string" ? null : found
  }
}

type Finding = Pick<BindingCheck, "status" | "message">

/** As if an instance were bound to this connection; there is none, so no instance id goes out. */
function wiringFrom(
  server: RegisteredServer,
  connectionId: string,
  { values }: Credentials & { readonly ok: true },
): ServerWiring {
  const known = Object.keys(values).filter(key => Object.hasOwn(server.configSchema, key))
  const secrets = Object.keys(server.configSchema).filter(key => server.configSchema[key]?.secret)
  const [value] = Object.values(values)
  const [secret] = secrets
  const config: JsonObject =
    known.length === 0 && secrets.length === 1 && secret !== undefined && Object.keys(values).length === 1
      ? { [secret]: value ?? "" }
      : Object.fromEntries(Object.entries(values))
  return { instanceId: null, config, connectionId }
}

function options(scope: Scope, server: RegisteredServer, signal: AbortSignal): RequestOptions {
  const within = AbortSignal.any([signal, AbortSignal.timeout(ASK_TIMEOUT_MS)])
  return { asker: asker(`look at MCP server ${server.service}`, scope), signal: within, timeoutMs: ASK_TIMEOUT_MS }
}

function undiscovered(server: RegisteredServer, why: string): AppError {
  return new AppError("invalid", `${server.name} could not be asked for its tools: ${why}`, { code: "MCP_DISCOVERY_FAILED" })
}

function complete(missing: readonly string[]): Finding {
  return missing.length === 0 ? passed("everything that is needed is there") : failed(`missing: ${missing.join(", ")}`)
}

const passed = (message: string): Finding => ({ status: "passed", message })
const failed = (message: string): Finding => ({ status: "failed", message })
const skipped = (message: string): Finding => ({ status: "skipped", message })

function maskFor(server: RegisteredServer, wiring: ServerWiring | null): Mask {
  return maskOf(secretsIn(server.configSchema, wiring?.config ?? {}))
}
