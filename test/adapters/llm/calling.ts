import { createEgress, type Egress } from "../../../src/adapters/egress/egress.ts"
import type { CallOptions, ModelRequest, Models, ModelTarget, ModelTool } from "../../../src/adapters/llm/llm.ts"
import { ModelFailure } from "../../../src/adapters/llm/llm.ts"
import { createModels } from "../../../src/adapters/llm/models.ts"
import { parseAllowEntry } from "../../../src/kernel/allow-entry.ts"
import { asker } from "../../../src/kernel/asker.ts"

export const NOW = Date.UTC(2026, 10, 29, 12)

export function egressToLoopback(): Egress {
  const entry = parseAllowEntry("127.0.0.1")
  if (entry === null) throw new Error("bad entry")
  return createEgress({ allow: [entry] })
}

export function models(egress: Egress = egressToLoopback()): Models {
  return createModels({ egress, clock: { now: () => NOW } })
}

export function target(change: Partial<ModelTarget> = {}): ModelTarget {
  return { vendor: "builtin", model: "echo-1", baseUrl: null, apiKey: null, options: {}, ...change }
}

export function request(change: Partial<ModelRequest> = {}): ModelRequest {
  return { system: null, messages: [{ role: "user", text: "hello" }], tools: [], params: {}, output: null, ...change }
}

export function ask(text: string, change: Partial<ModelRequest> = {}): ModelRequest {
  return request({ messages: [{ role: "user", text }], ...change })
}

export function options(change: Partial<CallOptions> = {}): CallOptions {
  return { asker: asker("test"), signal: new AbortController().signal, timeoutMs: 20_000, ...change }
}

export const WEATHER: ModelTool = {
  name: "get_weather",
  description: "The weather of a city.",
  inputSchema: {
    type: "object",
    properties: { city: { type: "string" }, days: { type: "integer" } },
    required: ["city"],
    additionalProperties: false,
  },
}

export const TIME: ModelTool = { name: "get_time", description: "The time now.", inputSchema: { type: "object", properties: {} } }

/** The failure that comes of it; anything else is thrown on. */
export async function failureFrom(work: Promise<unknown>): Promise<ModelFailure> {
  try {
    await work
  } catch (error) {
    if (error instanceof ModelFailure) return error
    throw error
  }
  throw new Error("it did not fail")
}
