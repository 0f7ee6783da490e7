import { MCP_RESTART_MAX_MS } from "../../kernel/limits.ts"
import { pause } from "./pause.ts"

const RESTART_MIN_MS = 250

/** What is known of the starts of stdio servers, by the key of their target: which crash, and which are of the older kind. */
export class Starts {
  readonly #crashes = new Map<string, { readonly inARow: number; readonly until: number }>()
  readonly #older = new Set<string>()

  /** Resolves when it may be started: at once, or after a pause that grows with each crash in a row. */
  async turn(key: string, signal: AbortSignal): Promise<void> {
    const pauseMs = (this.#crashes.get(key)?.until ?? 0) - performance.now()
    if (pauseMs <= 0) return
    await pause(pauseMs, signal)
  }

  crashed(key: string): void {
    const inARow = (this.#crashes.get(key)?.inARow ?? 0) + 1
    const pauseMs = Math.min(RESTART_MIN_MS * 2 ** (inARow - 1), MCP_RESTART_MAX_MS)
    this.#crashes.set(key, { inARow, until: performance.now() + pauseMs })
  }

  /** It has done what it was asked. */
  worked(key: string): void {
    this.#crashes.delete(key)
  }

  isOlder(key: string): boolean {
    return this.#older.has(key)
  }

  rememberOlder(key: string): void {
    this.#older.add(key)
  }

  forget(key: string): void {
    this.#crashes.delete(key)
    this.#older.delete(key)
  }
}
