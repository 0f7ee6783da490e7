import type { ConfigSchema, ToolResult, ToolServer } from "../../connectors/connector.ts"
import type { JsonObject } from "../../kernel/json.ts"
import { createMask, type Mask } from "../../kernel/masked.ts"

/** Shorter values are words that a result may well hold by itself. */
const SECRET_MIN_CHARS = 8
/** As run-token.ts makes them; a server that was sent one may repeat it, and this runtime serves more than one. */
const RUN_TOKEN = /rt_[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{43}/

/** The values of an instance's configuration that nobody may see in what comes of a call. */
export function secretsIn(
  schema: ConfigSchema,
  config: JsonObject,
  wiredKeys: ReadonlySet<string> = new Set(),
): readonly string[] {
  return Object.entries(config).flatMap(([key, value]) => {
    const isSecret = (Object.hasOwn(schema, key) && schema[key]?.secret === true) || wiredKeys.has(key)
    return isSecret && typeof value === "string" && value.length >= SECRET_MIN_CHARS ? [value] : []
  })
}

export function maskOf(secrets: readonly string[]): Mask {
  return createMask(secrets, RUN_TOKEN)
}

/**
 * A service may send back what it was given, in its answer as in its errors. All of it ends in a run's events, so this is the one
 * place through which every result of every tool goes.
 */
export function guarded(server: ToolServer, secrets: readonly string[]): ToolServer {
  const mask = maskOf(secrets)
  const { name, tools, failure } = server
  return {
    name,
    tools,
    ...(failure && { failure: { ...failure, message: mask.text(failure.message) } }),
    async call(tool, args, context) {
      const { onProgress } = context
      const told = onProgress && {
        onProgress: (progress: Parameters<typeof onProgress>[0]) =>
          onProgress(progress.message === undefined ? progress : { ...progress, message: mask.text(progress.message) }),
      }
      return maskedResult(await server.call(tool, args, { ...context, ...told }), mask)
    },
  }
}

export function maskedResult(result: ToolResult, mask: Mask): ToolResult {
  if (!result.ok) return { ...result, message: mask.text(result.message) }
  try {
    return { ok: true, value: mask.json(result.value) as JsonObject } // an object stays one
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    return { ok: false, message: "the answer is nested too deeply to be looked through", retryable: false }
  }
}
