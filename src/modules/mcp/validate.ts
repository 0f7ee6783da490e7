import { missingKeys } from "../../connectors/config.ts"
import type { CallContext, Connector } from "../../connectors/connector.ts"
import { asker } from "../../kernel/asker.ts"
import { type Clock, rfc3339 } from "../../kernel/clock.ts"
import type { ValidationBody } from "./contract.ts"
import type { InstanceWithProfile } from "./store.ts"
import { effectiveConfig } from "./wiring.ts"

type Check = ValidationBody["checks"][number]
type Finding = Pick<Check, "status" | "message">

const PROBE_TIMEOUT_MS = 10_000

/** Whether an instance can be used: configuration, credentials, and a look at the service that changes nothing (G-23). */
export async function validateInstance(
  connector: Connector,
  { instance, profile }: InstanceWithProfile,
  clock: Clock,
  signal: AbortSignal,
): Promise<ValidationBody> {
  const config = profile ? effectiveConfig(profile) : {}
  const timed = async (id: string, check: () => Finding | Promise<Finding>): Promise<Check> => {
    const startedAt = clock.now()
    const finding = await check()
    return { id, ...finding, duration_ms: Math.max(0, clock.now() - startedAt) }
  }
  const missing = missingKeys(connector.configSchema, config)
  const secrets = missing.filter(key => connector.configSchema[key]?.secret)
  const checks = [
    await timed("config_complete", () => complete(missing.filter(key => !secrets.includes(key)))),
    await timed("credentials_present", () => credentials(connector, secrets)),
    await timed("reachability", () => {
      if (missing.length > 0) return { status: "skipped", message: "the configuration is not complete" }
      return reach(connector, {
        config,
        signal,
        scope: instance,
        timeoutMs: PROBE_TIMEOUT_MS,
        idempotencyKey: `validate:${instance.id}`,
        asker: asker(`validation of ${instance.serverSlug}`, instance),
      })
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

function credentials(connector: Connector, missing: readonly string[]): Finding {
  if (missing.length > 0) return { status: "failed", message: `missing: ${missing.join(", ")}` }
  const needed = Object.values(connector.configSchema).some(field => field.secret)
  return needed ? { status: "passed", message: "every credential is there" } : { status: "skipped", message: "none are needed" }
}

async function reach(connector: Connector, context: CallContext): Promise<Finding> {
  if (!connector.probe) return { status: "skipped", message: "the connector has no call that only looks" }
  const result = await connector.probe(context)
  return result.ok ? { status: "passed", message: "reached" } : { status: "failed", message: result.message }
}
