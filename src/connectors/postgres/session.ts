import type Client from "pg/lib/client.js"
import type Connection from "pg/lib/connection.js"
import type { Outgoing } from "../../adapters/egress/egress.ts"
import type { Json } from "../../kernel/json.ts"
import { ConnectionLost, type Dialled, dial, dialAddress, orAborted, WireFault } from "../database/dial.ts"
import { CANCEL_MAX_MS, CONNECT_MAX_MS } from "../database/limits.ts"
import type { Session } from "../database/pool.ts"
import { ToolFailure } from "../kit.ts"
import { toText } from "./arguments.ts"
import { FIRST_OWN_TYPE, type OwnType, type PgType, typeOf } from "./decode.ts"
import type { Dsn } from "./dsn.ts"
import { Exchange, type Field, type Hearing } from "./exchange.ts"
import { isServerError } from "./failures.ts"
import { connectionOver, NoEncryption, type Ssl, signIn } from "./sign-in.ts"

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

/** Named, as a simple query in between would end one without a name. */
const STATEMENT = "call"

/** One signed-in connection. Everything in it is done one after the other. */
export class PgSession implements Session {
  #failure: Error | null = null
  #exchange: Exchange | null = null
  /** A change may be there although nobody was told so. */
  inDoubt = false
  readonly #types = new Map<number, OwnType>()

  private constructor(
    private readonly client: Client,
    private readonly address: string,
    private readonly dsn: Dsn,
    private readonly ssl: Ssl | false,
  ) {
    const lost = new ConnectionLost(`${dsn.host}:${dsn.port} closed the connection`)
    client.on("error", error => this.#break(error instanceof WireFault ? error : lost))
    client.on("end", () => this.#break(lost))
    client.connection.on("readyForQuery", () => this.#exchange?.ready())
    client.connection.on("parameterDescription", told => this.#exchange?.handleParameterDescription(told))
    for (const copy of ["copyOutResponse", "replicationStart"])
      client.connection.on(copy, () => this.#break(new WireFault("COPY to or from the client is not supported")))
  }

  static async open({ outgoing, dsn, ca, signal }: SessionDeps): Promise<PgSession> {
    const within = AbortSignal.any([signal, AbortSignal.timeout(CONNECT_MAX_MS)])
    const dialled = await dial(outgoing, dsn, within)
    if (dsn.ssl === "disable") return await PgSession.#over(dialled, dsn, false, within)
    const ssl = { ...(ca === undefined ? {} : { ca }), rejectUnauthorized: dsn.ssl === "require" }
    try {
      return await PgSession.#over(dialled, dsn, ssl, within)
    } catch (error) {
      if (!(error instanceof NoEncryption) || dsn.ssl === "require") throw error
      const { address } = dialled
      return await PgSession.#over({ address, socket: await dialAddress(address, dsn, within) }, dsn, false, within)
    }
  }

  static async #over({ socket, address }: Dialled, dsn: Dsn, ssl: Ssl | false, within: AbortSignal): Promise<PgSession> {
    const onAbort = () => socket.destroy()
    within.addEventListener("abort", onAbort, { once: true })
    try {
      return new PgSession(await orAborted(signIn(socket, dsn, ssl), within), address, dsn, ssl)
    } catch (error) {
      throw within.aborted ? within.reason : error
    } finally {
      within.removeEventListener("abort", onAbort)
    }
  }

  get usable(): boolean {
    return this.#failure === null
  }

  /** In a transaction (`T`), in a failed one (`E`), in none (`I`). */
  get status(): string {
    return this.client.getTransactionStatus() ?? "I"
  }

  get encrypted(): "verified" | "unverified" | "no" {
    return this.ssl === false ? "no" : this.ssl.rejectUnauthorized ? "verified" : "unverified"
  }

  /** Statements of ours, without arguments and answers. */
  async command(sql: string): Promise<void> {
    await this.#run(connection => connection.query(sql))
  }

  /** Lets the server read a statement, of which there must be one alone, without running it. */
  async prepare(sql: string): Promise<Prepared> {
    if (sql.includes("\0")) throw new ToolFailure("the statement holds a NUL character")
    const prepared: { parameters: readonly number[]; fields: readonly Field[] | null } = { parameters: [], fields: null }
    const say = (connection: Connection) => {
      connection.close({ type: "S", name: STATEMENT })
      connection.parse({ name: STATEMENT, text: sql })
      connection.describe({ type: "S", name: STATEMENT })
      connection.sync()
    }
    await this.#run(say, {
      parameters(types) {
        prepared.parameters = types
      },
      fields(fields) {
        prepared.fields = fields
      },
    })
    return prepared
  }

  /** Runs what was prepared. Gives the server's word for what it did, e.g. `INSERT 0 5`; null when not all rows were wanted. */
  async run({ parameters, fields }: Prepared, args: readonly Json[], reader: Reader): Promise<string | null> {
    if (args.length !== parameters.length)
      throw new ToolFailure(`the statement has ${parameters.length} parameters, and args has ${args.length} values`)
    const values = args.map((value, i) => toText(value, parameters[i] ?? 0, i + 1))
    if (fields) reader.columns(fields, await this.#typesOf(fields))
    let tag: string | null = null
    const say = (connection: Connection) => {
      connection.bind({ statement: STATEMENT, values })
      connection.execute({ rows: reader.maxRows })
      connection.close({ type: "S", name: STATEMENT })
      connection.sync()
    }
    const enough = new ConnectionLost("enough was read")
    const hearing: Hearing = {
      row: row => {
        if (!reader.row(row) && reader.maxRows > 0) this.#break(enough)
      },
      done(said) {
        tag = said
      },
    }
    await this.#run(say, hearing).catch(error => {
      if (error !== enough) throw error
    })
    return tag
  }

  async reset(): Promise<void> {
    if (this.status !== "I") await this.command("ROLLBACK")
    await this.command("DISCARD ALL")
  }

  abandon(): void {
    this.#break(new ConnectionLost(`the connection to ${this.dsn.host}:${this.dsn.port} is closed`))
  }

  close(): void {
    if (this.#exchange) this.abandon()
    if (this.#failure) return
    this.#failure = new ConnectionLost(`the connection to ${this.dsn.host}:${this.dsn.port} is closed`)
    const { stream } = this.client.connection
    void this.client.end()
    setTimeout(() => stream.destroy(), 1_000).unref()
  }

  async #run(say: (connection: Connection) => void, hearing: Hearing = {}): Promise<void> {
    if (this.#failure) throw this.#failure
    const exchange = new Exchange(say, hearing)
    this.#exchange = exchange
    try {
      this.client.query(exchange)
      await exchange.settled
      this.#exchange = null
    } catch (error) {
      // The conversation is in order after an error that the server told us, unless it went with that.
      if (isServerError(error) && this.usable) this.#exchange = null
      throw error
    }
  }

  /** Whoever waits hears why, and the server is told to stop what it does. */
  #break(error: Error): void {
    if (this.#failure !== null) return
    this.#failure = error
    if (this.#exchange && !this.client.connection.stream.destroyed) void this.#cancel()
    this.client.connection.stream.destroy()
    this.#exchange?.broke(error)
  }

  /** Asks the catalog for what is not built in, once for each connection. */
  async #typesOf(fields: readonly Field[]): Promise<readonly PgType[]> {
    let unknown = [...new Set(fields.map(f => f.dataTypeID))].filter(type => type >= FIRST_OWN_TYPE && !this.#types.has(type))
    while (unknown.length > 0) {
      const found: OwnType[] = []
      const sql = `SELECT oid, CASE WHEN typcategory = 'A' THEN typelem ELSE 0 END, typbasetype, typdelim FROM pg_catalog.pg_type WHERE oid IN (${unknown.join(",")})`
      await this.#run(connection => connection.query(sql), {
        row([type, element, base, delimiter]) {
          found.push({ type: Number(type), element: Number(element), base: Number(base), delimiter: delimiter ?? "," })
        },
      })
      for (const type of unknown) this.#types.set(type, { type, element: 0, base: 0, delimiter: "," })
      for (const one of found) this.#types.set(one.type, one)
      unknown = found.flatMap(one => [one.element, one.base]).filter(type => type >= FIRST_OWN_TYPE && !this.#types.has(type))
    }
    return fields.map(field => typeOf(field.dataTypeID, this.#types))
  }

  async #cancel(): Promise<void> {
    const signal = AbortSignal.timeout(CANCEL_MAX_MS)
    const { processID, secretKey } = this.client
    try {
      const socket = await dialAddress(this.address, this.dsn, signal)
      signal.addEventListener("abort", () => socket.destroy(), { once: true })
      const connection = connectionOver(socket, this.ssl)
      connection.on("error", () => socket.destroy())
      connection.on(this.ssl === false ? "connect" : "sslconnect", () => {
        connection.cancel(processID, secretKey)
        connection.stream.end()
      })
      if (this.ssl !== false) connection.on("connect", () => connection.requestSsl())
      connection.connect(this.dsn.port, this.dsn.host)
    } catch {
      // The statement ends by the limit that the server was given, or when it finds the connection closed.
    }
  }
}
