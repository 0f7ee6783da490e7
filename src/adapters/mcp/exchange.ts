import type { AsyncLocalStorage } from "node:async_hooks"
import type { Asker } from "../../kernel/asker.ts"
import { MCP_LINGER_MAX_MS } from "../../kernel/limits.ts"

export interface ExchangeOptions {
  readonly kind: "call" | "opening" | "life"
  readonly asker: Asker
  readonly headers: Readonly<Record<string, string>>
  /** Aborted by whoever does not want it any more. */
  readonly signal?: AbortSignal
  /** No timeout: it lasts as long as its conversation. */
  readonly timeoutMs?: number
  /** The error of an exchange that was not over in time. */
  readonly onLate?: () => Error
}

/**
 * What messages are exchanged for: one call, the opening of a conversation, or its whole life. The SDK knows calls, the
 * requests below it know the exchange by the context they run in, and so say on whose behalf they go out.
 */
export class Exchange {
  readonly kind: ExchangeOptions["kind"]
  readonly asker: Asker
  readonly headers: Readonly<Record<string, string>>
  readonly deadline: number
  /** For the SDK: aborted when nobody waits for the result any more. */
  readonly given = new AbortController()
  /** For its requests: aborted when what is still under way has to end. */
  readonly cut = new AbortController()
  over = false
  /** An answer came as a stream, so that what was asked may be answered later. */
  streaming = false
  /** The server does not know the session, and so has not begun what it was asked. */
  sessionLost = false
  /** What went wrong first, as the one who saw it said: the SDK wraps errors, or swallows them. */
  fault: Error | null = null
  /** Of its last request that was refused. */
  status = 0
  readonly #current: AsyncLocalStorage<Exchange>
  readonly #failed: Promise<never>
  #reject: (error: unknown) => void = () => {}
  readonly #signal: AbortSignal | undefined
  readonly #onAbort = () => this.fail(this.#signal?.reason)
  readonly #timer: ReturnType<typeof setTimeout> | undefined
  #linger: ReturnType<typeof setTimeout> | undefined
  #bodies = 0
  readonly #secrets = new Set<string>()

  constructor(current: AsyncLocalStorage<Exchange>, { kind, asker, headers, signal, timeoutMs, onLate }: ExchangeOptions) {
    this.#current = current
    this.kind = kind
    this.asker = asker
    this.headers = headers
    this.deadline = timeoutMs === undefined ? Number.POSITIVE_INFINITY : performance.now() + timeoutMs
    this.#failed = new Promise((_, reject) => {
      this.#reject = reject
    })
    this.#failed.catch(() => {}) // it may fail when nobody waits
    if (timeoutMs !== undefined) this.#timer = setTimeout(() => this.fail(onLate?.()), timeoutMs)
    this.#signal = signal
    if (signal?.aborted) this.#onAbort()
    else signal?.addEventListener("abort", this.#onAbort, { once: true })
  }

  get leftMs(): number {
    return Math.max(1, this.deadline - performance.now())
  }

  /** Runs what belongs to it. */
  run<T>(work: () => T): T {
    return this.#current.run(this, work)
  }

  /** Its result, or why it failed, whichever is first. */
  async until<T>(work: Promise<T>): Promise<T> {
    work.catch(() => {})
    return await Promise.race([work, this.#failed])
  }

  fail(error: unknown): void {
    if (this.over) return
    if (error instanceof Error) this.fault ??= error
    this.#reject(error)
    // In its own context: the SDK now tells the server that the call is cancelled.
    this.run(() => this.given.abort("the call was given up"))
    this.end()
  }

  /** Nobody waits any more. A stream that brought the answer may end by itself, so that its connection is kept. */
  end(): void {
    if (this.over) return
    this.over = true
    clearTimeout(this.#timer)
    this.#signal?.removeEventListener("abort", this.#onAbort)
    if (this.#bodies === 0 || this.given.signal.aborted) this.cut.abort(OVER)
    else this.#linger = setTimeout(() => this.cut.abort(OVER), MCP_LINGER_MAX_MS)
  }

  /** Whatever is left of it ends now. */
  drop(error: unknown): void {
    this.fail(error)
    clearTimeout(this.#linger)
    this.cut.abort(OVER)
  }

  bodyOpened(): void {
    this.#bodies++
  }

  bodyEnded(): void {
    if (--this.#bodies > 0 || !this.over) return
    clearTimeout(this.#linger)
    this.cut.abort(OVER)
  }

  /** A value that was sent and must not come back in a message. */
  hide(value: string): void {
    const sent = value.trim()
    for (const secret of [sent, sent.replace(/^\w+ /, "")]) if (secret.length >= SECRET_MIN_CHARS) this.#secrets.add(secret)
  }

  /** The text without what was hidden. */
  masked(text: string): string {
    let shown = text
    for (const secret of this.#secrets) shown = shown.replaceAll(secret, "***")
    return shown
  }
}

/** One for all: an error of its own for every call that went well would be a stack trace each. */
const OVER = new DOMException("nobody waits for it any more", "AbortError")

/** Shorter values are no secrets, and would blacken half of a sentence. */
const SECRET_MIN_CHARS = 6
