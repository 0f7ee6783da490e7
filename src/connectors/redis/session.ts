import type { Socket } from "node:net"
import { AbstractConnector, Redis, ReplyError } from "ioredis"
import type { Outgoing } from "../../adapters/egress/egress.ts"
import { brokenBy, ConnectionLost, dial, orAborted, secured, WireFault } from "../database/dial.ts"
import { CONNECT_MAX_MS } from "../database/limits.ts"
import type { Session } from "../database/pool.ts"
import { watch } from "../database/watch.ts"
import type { RedisAddress } from "./address.ts"
import { AnswerLost, RedisError } from "./failures.ts"
import { ReplyLimits } from "./reply-limits.ts"

export interface RedisSignIn {
  readonly address: RedisAddress
  readonly username: string
  readonly password: string
  readonly database: number
  readonly ca: string | undefined
}

/** Bytes or a status; digits of a whole number; an error within a list; a list. */
export type Reply = Buffer | string | Error | null | readonly Reply[]

/** One signed-in connection. Everything in it is done one after the other. */
export class RedisSession implements Session {
  readonly #gone = new AbortController()
  readonly #limits = new ReplyLimits()
  readonly #redis: Redis
  #busy = false

  private constructor(
    private readonly socket: Socket,
    private readonly address: RedisAddress,
  ) {
    watch(
      socket,
      chunk => this.#limits.look(chunk),
      error => this.#break(error),
    )
    const lost = new ConnectionLost(`${address.host}:${address.port} closed the connection`)
    socket.on("error", error => this.#break(brokenBy(error, address)))
    socket.on("close", () => this.#break(lost))
    this.#redis = new Redis({
      Connector: connectorOf(socket),
      // One connection is all that it gets: nothing is sent again, and nowhere else.
      ...{ lazyConnect: true, retryStrategy: () => null, autoResendUnfulfilledCommands: false, maxRetriesPerRequest: 0 },
      // Nothing is asked that nobody wanted, and RESP2 is what every server speaks.
      ...{ enableReadyCheck: false, disableClientInfo: true, protocol: 2 as const, stringNumbers: true },
    })
    this.#redis.on("error", () => this.#break(new WireFault("the server does not speak Redis' protocol")))
  }

  static async open(outgoing: Outgoing, signIn: RedisSignIn, signal: AbortSignal): Promise<RedisSession> {
    const { address, username, password, database, ca } = signIn
    const within = AbortSignal.any([signal, AbortSignal.timeout(CONNECT_MAX_MS)])
    const { socket } = await dial(outgoing, address, within)
    const onAbort = () => socket.destroy()
    within.addEventListener("abort", onAbort, { once: true })
    try {
      const session = new RedisSession(address.tls ? await orAborted(secured(socket, address, ca), within) : socket, address)
      await orAborted(session.#redis.connect(), AbortSignal.any([session.#gone.signal, within]))
      // Not left to the driver: it goes on in database 0 when it may not SELECT another, and writes to the console when the
      // server wants no password.
      if (password !== "") await session.#send("AUTH", ...(username === "" ? [] : [username]), password)
      if (database !== 0) await session.#send("SELECT", String(database))
      return session
    } catch (error) {
      socket.destroy()
      if (within.aborted) throw within.reason
      throw error instanceof AnswerLost ? new ConnectionLost(error.message) : error
    } finally {
      within.removeEventListener("abort", onAbort)
    }
  }

  get usable(): boolean {
    return !this.#gone.signal.aborted && !this.#busy
  }

  /** Sends one command; throws what Redis answers as an error. */
  async ask(words: readonly Buffer[]): Promise<Reply> {
    const [name, ...args] = words
    return await this.#send(name?.toString("latin1") ?? "", ...args)
  }

  /** Nothing that a session keeps can be said here: see commands.ts. */
  async reset(): Promise<void> {}

  /** Redis gives up what blocks for a connection that is gone. */
  abandon(): void {
    this.#break(new ConnectionLost(`the connection to ${this.address.host}:${this.address.port} is closed`))
  }

  close(): void {
    this.abandon()
  }

  async #send(name: string, ...args: readonly (string | Buffer)[]): Promise<Reply> {
    this.#busy = true
    this.#limits.begin()
    try {
      // In capitals: the driver makes other shapes of the answers to commands that it knows in small letters.
      const reply = await orAborted(this.#redis.callBuffer(name.toUpperCase(), ...args), this.#gone.signal)
      this.#busy = false
      return reply as Reply
    } catch (error) {
      if (error instanceof Error && error instanceof ReplyError) {
        this.#busy = false
        throw new RedisError(error.message)
      }
      this.abandon()
      const { reason } = this.#gone.signal
      throw reason instanceof ConnectionLost ? new AnswerLost(reason.message) : reason
    }
  }

  #break(error: Error): void {
    if (this.#gone.signal.aborted) return
    this.#gone.abort(error)
    this.#redis.disconnect()
    this.socket.destroy()
  }
}

/** The driver's own would resolve a name. */
function connectorOf(socket: Socket) {
  return class extends AbstractConnector {
    constructor() {
      super(0)
    }

    override async connect(): Promise<Socket> {
      this.stream = socket
      return socket
    }
  }
}
