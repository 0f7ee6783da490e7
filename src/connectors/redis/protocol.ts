import { MESSAGE_MAX_BYTES } from "../database/limits.ts"
import { type Wire, WireFault } from "../database/wire.ts"

/** RESP2: https://redis.io/docs/latest/develop/reference/protocol-spec/ */
export type Reply =
  | { readonly kind: "status"; readonly text: string }
  | { readonly kind: "error"; readonly text: string }
  | { readonly kind: "integer"; readonly digits: string }
  | { readonly kind: "bytes"; readonly bytes: Buffer }
  | { readonly kind: "list"; readonly items: readonly Reply[] }
  | { readonly kind: "nothing" }

const LINE_MAX_BYTES = 64 * 1024
const DEPTH_MAX = 16
const CR = 13
/** What a reply takes in memory besides its bytes: millions of small ones count, too. */
const REPLY_COST_BYTES = 64

export function command(parts: readonly Buffer[]): Buffer {
  const pieces = parts.flatMap(part => [Buffer.from(`$${part.length}\r\n`), part, Buffer.from("\r\n")])
  return Buffer.concat([Buffer.from(`*${parts.length}\r\n`), ...pieces])
}

/** Reads replies up to a number of bytes altogether: what a server sends must fit into memory, however it is nested. */
export class ReplyReader {
  #left = MESSAGE_MAX_BYTES

  constructor(private readonly wire: Wire) {}

  async read(depth = 0): Promise<Reply> {
    this.#spend(REPLY_COST_BYTES)
    const line = await this.#line()
    const rest = line.toString("utf8", 1)
    switch (String.fromCharCode(line[0] ?? 0)) {
      case "+":
        return { kind: "status", text: rest }
      case "-":
        return { kind: "error", text: rest }
      case ":":
        if (!/^[+-]?\d{1,19}$/.test(rest)) throw foreign()
        return { kind: "integer", digits: rest }
      case "$": {
        const length = count(rest)
        if (length < 0) return { kind: "nothing" }
        this.#spend(length + 2)
        return { kind: "bytes", bytes: (await this.wire.take(length + 2)).subarray(0, length) }
      }
      case "*": {
        const length = count(rest)
        if (length < 0) return { kind: "nothing" }
        if (depth === DEPTH_MAX) throw new WireFault("the answer is nested too deep")
        const items: Reply[] = []
        for (let i = 0; i < length; i++) items.push(await this.read(depth + 1))
        return { kind: "list", items }
      }
      default:
        throw foreign()
    }
  }

  async #line(): Promise<Buffer> {
    const bytes: number[] = []
    for (;;) {
      const [byte = 0] = this.wire.takeNow(1) ?? (await this.wire.take(1))
      if (byte === CR) break
      bytes.push(byte)
      if (bytes.length > LINE_MAX_BYTES) throw foreign()
    }
    this.#spend(bytes.length + 2)
    if ((await this.wire.take(1))[0] !== 10) throw foreign()
    return Buffer.from(bytes)
  }

  #spend(bytes: number): void {
    this.#left -= bytes
    if (this.#left < 0) throw new WireFault(`the answer is larger than the ${MESSAGE_MAX_BYTES} bytes that are taken`)
  }
}

function count(text: string): number {
  if (!/^-?\d{1,10}$/.test(text)) throw foreign()
  return Number(text)
}

function foreign(): WireFault {
  return new WireFault("the server does not speak Redis' protocol")
}
