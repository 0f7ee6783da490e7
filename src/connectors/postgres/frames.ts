import { WireFault } from "../database/dial.ts"
import { MESSAGE_MAX_BYTES } from "../database/limits.ts"

const HEAD_BYTES = 5
const [ERROR, NOTICE] = [0x45, 0x4e]

/**
 * Where the server's messages begin and end, which the driver leaves unchecked: it waits for as many bytes as a message says
 * that it has, and reads on for ever in an error or a notice that is not terminated.
 */
export class Frames {
  readonly #head = Buffer.alloc(HEAD_BYTES)
  #headLength = 0
  /** Of the body. */
  #left = 0
  /** Zero bytes that the body ends with so far; before it there is one, so to say. */
  #zeros = 1

  look(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) {
      if (this.#headLength < HEAD_BYTES) {
        this.#head[this.#headLength++] = chunk[at++]!
        if (this.#headLength < HEAD_BYTES) continue
        this.#left = this.#head.readUInt32BE(1) - 4
        if (this.#left < 0 || this.#left > MESSAGE_MAX_BYTES)
          throw new WireFault(
            `the server sent a message of ${this.#left} bytes, more than the ${MESSAGE_MAX_BYTES} that are taken`,
          )
      }
      const end = Math.min(chunk.length, at + this.#left)
      this.#left -= end - at
      this.#countZeros(chunk, at, end)
      at = end
      if (this.#left === 0) this.#next()
    }
  }

  #countZeros(chunk: Buffer, from: number, to: number): void {
    for (let at = Math.max(from, to - 2); at < to; at++) this.#zeros = chunk[at] === 0 ? this.#zeros + 1 : 0
  }

  #next(): void {
    if ((this.#head[0] === ERROR || this.#head[0] === NOTICE) && this.#zeros < 2)
      throw new WireFault("the server does not keep to PostgreSQL's protocol")
    this.#headLength = 0
    this.#zeros = 1
  }
}
