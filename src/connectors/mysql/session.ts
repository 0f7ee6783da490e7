import type { Query } from "mysql2"
import type { Outgoing } from "../../adapters/egress/egress.ts"
import type { Json } from "../../kernel/json.ts"
import { ConnectionLost, type Dialled, dial, dialAddress, orAborted, type Target } from "../database/dial.ts"
import { CANCEL_MAX_MS, CONNECT_MAX_MS } from "../database/limits.ts"
import type { Session } from "../database/pool.ts"
import { RowCollector, uniqueNames } from "../database/rows.ts"
import { ToolFailure } from "../kit.ts"
import { bound } from "./arguments.ts"
import { type Column, castText, decode } from "./decode.ts"
import { isServerError } from "./failures.ts"
import { failureOf, NoEncryption, type SignedIn, type SignIn, signIn } from "./sign-in.ts"

/** Rows that are not wanted are still read, as the statement may change something: up to so many bytes. */
const UNWANTED_MAX_BYTES = 32 * 1024 * 1024
/** What reading a row costs besides its bytes. */
const ROW_COST_BYTES = 64
/** "This command is not supported in the prepared statement protocol yet". */
const NOT_PREPARABLE = 1295

/** What the server says at the end of a statement that gives no rows. */
export interface Done {
  readonly affectedRows: number | string
  readonly insertId: number | string
  readonly serverStatus: number
}

export interface Result {
  /** Null: the statement gives no rows. */
  readonly rows: RowCollector | null
  /** Null: rows were the last that it gave. */
  readonly done: Done | null
}

interface Statement {
  readonly parameters: readonly unknown[]
  execute(values: readonly unknown[]): Query
}

/** One signed-in connection. Everything in it is done one after the other. */
export class MysqlSession implements Session {
  readonly #gone = new AbortController()
  #waiting = false
  /** A statement was sent that may have been done although nobody was told so. */
  inDoubt = false

  private constructor(
    private readonly signedIn: SignedIn,
    private readonly address: string,
    private readonly target: Target,
    private readonly given: SignIn,
    private readonly encrypted: boolean,
  ) {
    const lost = new ConnectionLost(`${target.host}:${target.port} closed the connection`)
    signedIn.driver.on("error", error => this.#break(failureOf(error, target)))
    signedIn.driver.on("end", () => this.#break(lost))
  }

  static async open(outgoing: Outgoing, target: Target, given: SignIn, signal: AbortSignal): Promise<MysqlSession> {
    const within = AbortSignal.any([signal, AbortSignal.timeout(CONNECT_MAX_MS)])
    const dialled = await dial(outgoing, target, within)
    try {
      return await MysqlSession.#over(dialled, target, given, true, within)
    } catch (error) {
      if (!(error instanceof NoEncryption) || given.verify) throw error
      const { address } = dialled
      return await MysqlSession.#over(
        { address, socket: await dialAddress(address, target, within) },
        target,
        given,
        false,
        within,
      )
    }
  }

  static async #over(
    { socket, address }: Dialled,
    target: Target,
    given: SignIn,
    encrypted: boolean,
    signal: AbortSignal,
  ): Promise<MysqlSession> {
    const onAbort = () => socket.destroy()
    signal.addEventListener("abort", onAbort, { once: true })
    try {
      return new MysqlSession(
        await orAborted(signIn(socket, target, given, encrypted), signal),
        address,
        target,
        given,
        encrypted,
      )
    } catch (error) {
      throw signal.aborted ? signal.reason : error
    } finally {
      signal.removeEventListener("abort", onAbort)
    }
  }

  get usable(): boolean {
    return !this.#gone.signal.aborted
  }

  get mariadb(): boolean {
    return this.signedIn.mariadb
  }

  /** One statement of ours, without arguments. */
  async command(sql: string): Promise<Result> {
    return await this.#exclusive(() => this.#query(sql, 0))
  }

  /**
   * Any one statement: it is prepared, which several at once cannot be, and run with its values beside it. What cannot be
   * prepared and has no values is run as it stands.
   */
  async run(sql: string, args: readonly Json[], maxRows: number): Promise<Result> {
    const values = args.map((value, i) => bound(value, `argument ${i + 1}`))
    return await this.#exclusive(async () => {
      try {
        return await this.#prepared(sql, values, maxRows)
      } catch (error) {
        if (!isServerError(error) || error.errno !== NOT_PREPARABLE || args.length > 0) throw error
        return await this.#query(sql, maxRows)
      }
    })
  }

  /** As it was after signing in: transactions, locks, variables and temporary tables are gone. */
  async reset(): Promise<void> {
    const { driver } = this.signedIn
    await this.#exclusive(
      () => new Promise<void>((resolve, reject) => driver.reset(error => (error ? reject(error) : resolve()))),
    )
  }

  abandon(): void {
    this.#break(new ConnectionLost(`the connection to ${this.target.host}:${this.target.port} is closed`))
  }

  close(): void {
    if (this.#waiting) this.abandon()
    if (!this.usable) return
    this.#gone.abort(new ConnectionLost(`the connection to ${this.target.host}:${this.target.port} is closed`))
    const { driver } = this.signedIn
    driver.end()
    setTimeout(() => driver.stream.destroy(), 1_000).unref()
  }

  async #exclusive<T>(work: () => Promise<T>): Promise<T> {
    const { signal } = this.#gone
    if (signal.aborted) throw signal.reason
    this.#waiting = true
    try {
      const result = await orAborted(work(), signal)
      this.#waiting = false
      return result
    } catch (error) {
      // After these the conversation is in order; after anything else nobody knows where it is.
      if (isServerError(error) || error instanceof WrongArguments) this.#waiting = false
      else if (!signal.aborted) this.abandon()
      throw failureOf(error, this.target)
    }
  }

  #query(sql: string, maxRows: number): Promise<Result> {
    return this.#results(this.signedIn.driver.query({ sql, typeCast: castText }), maxRows)
  }

  async #prepared(sql: string, values: readonly unknown[], maxRows: number): Promise<Result> {
    const { driver } = this.signedIn
    const statement = await new Promise<Statement>((resolve, reject) =>
      driver.prepare(sql, (error, prepared) => (error ? reject(error) : resolve(prepared as unknown as Statement))),
    )
    try {
      const { length } = statement.parameters
      if (length !== values.length)
        throw new WrongArguments(`the statement has ${length} parameters, and args has ${values.length} values`)
      return await this.#results(statement.execute(values), maxRows)
    } finally {
      // Kept, it would be used again after a reset, when the server knows it no more.
      if (this.usable) driver.unprepare(sql)
    }
  }

  /** All results of a statement; a procedure may have several, of which the first with rows counts. */
  #results(query: Query, maxRows: number): Promise<Result> {
    return new Promise((resolve, reject) => {
      let rows: RowCollector | null = null
      let collector: RowCollector | null = null
      let columns: readonly Column[] = []
      let done: Done | null = null
      let unwanted = -this.signedIn.received()
      const onFields = (fields: readonly Column[] | undefined) => {
        if (!fields) {
          collector = null
          return
        }
        done = null
        columns = fields
        collector = new RowCollector(uniqueNames(columns.map(column => column.name)), rows === null ? maxRows : 0)
        rows ??= collector
      }
      const onResult = (result: unknown) => {
        if (collector === null) {
          done = result as Done
          return
        }
        const values = result as readonly unknown[]
        if (collector.truncated === null && collector.add(values.map((value, i) => decode(value, columns[i]!)))) {
          unwanted = -this.signedIn.received()
          return
        }
        unwanted += ROW_COST_BYTES
        if (unwanted + this.signedIn.received() > UNWANTED_MAX_BYTES) {
          this.#break(new ToolFailure("the statement gives far more rows than are taken, and was stopped; give it a LIMIT"))
        }
      }
      query.on("fields", onFields as () => void)
      query.on("result", onResult as () => void)
      query.on("error", reject)
      query.on("end", () => resolve({ rows, done }))
    })
  }

  /** Whoever waits hears why, and the server is told to stop what it does. */
  #break(error: unknown): void {
    if (!this.usable) return
    const { driver } = this.signedIn
    if (this.#waiting && !driver.stream.destroyed) void this.#kill(driver.threadId)
    driver.stream.destroy()
    this.#gone.abort(error)
  }

  async #kill(threadId: number): Promise<void> {
    const signal = AbortSignal.timeout(CANCEL_MAX_MS)
    const { address, target, given, encrypted } = this
    try {
      const dialled = { address, socket: await dialAddress(address, target, signal) }
      const other = await MysqlSession.#over(dialled, target, given, encrypted, signal)
      signal.addEventListener("abort", () => other.abandon(), { once: true })
      await other.command(`KILL QUERY ${threadId}`)
      other.close()
    } catch {
      // The statement ends by the limit that the server was given.
    }
  }
}

/** The server has not been asked yet, so the conversation is in order. */
class WrongArguments extends ToolFailure {}
