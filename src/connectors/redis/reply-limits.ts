import { WireFault } from "../database/dial.ts"
import { MESSAGE_MAX_BYTES } from "../database/limits.ts"

const LINE_MAX_BYTES = 64 * 1024
const DEPTH_MAX = 16
/** What a reply takes in memory besides its bytes: millions of small ones count, too. */
const REPLY_COST_BYTES = 64
const [LF, CR] = [0x0a, 0x0d]
/** RESP2: https://redis.io/docs/latest/develop/reference/protocol-spec/ */
const HEAD = /^(?:[+:-].*|([$*])(-1|\d{1,10}))$/s

/**
 * How much a server may answer to one command. The driver sets no limit: it makes room for a list as soon as its length is
 * said, however deep it is nested, and keeps what it cannot read yet. It also takes what is nearly RESP; here nothing else
 * gets through, so that both see the same.
 */
export class ReplyLimits {
  #left = MESSAGE_MAX_BYTES
  #line: number[] = []
  /** Of a text. */
  #skip = 0
  /** How many items the lists that are not complete still want. */
  #wanted: number[] = []

  /** A new command is sent. */
  begin(): void {
    this.#left = MESSAGE_MAX_BYTES
  }

  look(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) {
      if (this.#skip > 0) {
        const skipped = Math.min(this.#skip, chunk.length - at)
        this.#skip -= skipped
        at += skipped
        if (this.#skip === 0) this.#complete()
        continue
      }
      const byte = chunk[at++]!
      if ((this.#line.at(-1) === CR) !== (byte === LF)) throw foreign()
      if (byte === LF) this.#head(Buffer.from(this.#line.splice(0)).toString("latin1").slice(0, -1))
      else if (this.#line.push(byte) > LINE_MAX_BYTES) throw foreign()
    }
  }

  #head(line: string): void {
    this.#spend(line.length + REPLY_COST_BYTES)
    const [whole, kind, digits] = HEAD.exec(line) ?? []
    if (whole === undefined) throw foreign()
    const length = Number(digits ?? -1)
    if (kind === "$" && length >= 0) {
      this.#spend(length)
      this.#skip = length + 2
    } else if (kind === "*" && length > 0) {
      this.#spend(length * REPLY_COST_BYTES)
      if (this.#wanted.push(length) > DEPTH_MAX) throw new WireFault("the answer is nested too deep")
    } else this.#complete()
  }

  #complete(): void {
    for (let left = this.#wanted.pop(); left !== undefined; left = this.#wanted.pop()) {
      if (left === 1) continue
      this.#wanted.push(left - 1)
      return
    }
  }

  #spend(bytes: number): void {
    this.#left -= bytes
    if (this.#left < 0) throw new WireFault(`the answer is larger than the ${MESSAGE_MAX_BYTES} bytes that are taken`)
  }
}

function foreign(): WireFault {
  return new WireFault("the server does not speak Redis' protocol")
}
