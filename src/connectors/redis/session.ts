import type { Outgoing } from "../../adapters/egress/egress.ts"
import { CONNECT_MAX_MS } from "../database/limits.ts"
import type { Session } from "../database/pool.ts"
import { ConnectionLost, Wire } from "../database/wire.ts"
import type { RedisAddress } from "./address.ts"
import { command, type Reply, ReplyReader } from "./protocol.ts"

/** What Redis says when it does not do what it was asked. */
export class RedisError extends Error {
  override readonly name = "RedisError"
}

/** The connection broke after a command was sent: nobody knows whether it was done. */
export class AnswerLost extends Error {
  override readonly name = "AnswerLost"
}

export interface RedisSignIn {
  readonly address: RedisAddress
  readonly username: string
  readonly password: string
  readonly database: number
  readonly ca: string | undefined
}

/** One signed-in connection. Everything in it is done one after the other. */
export class RedisSession implements Session {
  #busy = false

  private constructor(private readonly wire: Wire) {}

  static async open(outgoing: Outgoing, signIn: RedisSignIn, signal: AbortSignal): Promise<RedisSession> {
    const within = AbortSignal.any([signal, AbortSignal.timeout(CONNECT_MAX_MS)])
    const wire = await Wire.open(outgoing, signIn.address, within)
    const onAbort = () => wire.destroy(within.reason)
    within.addEventListener("abort", onAbort, { once: true })
    try {
      if (signIn.address.tls) await wire.secure({ ca: signIn.ca, verify: true })
      const session = new RedisSession(wire)
      const { username, password, database } = signIn
      if (password !== "") await session.ask(["AUTH", ...(username === "" ? [] : [username]), password])
      if (database !== 0) await session.ask(["SELECT", String(database)])
      return session
    } catch (error) {
      wire.destroy()
      throw error instanceof AnswerLost ? new ConnectionLost(error.message) : error
    } finally {
      within.removeEventListener("abort", onAbort)
    }
  }

  get usable(): boolean {
    return this.wire.open && !this.#busy
  }

  /** Sends one command; throws what Redis answers as an error. */
  async ask(parts: readonly (string | Buffer)[]): Promise<Reply> {
    this.#busy = true
    try {
      this.wire.send(command(parts.map(part => (typeof part === "string" ? Buffer.from(part, "utf8") : part))))
      const reply = await new ReplyReader(this.wire).read()
      this.#busy = false
      if (reply.kind === "error") throw new RedisError(reply.text)
      return reply
    } catch (error) {
      if (error instanceof RedisError) throw error
      this.abandon()
      throw error instanceof ConnectionLost ? new AnswerLost(error.message) : error
    }
  }

  /** Nothing that a session keeps can be said here: see commands.ts. */
  async reset(): Promise<void> {}

  /** Redis gives up what blocks for a connection that is gone. */
  abandon(): void {
    this.wire.destroy()
  }

  close(): void {
    this.wire.destroy()
  }
}
