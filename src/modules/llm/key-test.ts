import { EgressRefused } from "../../adapters/egress/errors.ts"
import { type ListedModel, ModelFailure, type Models } from "../../adapters/llm/llm.ts"
import { asker } from "../../kernel/asker.ts"
import { type Clock, rfc3339 } from "../../kernel/clock.ts"
import { LLM_LISTED_MODELS_MAX, LLM_MODELS_FRESH_MS, LLM_REFRESH_MAX_MS, LLM_TEST_MAX_MS } from "../../kernel/limits.ts"
import { masked } from "../../kernel/masked.ts"
import { type LlmKey, type LlmKeys, secretsOf, targetOf } from "./keys.ts"
import { isModelName } from "./model-ref.ts"

export interface KeyTestDeps {
  readonly keys: LlmKeys
  readonly models: Models
  readonly clock: Clock
}

export interface KeyTest {
  readonly ok: boolean
  /** What was found, or what the vendor said, as a sentence. */
  readonly message: string
  /** The vendor knows the key and refuses it. */
  readonly isRefused: boolean
  readonly models: readonly ListedModel[] | null
}

/** Who wants to know. */
export interface Tester {
  readonly tenantId: string
  readonly projectId: string
  readonly userId: string
}

/** The limit alone ends a test. */
const NEVER = new AbortController().signal

/** Tries keys by asking for their models, which costs nothing; what a local server answers is kept as its models. */
export class KeyTests {
  /** When the models of a local server were asked for last, by the key's id. */
  readonly #askedAt = new Map<string, number>()

  constructor(private readonly deps: KeyTestDeps) {}

  async try(key: LlmKey, secret: string | null, who: Tester, limitMs = LLM_TEST_MAX_MS): Promise<KeyTest> {
    const { tenantId, projectId, userId } = who
    try {
      const models = await this.deps.models.list(targetOf(key, secret), {
        asker: asker(`test of the key ${key.vendor} ${key.label}`, { tenantId, projectId, userId }),
        signal: NEVER,
        timeoutMs: limitMs,
      })
      // Names that no model_ref can have would only be carried along, megabytes of them if the server likes.
      const some = models.filter(({ model }) => isModelName(model, "local")).slice(0, LLM_LISTED_MODELS_MAX)
      const message = `the key is good for ${models.length} ${models.length === 1 ? "model" : "models"}`
      return {
        ok: true,
        message: key.vendor === "local" ? message.replace("key", "server") : message,
        isRefused: false,
        models: some,
      }
    } catch (error) {
      const message = masked(sentenceOf(error), secretsOf(secret))
      return { ok: false, message, isRefused: error instanceof ModelFailure && error.problem === "unauthorized", models: null }
    }
  }

  /** With what is kept of it. */
  async run(key: LlmKey, who: Tester, limitMs = LLM_TEST_MAX_MS): Promise<{ readonly key: LlmKey; readonly test: KeyTest }> {
    const now = this.deps.clock.now()
    this.#note(key, now)
    const test = await this.try(key, await this.deps.keys.secretOf(key), who, limitMs)
    return { key: await this.deps.keys.keep(key, findingsOf(key, test, now)), test }
  }

  /** Local servers get and lose models as their operators like: those not asked lately are asked again. */
  async refreshed(keys: readonly LlmKey[], who: Tester): Promise<readonly LlmKey[]> {
    const now = this.deps.clock.now()
    return await Promise.all(
      keys.map(async key => {
        const askedAt = this.#askedAt.get(key.id) ?? 0
        if (key.vendor !== "local" || now - askedAt < LLM_MODELS_FRESH_MS) return key
        return (await this.run(key, who, LLM_REFRESH_MAX_MS)).key
      }),
    )
  }

  #note({ id }: LlmKey, now: number): void {
    for (const [other, askedAt] of this.#askedAt) if (now - askedAt >= LLM_MODELS_FRESH_MS) this.#askedAt.delete(other)
    this.#askedAt.set(id, now)
  }
}

/** A server that does not answer keeps the models that it had. */
export function findingsOf({ vendor, models }: LlmKey, test: KeyTest, now: number) {
  const { ok, message } = test
  return { lastTest: { ok, message, tested_at: rfc3339(now) }, models: vendor === "local" ? (test.models ?? models) : null }
}

function sentenceOf(error: unknown): string {
  if (error instanceof ModelFailure || error instanceof EgressRefused) return error.message
  throw error
}
