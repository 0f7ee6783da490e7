import type { Outgoing } from "../../adapters/egress/egress.ts"
import type { Json } from "../../kernel/json.ts"
import { CANCEL_MAX_MS, CONNECT_MAX_MS } from "../database/limits.ts"
import type { Session } from "../database/pool.ts"
import { RowCollector, uniqueNames } from "../database/rows.ts"
import { Wire, WireFault, type WireTarget } from "../database/wire.ts"
import { ToolFailure } from "../kit.ts"
import { type Column, columnOf, type Done, doneOf, endStatus, errorOf, isEnd, isError, MysqlError, STATUS } from "./answers.ts"
import { boundArguments } from "./arguments.ts"
import { binaryRow, textRow } from "./decode.ts"
import { Cursor, Packets, uint } from "./packets.ts"
import { type SignIn, signIn, type Welcome } from "./sign-in.ts"

const COMMAND = { quit: 1, query: 3, prepare: 0x16, execute: 0x17, close: 0x19, reset: 0x1f } as const
/** Rows that are not wanted are still read, as the statement may change something: up to so many bytes. */
const UNWANTED_MAX_BYTES = 32 * 1024 * 1024
/** What reading a row costs besides its bytes. */
const ROW_COST_BYTES = 64
/** "This command is not supported in the prepared statement protocol yet". */
const NOT_PREPARABLE = 1295

export interface Result {
  /** Null: the statement gives no rows. */
  readonly rows: RowCollector | null
  readonly done: Done
}

type RowReader = (packet: Buffer, columns: readonly Column[]) => readonly Json[]

/** One signed-in connection. Everything in it is done one after the other. */
export class MysqlSession implements Session {
  #sound = true
  #waiting = false
  /** A statement was sent that may have been done although nobody was told so. */
  inDoubt = false

  private constructor(
    private readonly wire: Wire,
    private readonly packets: Packets,
    private readonly given: SignIn,
    readonly server: Welcome,
  ) {}

  static async open(outgoing: Outgoing, target: WireTarget, given: SignIn, signal: AbortSignal): Promise<MysqlSession> {
    const within = AbortSignal.any([signal, AbortSignal.timeout(CONNECT_MAX_MS)])
    return await MysqlSession.#over(await Wire.open(outgoing, target, within), given, within)
  }

  static async #over(wire: Wire, given: SignIn, signal: AbortSignal): Promise<MysqlSession> {
    const onAbort = () => wire.destroy(signal.reason)
    signal.addEventListener("abort", onAbort, { once: true })
    const packets = new Packets(wire)
    try {
      return new MysqlSession(wire, packets, given, await signIn(wire, packets, given))
    } catch (error) {
      wire.destroy()
      throw error
    } finally {
      signal.removeEventListener("abort", onAbort)
    }
  }

  get usable(): boolean {
    return this.#sound && this.wire.open
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
    const bound = boundArguments(args)
    return await this.#exclusive(async () => {
      try {
        return await this.#prepared(sql, args.length, bound, maxRows)
      } catch (error) {
        if (!(error instanceof MysqlError) || error.number !== NOT_PREPARABLE || args.length > 0) throw error
        return await this.#query(sql, maxRows)
      }
    })
  }

  /** As it was after signing in: transactions, locks, variables and temporary tables are gone. */
  async reset(): Promise<void> {
    await this.#exclusive(async () => {
      this.#send(Buffer.from([COMMAND.reset]))
      await this.#answer()
    })
  }

  abandon(): void {
    if (this.#waiting && this.wire.open) void this.#kill()
    this.#sound = false
    this.wire.destroy()
  }

  close(): void {
    this.#sound = false
    this.wire.end(Buffer.from([1, 0, 0, 0, COMMAND.quit]))
  }

  async #exclusive<T>(work: () => Promise<T>): Promise<T> {
    this.#waiting = true
    try {
      const result = await work()
      this.#waiting = false
      return result
    } catch (error) {
      // After these the conversation is in order; after anything else nobody knows where it is.
      if (error instanceof MysqlError || error instanceof WrongArguments) this.#waiting = false
      else this.abandon()
      throw error
    }
  }

  #send(payload: Buffer): void {
    this.packets.start()
    this.packets.write(payload)
  }

  async #answer(): Promise<Buffer> {
    const packet = await this.packets.read()
    if (isError(packet)) throw errorOf(packet)
    return packet
  }

  async #query(sql: string, maxRows: number): Promise<Result> {
    this.#send(Buffer.concat([Buffer.from([COMMAND.query]), Buffer.from(sql, "utf8")]))
    return await this.#results(textRow, maxRows)
  }

  async #prepared(sql: string, count: number, bound: Buffer, maxRows: number): Promise<Result> {
    this.#send(Buffer.concat([Buffer.from([COMMAND.prepare]), Buffer.from(sql, "utf8")]))
    const cursor = new Cursor(await this.#answer(), 1)
    const [id, columns, parameters] = [cursor.uint(4), cursor.uint(2), cursor.uint(2)]
    for (const defined of [parameters, columns]) {
      // Their definitions, and a mark of the end.
      for (let i = defined === 0 ? 0 : defined + 1; i > 0; i--) await this.#answer()
    }
    try {
      if (parameters !== count)
        throw new WrongArguments(`the statement has ${parameters} parameters, and args has ${count} values`)
      const head = Buffer.concat([Buffer.from([COMMAND.execute]), uint(id, 4), uint(0, 1), uint(1, 4)])
      this.#send(Buffer.concat([head, bound]))
      return await this.#results(binaryRow, maxRows)
    } finally {
      // It has no answer.
      if (this.usable) this.#send(Buffer.concat([Buffer.from([COMMAND.close]), uint(id, 4)]))
    }
  }

  /** All results of a statement; a procedure may have several, of which the first with rows counts. */
  async #results(read: RowReader, maxRows: number): Promise<Result> {
    let rows: RowCollector | null = null
    for (;;) {
      const packet = await this.#answer()
      if (packet[0] === 0x00) {
        const done = doneOf(packet)
        if ((done.status & STATUS.moreResults) === 0) return { rows, done }
        continue
      }
      if (packet[0] === 0xfb) throw new WireFault("the server asks for a file of this machine, which it does not get")
      const columns = await this.#columns(new Cursor(packet).length() ?? 0)
      const collector = new RowCollector(uniqueNames(columns.map(c => c.name)), rows === null ? maxRows : 0)
      const status = await this.#rows(columns, read, collector)
      rows ??= collector
      if ((status & STATUS.moreResults) === 0) return { rows, done: { affected: null, insertId: "0", status } }
    }
  }

  async #columns(count: number): Promise<readonly Column[]> {
    const columns: Column[] = []
    for (let i = 0; i < count; i++) columns.push(columnOf(await this.#answer(), this.server.extended))
    await this.#answer()
    return columns
  }

  async #rows(columns: readonly Column[], read: RowReader, collector: RowCollector): Promise<number> {
    let unwanted = 0
    for (;;) {
      const packet = await this.#answer()
      if (isEnd(packet)) return endStatus(packet)
      if (collector.truncated === null && collector.add(read(packet, columns))) continue
      unwanted += packet.length + ROW_COST_BYTES
      if (unwanted > UNWANTED_MAX_BYTES)
        throw new ToolFailure("the statement gives far more rows than are taken, and was stopped; give it a LIMIT")
    }
  }

  async #kill(): Promise<void> {
    const signal = AbortSignal.timeout(CANCEL_MAX_MS)
    try {
      const wire = await Wire.to(this.wire.address, this.wire.target, signal)
      const other = await MysqlSession.#over(wire, this.given, signal)
      signal.addEventListener("abort", () => wire.destroy(), { once: true })
      await other.command(`KILL QUERY ${this.server.threadId}`)
      other.close()
    } catch {
      // The statement ends by the limit that the server was given.
    }
  }
}

/** The server has not been asked yet, so the conversation is in order. */
class WrongArguments extends ToolFailure {}
