import { Cursor } from "./packets.ts"

/** What the server says when it cannot do what it was asked. */
export class MysqlError extends Error {
  override readonly name = "MysqlError"

  constructor(
    readonly number: number,
    readonly sqlState: string,
    message: string,
  ) {
    super(message)
  }
}

export interface Done {
  /** Null where the server counts nothing: after rows. */
  readonly affected: string | null
  readonly insertId: string
  readonly status: number
}

export interface Column {
  readonly name: string
  readonly type: number
  readonly flags: number
  /** Characters or digits at the most, as it is shown. */
  readonly length: number
  readonly decimals: number
  /** 63 is "binary". */
  readonly charset: number
  /** What MariaDB says besides: `json` of a text that is JSON. */
  readonly format: string
}

export const STATUS = { inTransaction: 0x1, moreResults: 0x8 } as const

export function isError(packet: Buffer): boolean {
  return packet[0] === 0xff
}

export function isEnd(packet: Buffer): boolean {
  return packet[0] === 0xfe && packet.length < 9
}

export function errorOf(packet: Buffer): MysqlError {
  const number = packet.length >= 3 ? packet.readUInt16LE(1) : 0
  const marked = packet[3] === 0x23
  const state = marked ? packet.toString("latin1", 4, 9) : ""
  return new MysqlError(number, state, packet.toString("utf8", marked ? 9 : 3))
}

export function doneOf(packet: Buffer): Done {
  const cursor = new Cursor(packet, 1)
  return { affected: cursor.lengthDigits(), insertId: cursor.lengthDigits(), status: cursor.uint(2) }
}

export function endStatus(packet: Buffer): number {
  return packet.length >= 5 ? packet.readUInt16LE(3) : 0
}

export function columnOf(packet: Buffer, extended: boolean): Column {
  const cursor = new Cursor(packet)
  for (let i = 0; i < 4; i++) cursor.counted()
  const name = cursor.text()
  cursor.counted()
  const format = extended ? formatOf(cursor.counted() ?? Buffer.alloc(0)) : ""
  cursor.skip(1)
  const charset = cursor.uint(2)
  const length = cursor.uint(4)
  const type = cursor.uint(1)
  const flags = cursor.uint(2)
  return { name, type, flags, length, charset, decimals: cursor.uint(1), format }
}

const FORMAT_NAME = 1

function formatOf(bytes: Buffer): string {
  const cursor = new Cursor(bytes)
  while (cursor.left > 0) {
    const kind = cursor.uint(1)
    const text = cursor.text()
    if (kind === FORMAT_NAME) return text
  }
  return ""
}
