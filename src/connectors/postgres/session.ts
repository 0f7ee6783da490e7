import type { Outgoing } from "../../adapters/egress/egress.ts"
import type { Json } from "../../kernel/json.ts"
import { CANCEL_MAX_MS, CONNECT_MAX_MS } from "../database/limits.ts"
import type { Session } from "../database/pool.ts"
import { Wire, WireFault } from "../database/wire.ts"
import { ToolFailure } from "../kit.ts"
import { toText } from "./arguments.ts"
import { FIRST_OWN_TYPE, type OwnType, type PgType, typeOf } from "./decode.ts"
import type { Dsn } from "./dsn.ts"
import {
  bind,
  cancelRequest,
  closeStatement,
  copyFail,
  describeStatement,
  errorOf,
  execute,
  type Field,
  fieldsOf,
  type Message,
  parametersOf,
  parse,
  readMessage,
  type ServerError,
  simpleQuery,
  sync,
  terminate,
  textOf,
  valuesOf,
} from "./messages.ts"
import { encrypt, signIn } from "./sign-in.ts"

export interface Statement {
  readonly sql: string
  readonly args: readonly Json[]
}

/** What the statement gives, told as it comes. */
export interface Reader {
  /** 0: all of them, read to the end whatever `row` says. */
  readonly maxRows: number
  columns(fields: readonly Field[], types: readonly PgType[]): void
  /** False: enough. */
  row(values: readonly (string | null)[]): boolean
}

export interface Prepared {
  readonly parameters: readonly number[]
  /** Null: the statement gives no rows. */
  readonly fields: readonly Field[] | null
}

export interface SessionDeps {
  readonly outgoing: Outgoing
  readonly dsn: Dsn
  readonly ca: string | undefined
  readonly signal: AbortSignal
}

/** One signed-in connection. Everything in it is done one after the other. */
export class PgSession implements Session {
  /** In a transaction (`T`), in a failed one (`E`), in none (`I`). */
  #status = "I"
  #sound = true
  #waiting = false
  /** A change may be there although nobody was told so. */
  inDoubt = false
  readonly #types = new Map<number, OwnType>()

  private constructor(
    private readonly wire: Wire,
    private readonly dsn: Dsn,
    private readonly ca: string | undefined,
    private readonly cancelKey: Buffer,
  ) {}

  static async open({ outgoing, dsn, ca, signal }: SessionDeps): Promise<PgSession> {
    const within = AbortSignal.any([signal, AbortSignal.timeout(CONNECT_MAX_MS)])
    const wire = await Wire.open(outgoing, dsn, within)
    const onAbort = () => wire.destroy(within.reason)
    within.addEventListener("abort", onAbort, { once: true })
    try {
      await encrypt(wire, dsn, ca)
      return new PgSession(wire, dsn, ca, await signIn(wire, dsn))
    } catch (error) {
      wire.destroy()
      throw error
    } finally {
      within.removeEventListener("abort", onAbort)
    }
  }

  get usable(): boolean {
    return this.#sound && this.wire.open
  }

  get status(): string {
    return this.#status
  }

  get encrypted(): "verified" | "unverified" | "no" {
    return this.wire.verified ? "verified" : this.wire.certificate() === null ? "no" : "unverified"
  }

  /** Statements of ours, without arguments and answers. */
  async command(sql: string): Promise<void> {
    await this.#exchange([simpleQuery(sql)], () => true)
  }

  /** Lets the server read a statement, of which there must be one alone, without running it. */
  async prepare(sql: string): Promise<Prepared> {
    if (sql.includes("\0")) throw new ToolFailure("the statement holds a NUL character")
    let parameters: readonly number[] = []
    let fields: readonly Field[] | null = null
    await this.#exchange([closeStatement(), parse(sql), describeStatement(), sync()], ({ kind, body }) => {
      if (kind === "t") parameters = parametersOf(body)
      if (kind === "T") fields = fieldsOf(body)
      return true
    })
    return { parameters, fields }
  }

  /** Runs what was prepared. Gives the server's word for what it did, e.g. `INSERT 0 5`; null when not all rows were wanted. */
  async run({ parameters, fields }: Prepared, args: readonly Json[], reader: Reader): Promise<string | null> {
    if (args.length !== parameters.length)
      throw new ToolFailure(`the statement has ${parameters.length} parameters, and args has ${args.length} values`)
    const values = args.map((value, i) => toText(value, parameters[i] ?? 0, i + 1))
    if (fields) reader.columns(fields, await this.#typesOf(fields))
    let tag: string | null = null
    const messages = [bind(values), execute(reader.maxRows), closeStatement(), sync()]
    await this.#exchange(messages, ({ kind, body }) => {
      if (kind === "D") return reader.row(valuesOf(body)) || reader.maxRows === 0
      if (kind === "C") tag = textOf(body)
      if (kind === "H" || kind === "W") throw new WireFault("COPY to or from the client is not supported")
      if (kind === "G") this.wire.send(Buffer.concat([copyFail("COPY from the client is not supported"), sync()]))
      return true
    })
    return tag
  }

  async reset(): Promise<void> {
    if (this.#status !== "I") await this.command("ROLLBACK")
    await this.command("DISCARD ALL")
  }

  abandon(): void {
    if (this.#waiting && this.wire.open) void this.#cancel()
    this.#sound = false
    this.wire.destroy()
  }

  close(): void {
    this.#sound = false
    this.wire.end(terminate())
  }

  /** Sends, and reads up to where the server is ready for more; `take` sees all on the way. False: no more is wanted. */
  async #exchange(messages: readonly Buffer[], take: (message: Message) => boolean): Promise<void> {
    this.#waiting = true
    let failure: ServerError | null = null
    try {
      this.wire.send(Buffer.concat(messages))
      for (;;) {
        const received = await readMessage(this.wire)
        if (received.kind === "E") failure ??= errorOf(received.body)
        else if (received.kind === "Z") {
          this.#status = received.body.toString("latin1", 0, 1)
          break
        } else if (!failure && !take(received)) return this.abandon()
      }
    } catch (error) {
      this.abandon()
      // A server that goes says why before it closes the connection.
      throw failure ?? error
    }
    this.#waiting = false
    if (failure) throw failure
  }

  /** Asks the catalog for what is not built in, once for each connection. */
  async #typesOf(fields: readonly Field[]): Promise<readonly PgType[]> {
    let unknown = [...new Set(fields.map(f => f.type))].filter(type => type >= FIRST_OWN_TYPE && !this.#types.has(type))
    while (unknown.length > 0) {
      const found: OwnType[] = []
      const sql = `SELECT oid, CASE WHEN typcategory = 'A' THEN typelem ELSE 0 END, typbasetype, typdelim FROM pg_catalog.pg_type WHERE oid IN (${unknown.join(",")})`
      await this.#exchange([simpleQuery(sql)], ({ kind, body }) => {
        if (kind !== "D") return true
        const [type, element, base, delimiter] = valuesOf(body)
        found.push({ type: Number(type), element: Number(element), base: Number(base), delimiter: delimiter ?? "," })
        return true
      })
      for (const type of unknown) this.#types.set(type, { type, element: 0, base: 0, delimiter: "," })
      for (const one of found) this.#types.set(one.type, one)
      unknown = found.flatMap(one => [one.element, one.base]).filter(type => type >= FIRST_OWN_TYPE && !this.#types.has(type))
    }
    return fields.map(field => typeOf(field.type, this.#types))
  }

  async #cancel(): Promise<void> {
    const signal = AbortSignal.timeout(CANCEL_MAX_MS)
    try {
      const wire = await Wire.to(this.wire.address, this.wire.target, signal)
      signal.addEventListener("abort", () => wire.destroy(), { once: true })
      await encrypt(wire, this.dsn, this.ca)
      wire.end(cancelRequest(this.cancelKey))
    } catch {
      // The statement ends by the limit that the server was given, or when it finds the connection closed.
    }
  }
}
