import type { Exchange, ExchangeResponse } from "../../runtime/recorder.ts"
import { exchangeHash } from "../../runtime/recorder.ts"
import type { RecordingEntry, RecordingRow, RecordingStore } from "../recordings/store.ts"
import { type AttemptName, attemptKey } from "./recorded-run.ts"

/** Reads what a recorded run exchanged, one at a time: all of it need not fit in memory. */
export type ExchangeSource = Pick<RecordingStore, "get"> & { readonly entries: readonly RecordingEntry[]; readonly runId: string }

export type Found = { readonly response: ExchangeResponse } | "truncated"

/** What a recorded run was answered: by the same request first, else by the same place. Each is used once before any is used twice. */
export class Recording {
  readonly #byHash = new Map<string, RecordingEntry[]>()
  readonly #byAttempt = new Map<string, RecordingEntry[]>()
  readonly #byStep = new Map<string, RecordingEntry[]>()
  readonly #used = new Set<number>()

  constructor(private readonly source: ExchangeSource) {
    for (const entry of source.entries) {
      push(this.#byHash, entry.requestHash, entry)
      push(this.#byAttempt, kindKey(entry.kind, attemptKey(entry)), entry)
      push(this.#byStep, kindKey(entry.kind, stepKey(entry)), entry)
    }
  }

  hasAttempt(kind: Exchange["kind"], name: AttemptName): boolean {
    return this.#byAttempt.has(kindKey(kind, attemptKey(name)))
  }

  /** `nth`: which request of the attempt it is, from 0. Null when nothing fits. */
  async find(name: AttemptName, asked: Pick<Exchange, "kind" | "request">, nth: number): Promise<Found | null> {
    const hash = exchangeHash(asked)
    const ofAttempt = this.#byAttempt.get(kindKey(asked.kind, attemptKey(name))) ?? []
    const ofStep = this.#byStep.get(kindKey(asked.kind, stepKey(name))) ?? []
    const same = (this.#byHash.get(hash) ?? []).filter(({ kind }) => kind === asked.kind)
    const fresh = (list: readonly RecordingEntry[]) => list.find(({ seq }) => !this.#used.has(seq))
    const entry =
      // An attempt that ran again after a crash asked twice; the second answer is the one that counted.
      ofAttempt.findLast(e => e.requestHash === hash) ??
      fresh(same.filter(e => e.stepId === name.stepId && e.item === name.item)) ??
      fresh(same) ??
      same.at(-1) ??
      ofAttempt[nth] ??
      ofAttempt.at(-1) ??
      fresh(ofStep) ??
      ofStep.at(-1)
    return entry ? await this.#read(entry.seq) : null
  }

  /** What one of the step's requests named as its model. */
  async modelOf(name: Pick<AttemptName, "stepId" | "item">): Promise<string | null> {
    const [entry] = this.#byStep.get(kindKey("model", stepKey(name))) ?? []
    const row = entry ? await this.source.get(this.source.runId, entry.seq) : null
    return typeof row?.request.model_ref === "string" ? row.request.model_ref : null
  }

  async #read(seq: number): Promise<Found | null> {
    this.#used.add(seq)
    const row = await this.source.get(this.source.runId, seq)
    if (!row) return null
    return row.response.truncated === true ? "truncated" : { response: responseOf(row) }
  }
}

/** As the recorder wrote it. */
function responseOf({ response }: RecordingRow): ExchangeResponse {
  return response as unknown as ExchangeResponse
}

const stepKey = ({ stepId, item }: Pick<AttemptName, "stepId" | "item">) => `${stepId}\n${item ?? ""}`
const kindKey = (kind: string, key: string) => `${kind}\n${key}`

function push(map: Map<string, RecordingEntry[]>, key: string, entry: RecordingEntry): void {
  const list = map.get(key)
  if (list) list.push(entry)
  else map.set(key, [entry])
}
