import { MESSAGE_MAX_BYTES } from "../database/limits.ts"
import { type Wire, WireFault } from "../database/wire.ts"

/** PostgreSQL's messages, protocol 3.0: https://www.postgresql.org/docs/current/protocol-message-formats.html */
export interface Message {
  /** The letter that says what it is. */
  readonly kind: string
  readonly body: Buffer
}

export interface Field {
  readonly name: string
  readonly type: number
}

/** What the server says when it cannot do what it was asked. */
export class ServerError extends Error {
  override readonly name = "ServerError"

  constructor(
    readonly sqlState: string,
    message: string,
    readonly detail: string,
    readonly hint: string,
  ) {
    super(message)
  }
}

const SSL_REQUEST = 80_877_103
const CANCEL_REQUEST = 80_877_102
const VERSION_3 = 196_608

export async function readMessage(wire: Wire): Promise<Message> {
  const head = wire.takeNow(5) ?? (await wire.take(5))
  const length = head.readUInt32BE(1) - 4
  if (length < 0 || length > MESSAGE_MAX_BYTES)
    throw new WireFault(`the server sent a message of ${length} bytes, more than the ${MESSAGE_MAX_BYTES} that are taken`)
  return { kind: String.fromCharCode(head[0]!), body: wire.takeNow(length) ?? (await wire.take(length)) }
}

export function sslRequest(): Buffer {
  return plain(int32(SSL_REQUEST))
}

export function cancelRequest(key: Buffer): Buffer {
  return plain(Buffer.concat([int32(CANCEL_REQUEST), key]))
}

export function startup(settings: Readonly<Record<string, string>>): Buffer {
  const pairs = Object.entries(settings).flatMap(([key, value]) => [cstring(key), cstring(value)])
  return plain(Buffer.concat([int32(VERSION_3), ...pairs, Buffer.from([0])]))
}

export function message(kind: string, ...parts: readonly Buffer[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 4)
  return Buffer.concat([Buffer.from(kind, "latin1"), int32(length), ...parts])
}

export const simpleQuery = (sql: string) => message("Q", cstring(sql))
/** Named, as a simple query in between would end one without a name. */
const STATEMENT = cstring("call")
export const parse = (sql: string) => message("P", STATEMENT, cstring(sql), int16(0))
export const describeStatement = () => message("D", Buffer.from("S"), STATEMENT)
export const closeStatement = () => message("C", Buffer.from("S"), STATEMENT)
export const execute = (maxRows: number) => message("E", cstring(""), int32(maxRows))
export const sync = () => message("S")
export const copyFail = (why: string) => message("f", cstring(why))
export const terminate = () => message("X")

/** Everything as text, both ways: what the server prints loses nothing. */
export function bind(values: readonly (string | null)[]): Buffer {
  const parts = values.flatMap(value => {
    if (value === null) return [int32(-1)]
    const bytes = Buffer.from(value, "utf8")
    return [int32(bytes.length), bytes]
  })
  return message("B", cstring(""), STATEMENT, int16(0), int16(values.length), ...parts, int16(0))
}

export function fieldsOf(body: Buffer): readonly Field[] {
  const fields: Field[] = []
  let offset = 2
  for (let n = body.readUInt16BE(0); n > 0; n--) {
    const end = body.indexOf(0, offset)
    fields.push({ name: body.toString("utf8", offset, end), type: body.readUInt32BE(end + 7) })
    offset = end + 19
  }
  return fields
}

export function parametersOf(body: Buffer): readonly number[] {
  return Array.from({ length: body.readUInt16BE(0) }, (_, i) => body.readUInt32BE(2 + 4 * i))
}

export function valuesOf(body: Buffer): readonly (string | null)[] {
  const values: (string | null)[] = []
  let offset = 2
  for (let n = body.readUInt16BE(0); n > 0; n--) {
    const length = body.readInt32BE(offset)
    offset += 4
    values.push(length < 0 ? null : body.toString("utf8", offset, offset + length))
    offset += Math.max(0, length)
  }
  return values
}

export function errorOf(body: Buffer): ServerError {
  const parts = new Map<string, string>()
  for (let offset = 0; offset < body.length && body[offset] !== 0; ) {
    const end = body.indexOf(0, offset)
    if (end === -1) break
    parts.set(String.fromCharCode(body[offset]!), body.toString("utf8", offset + 1, end))
    offset = end + 1
  }
  return new ServerError(parts.get("C") ?? "", parts.get("M") ?? "no message", parts.get("D") ?? "", parts.get("H") ?? "")
}

export function textOf(body: Buffer): string {
  const end = body.indexOf(0)
  return body.toString("utf8", 0, end === -1 ? body.length : end)
}

export function cstring(text: string): Buffer {
  return Buffer.from(`${text}\0`, "utf8")
}

export function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(value)
  return bytes
}

function plain(content: Buffer): Buffer {
  return Buffer.concat([int32(content.length + 4), content])
}
