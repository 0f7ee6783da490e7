import { WireFault } from "../database/dial.ts"
import { MESSAGE_MAX_BYTES } from "../database/limits.ts"

const LINE_MAX_BYTES = 64 * 1024
const DEPTH_MAX = 16
/** What a reply takes in memory besides its bytes: millions of small ones count, too. */
const REPLY_COST_BYTES = 64
const [LIST, TEXT, LF, CR] = [0x2a, 0x24, 0x0a, 0x0d]

/**
 * How much a server may answer to one command. The driver sets no limit: it makes room for a list as soon as its length is
 * said, however deep it is nested, and keeps what it cannot read yet.
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
      if (byte !== LF) this.#line.push(byte)
      else if (this.#line.at(-1) === CR) this.#head(Buffer.from(this.#line.splice(0)).toString("latin1"))
      if (this.#line.length > LINE_MAX_BYTES) throw new WireFault("the server does not speak Redis' protocol")
    }
  }

  #head(line: string): void {
    this.#spend(line.length + REPLY_COST_BYTES)
    const kind = line.charCodeAt(0)
    const length = kind === LIST || kind === TEXT ? Number(line.slice(1)) : 0
    if (kind === TEXT && length >= 0) {
      this.#spend(length)
      this.#skip = length + 2
    } else if (kind === LIST && length > 0) {
      this.#spend(length * REPLY_COST_BYTES)
      if (this.#wanted.push(length) > DEPTH_MAX) throw new WireFault("the answer is nested too deep")
    } else this.#complete()
  }

  #complete(): void {
    while (this.#wanted.length > 0) {
      const left = this.#wanted.pop()! - 1
      if (left > 0) {
        this.#wanted.push(left)
        return
      }
    }
  }

  #spend(bytes: number): void {
    this.#left -= bytes
    if (!(this.#left >= 0)) throw new WireFault(`the answer is larger than the ${MESSAGE_MAX_BYTES} bytes that are taken`)
  }
}
