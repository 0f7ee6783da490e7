import type { ConfigSchema } from "../../connectors/connector.ts"
import { asker } from "../../kernel/asker.ts"
import { type Clock, rfc3339 } from "../../kernel/clock.ts"
import type { ValidationBody } from "./contract.ts"
import { maskOf, secretsIn } from "./guarded.ts"
import type { KnownServer } from "./known-servers.ts"
import type { ProfileValues, Values } from "./profile-values.ts"
import type { Asking, ServerWiring } from "./remote-server.ts"
import type { InstanceWithProfile } from "./store.ts"
import { missingIn } from "./wiring.ts"

type Check = ValidationBody["checks"][number]
type Finding = Pick<Check, "status" | "message">

const PROBE_TIMEOUT_MS = 10_000

export interface ValidateDeps {
  readonly values: ProfileValues
  readonly clock: Clock
  readonly signal: AbortSignal
}

/** Whether an instance can be used: configuration, credentials, and a look at the service that changes nothing (G-23). */
export async function validateInstance(
  server: KnownServer,
  { instance, profile }: InstanceWithProfile,
  { values, clock, signal }: ValidateDeps,
): Promise<ValidationBody> {
  const { configSchema } = server
  const wiring = profile ?? { tenantId: instance.tenantId, config: {}, sourceSpec: {} }
  const timed = async (id: string, check: () => Finding | Promise<Finding>): Promise<Check> => {
    const startedAt = clock.now()
    const finding = await check()
    return { id, ...finding, duration_ms: Math.max(0, clock.now() - startedAt) }
  }
  const missing = missingIn(configSchema, wiring)
  const secrets = missing.filter(key => configSchema[key]?.secret)
  let read: Values = { ok: false, message: "the configuration is not complete" }
  const checks = [
    await timed("config_complete", () => complete(missing.filter(key => !secrets.includes(key)))),
    await timed("credentials_present", async () => {
      if (secrets.length > 0) return { status: "failed", message: `missing: ${secrets.join(", ")}` }
      if (missing.length === 0) read = await values.read(configSchema, wiring, null)
      return credentials(configSchema, read, missing)
    }),
    await timed("reachability", () => {
      if (!read.ok) return { status: "skipped", message: read.message }
      const { config, connectionId, sourcedKeys } = read
      const asking = {
        ...{ scope: instance, signal, timeoutMs: PROBE_TIMEOUT_MS },
        asker: asker(`validation of ${instance.serverSlug}`, instance),
      }
      return reach(
        server,
        { instanceId: instance.id, config, connectionId },
        asking,
        secretsIn(configSchema, config, sourcedKeys),
      )
    }),
  ]
  const valid = checks.every(check => check.status !== "failed")
  return {
    server_id: instance.serverId,
    instance_id: instance.id,
    valid,
    status: valid ? "passed" : "failed",
    checks,
    validated_at: rfc3339(clock.now()),
  }
}

function complete(missing: readonly string[]): Finding {
  if (missing.length > 0) return { status: "failed", message: `missing: ${missing.join(", ")}` }
  return { status: "passed", message: "every required value is there" }
}

function credentials(schema: ConfigSchema, read: Values, missing: readonly string[]): Finding {
  if (!read.ok && missing.length === 0) return { status: "failed", message: read.message }
  const needed = Object.values(schema).some(field => field.secret)
  return needed ? { status: "passed", message: "every credential is there" } : { status: "skipped", message: "none are needed" }
}

async function reach({ reach }: KnownServer, wiring: ServerWiring, asking: Asking, secrets: readonly string[]): Promise<Finding> {
  if (!reach) return { status: "skipped", message: "the connector has no call that only looks" }
  const result = await reach(wiring, asking)
  return result.ok
    ? { status: "passed", message: "reached" }
    : { status: "failed", message: maskOf(secrets).text(result.message) }
}
