import { MESSAGE_MAX_BYTES } from "../database/limits.ts"
import { type Wire, WireFault } from "../database/wire.ts"

/** MySQL's framing and its kinds of numbers and texts: https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html */
const FULL_PACKET = 0xff_ff_ff

/** One conversation: packets are numbered from the command on. */
export class Packets {
  #sequence = 0

  constructor(private readonly wire: Wire) {}

  /** A new command begins. */
  start(): void {
    this.#sequence = 0
  }

  async read(): Promise<Buffer> {
    const parts: Buffer[] = []
    let total = 0
    for (;;) {
      const head = this.wire.takeNow(4) ?? (await this.wire.take(4))
      const length = head.readUIntLE(0, 3)
      if (head[3] !== this.#sequence) throw new WireFault("the server does not keep to MySQL's protocol")
      this.#sequence = (this.#sequence + 1) & 0xff
      total += length
      if (total > MESSAGE_MAX_BYTES)
        throw new WireFault(`the server sent a row or message of more than the ${MESSAGE_MAX_BYTES} bytes that are taken`)
      parts.push(this.wire.takeNow(length) ?? (await this.wire.take(length)))
      if (length < FULL_PACKET) return parts.length === 1 ? parts[0]! : Buffer.concat(parts)
    }
  }

  write(payload: Buffer): void {
    for (let offset = 0; ; offset += FULL_PACKET) {
      const part = payload.subarray(offset, offset + FULL_PACKET)
      const head = Buffer.alloc(4)
      head.writeUIntLE(part.length, 0, 3)
      head[3] = this.#sequence
      this.#sequence = (this.#sequence + 1) & 0xff
      this.wire.send(Buffer.concat([head, part]))
      if (part.length < FULL_PACKET) return
    }
  }
}

/** Reads a packet from front to back. */
export class Cursor {
  #at: number

  constructor(
    private readonly bytes: Buffer,
    at = 0,
  ) {
    this.#at = at
  }

  get left(): number {
    return this.bytes.length - this.#at
  }

  skip(count: number): void {
    this.#at += count
  }

  take(count: number): Buffer {
    if (count > this.left) throw new WireFault("the server does not keep to MySQL's protocol")
    this.#at += count
    return this.bytes.subarray(this.#at - count, this.#at)
  }

  uint(size: number): number {
    return this.take(size).readUIntLE(0, size)
  }

  int(size: number): number {
    return this.take(size).readIntLE(0, size)
  }

  big(unsigned: boolean): bigint {
    const bytes = this.take(8)
    return unsigned ? bytes.readBigUInt64LE() : bytes.readBigInt64LE()
  }

  /** A number of its own length; null stands for the value NULL of a text row. */
  length(): number | null {
    const first = this.uint(1)
    if (first < 0xfb) return first
    if (first === 0xfb) return null
    if (first === 0xfc) return this.uint(2)
    if (first === 0xfd) return this.uint(3)
    const long = this.big(true)
    if (long > BigInt(Number.MAX_SAFE_INTEGER)) return Number.MAX_SAFE_INTEGER
    return Number(long)
  }

  /** As digits: it may be beyond 2^53. */
  lengthDigits(): string {
    if (this.bytes[this.#at] !== 0xfe) return String(this.length() ?? 0)
    this.skip(1)
    return String(this.big(true))
  }

  counted(): Buffer | null {
    const length = this.length()
    return length === null ? null : this.take(length)
  }

  text(): string {
    return this.counted()?.toString("utf8") ?? ""
  }

  untilNul(): string {
    const end = this.bytes.indexOf(0, this.#at)
    const text = this.bytes.toString("utf8", this.#at, end === -1 ? this.bytes.length : end)
    this.#at = end === -1 ? this.bytes.length : end + 1
    return text
  }

  rest(): Buffer {
    return this.take(this.left)
  }
}

export function uint(value: number, size: number): Buffer {
  const bytes = Buffer.alloc(size)
  bytes.writeUIntLE(value, 0, size)
  return bytes
}

export function nulText(text: string): Buffer {
  return Buffer.from(`${text}\0`, "utf8")
}

export function counted(bytes: Buffer): Buffer {
  const { length } = bytes
  if (length < 0xfb) return Buffer.concat([uint(length, 1), bytes])
  if (length < 0x1_00_00) return Buffer.concat([uint(0xfc, 1), uint(length, 2), bytes])
  if (length < 0x1_00_00_00) return Buffer.concat([uint(0xfd, 1), uint(length, 3), bytes])
  return Buffer.concat([uint(0xfe, 1), uint(length, 4), uint(0, 4), bytes])
}
