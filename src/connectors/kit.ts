import type { Static, TObject, TSchema } from "typebox"
import { EgressFailed, EgressRefused } from "../adapters/egress/errors.ts"
import { messageOf } from "../kernel/errors.ts"
import type { JsonObject } from "../kernel/json.ts"
import { adapter } from "./catalog.ts"
import { withDefaults } from "./config.ts"
import type { CallContext, Connector, Tool, ToolAnnotations, ToolResult } from "./connector.ts"

/** A tool in a few lines: what it takes and gives, as TypeBox schemas, and what it does. */
export interface ToolDefinition<Input extends TObject = TObject> {
  readonly name: string
  readonly description: string
  /** Make it with `additionalProperties: false`: a misspelt argument is told, not ignored. */
  readonly input: Input
  readonly output: TSchema
  readonly hints: Hints
  /** Gives the result object, with the documented names at its top level. Throws `ToolFailure` for what went wrong. */
  run(args: Static<Input>, call: ToolCall): Promise<JsonObject>
}

/**
 * `reads`: changes nothing. `sets`: a repeat changes nothing more. `adds`: a repeat adds again. `destroys`: takes something away.
 * `anything`: whatever the arguments say.
 */
export type Hints = "reads" | "sets" | "adds" | "destroys" | "anything"

/** Its configuration has the schema's defaults. */
export type ToolCall = CallContext

const ANNOTATIONS: Readonly<Record<Hints, ToolAnnotations>> = {
  reads: { readOnlyHint: true, idempotentHint: true, destructiveHint: false },
  sets: { readOnlyHint: false, idempotentHint: true, destructiveHint: false },
  adds: { readOnlyHint: false, idempotentHint: false, destructiveHint: false },
  destroys: { readOnlyHint: false, idempotentHint: true, destructiveHint: true },
  anything: { readOnlyHint: false, idempotentHint: false, destructiveHint: true },
}

/**
 * What a tool says when it cannot do what it was asked. The message is the service's own text where it has one, and never
 * holds a secret: it ends in the run's events.
 */
export class ToolFailure extends Error {
  override readonly name = "ToolFailure"
  readonly retryable: boolean
  readonly timeout: boolean

  constructor(message: string, more: { readonly retryable?: boolean; readonly timeout?: boolean } = {}) {
    super(message)
    this.retryable = more.retryable ?? false
    this.timeout = more.timeout ?? false
  }
}

/** Keeps the type of the arguments with the handler. */
export function tool<Input extends TObject>(definition: ToolDefinition<Input>): ToolDefinition {
  // A handler is only ever called with arguments that were checked against its own schema.
  return definition as unknown as ToolDefinition
}

export interface ConnectorParts {
  readonly slug: string
  readonly tools: readonly ToolDefinition[]
  /** Finds out whether this configuration reaches its service, without changing anything there. Throws `ToolFailure`. */
  readonly probe?: (call: ToolCall) => Promise<unknown>
}

/** A connector of these tools; what the catalog documents of it comes from there. */
export function createConnector({ slug, tools, probe }: ConnectorParts): Connector {
  const documented = adapter(slug)
  const byName = new Map(tools.map(one => [one.name, one]))
  const prepared = (context: CallContext): ToolCall => ({
    ...context,
    config: withDefaults(documented.configSchema, context.config),
  })
  return {
    ...documented,
    tools: tools.map(toolOf),
    async call(name, args, context) {
      const found = byName.get(name)
      if (!found)
        return { ok: false, message: `${documented.name} has no tool ${JSON.stringify(name.slice(0, 120))}`, retryable: false }
      return await resultOf(context, async () => await found.run(args, prepared(context)))
    },
    ...(probe && {
      probe: context =>
        resultOf(context, async () => {
          await probe(prepared(context))
          return {}
        }),
    }),
  }
}

function toolOf({ name, description, input, output, hints }: ToolDefinition): Tool {
  return {
    name,
    description,
    // TypeBox schemas are plain JSON Schema.
    inputSchema: input as unknown as JsonObject,
    outputSchema: output as unknown as JsonObject,
    annotations: ANNOTATIONS[hints],
  }
}

async function resultOf({ signal, timeoutMs }: CallContext, work: () => Promise<JsonObject>): Promise<ToolResult> {
  try {
    return { ok: true, value: await work() }
  } catch (error) {
    if (error instanceof ToolFailure) {
      const { message, retryable, timeout } = error
      return { ok: false, message, retryable, ...(timeout && { timeout: true as const }) }
    }
    if (signal.aborted && isTimeout(signal.reason))
      return { ok: false, message: `no answer within ${timeoutMs / 1_000} s`, retryable: true, timeout: true }
    if (signal.aborted) return { ok: false, message: "the call was cancelled", retryable: false }
    if (error instanceof EgressRefused) return { ok: false, message: error.message, retryable: false }
    if (error instanceof EgressFailed) return { ok: false, message: error.message, retryable: true }
    throw new Error(`a tool failed in a way that it does not foresee: ${messageOf(error)}`, { cause: error })
  }
}

function isTimeout(reason: unknown): boolean {
  return reason instanceof DOMException && reason.name === "TimeoutError"
}
