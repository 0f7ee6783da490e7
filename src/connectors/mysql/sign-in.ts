import { constants, createHash, publicEncrypt } from "node:crypto"
import { type Wire, WireFault } from "../database/wire.ts"
import { errorOf, isError } from "./answers.ts"
import { Cursor, counted, nulText, type Packets, uint } from "./packets.ts"

export interface SignIn {
  readonly user: string
  readonly password: string
  readonly database: string
  /** Encryption with a certificate that is checked; otherwise it is encrypted where the server offers that. */
  readonly verify: boolean
  readonly ca: string | undefined
}

export interface Welcome {
  readonly threadId: number
  readonly mariadb: boolean
  readonly version: string
  /** MariaDB tells more about columns. */
  readonly extended: boolean
}

const CAN = {
  mysql: 0x1,
  longFlag: 0x4,
  database: 0x8,
  protocol41: 0x200,
  ssl: 0x800,
  transactions: 0x2000,
  secure: 0x8000,
  multiResults: 0x2_0000,
  preparedMultiResults: 0x4_0000,
  pluginAuth: 0x8_0000,
  longAuth: 0x20_0000,
} as const
/** Of MariaDB's own, counted from 2^32. */
const EXTENDED_METADATA = 0x8
const UTF8MB4 = 45
const PACKET_MAX_BYTES = 0x40_00_00_00

/** Neither LOAD DATA LOCAL, with which a server could read our files, nor several statements at once are ever agreed to. */
const WANTED =
  CAN.longFlag |
  CAN.database |
  CAN.protocol41 |
  CAN.transactions |
  CAN.secure |
  CAN.multiResults |
  CAN.preparedMultiResults |
  CAN.pluginAuth |
  CAN.longAuth

interface Greeting extends Omit<Welcome, "extended"> {
  readonly can: number
  readonly canMore: number
  readonly nonce: Buffer
  readonly plugin: string
}

export async function signIn(wire: Wire, packets: Packets, given: SignIn): Promise<Welcome> {
  const greeting = greetingOf(await packets.read())
  const extended = greeting.mariadb && (greeting.canMore & EXTENDED_METADATA) !== 0
  const encrypted = (greeting.can & CAN.ssl) !== 0
  if (given.verify && !encrypted)
    throw new WireFault(`${wire.target.host}:${wire.target.port} offers no encryption, which tls:// asks for`)
  const can = WANTED | (encrypted ? CAN.ssl : 0) | (extended ? 0 : CAN.mysql)
  const head = Buffer.concat([
    ...[uint(can, 4), uint(PACKET_MAX_BYTES, 4), uint(UTF8MB4, 1), Buffer.alloc(19)],
    uint(extended ? EXTENDED_METADATA : 0, 4),
  ])
  if (encrypted) {
    packets.write(head)
    await wire.secure({ ca: given.ca, verify: given.verify })
  }
  const plugin = KNOWN.has(greeting.plugin) ? greeting.plugin : "mysql_native_password"
  const proof = firstProof(wire, plugin, given.password, greeting.nonce)
  packets.write(Buffer.concat([head, nulText(given.user), counted(proof), nulText(given.database), nulText(plugin)]))
  await authenticate(wire, packets, given.password, { plugin, nonce: greeting.nonce })
  const { threadId, mariadb, version } = greeting
  return { threadId, mariadb, version, extended }
}

function greetingOf(packet: Buffer): Greeting {
  if (isError(packet)) throw errorOf(packet)
  const cursor = new Cursor(packet)
  if (cursor.uint(1) !== 10) throw new WireFault("the server does not speak MySQL's protocol")
  const version = cursor.untilNul()
  const threadId = cursor.uint(4)
  const nonceStart = cursor.take(8)
  cursor.skip(1)
  const low = cursor.uint(2)
  cursor.skip(3)
  const can = low + cursor.uint(2) * 0x1_0000
  const nonceLength = cursor.uint(1)
  cursor.skip(6)
  const canMore = cursor.uint(4)
  const nonceEnd = cursor.take(Math.max(13, nonceLength - 8)).subarray(0, 12)
  const mariadb = /mariadb/i.test(version)
  return {
    ...{ version, threadId, mariadb, can, nonce: Buffer.concat([nonceStart, nonceEnd]), plugin: cursor.untilNul() },
    canMore: (can & CAN.mysql) === 0 ? canMore : 0,
  }
}

interface Method {
  readonly plugin: string
  readonly nonce: Buffer
}

const KNOWN: ReadonlySet<string> = new Set(["mysql_native_password", "caching_sha2_password", "mysql_clear_password"])

async function authenticate(wire: Wire, packets: Packets, password: string, first: Method): Promise<void> {
  let method = first
  for (;;) {
    const packet = await packets.read()
    if (isError(packet)) throw errorOf(packet)
    switch (packet[0]) {
      case 0x00:
        return
      case 0xfe: {
        const cursor = new Cursor(packet, 1)
        const plugin = cursor.untilNul()
        method = { plugin, nonce: cursor.rest().subarray(0, 20) }
        packets.write(firstProof(wire, plugin, password, method.nonce))
        break
      }
      case 0x01:
        await goOn(wire, packets, password, method, packet.subarray(1))
        break
      default:
        throw new WireFault("the server does not keep to MySQL's protocol")
    }
  }
}

function firstProof(wire: Wire, plugin: string, password: string, nonce: Buffer): Buffer {
  switch (plugin) {
    case "mysql_native_password":
      return password === "" ? Buffer.alloc(0) : nativeProof(password, nonce)
    case "caching_sha2_password":
      return password === "" ? Buffer.alloc(0) : sha2Proof(password, nonce)
    case "mysql_clear_password":
      if (!wire.verified)
        throw new WireFault("the server asks for the password in plain text, which it gets over tls:// in mysql_host alone")
      return nulText(password)
    default:
      throw new WireFault(
        `the server wants to sign the user in with ${/^\w{1,64}$/.test(plugin) ? plugin : "a method"}, which is not supported; use mysql_native_password or caching_sha2_password`,
      )
  }
}

const FAST_PATH_DONE = 3
const FULL_NEEDED = 4
const KEY_WANTED = 2

/** The second part of caching_sha2_password, when the server does not remember the user. */
async function goOn(wire: Wire, packets: Packets, password: string, { plugin, nonce }: Method, data: Buffer): Promise<void> {
  if (plugin !== "caching_sha2_password") throw new WireFault("the server does not keep to MySQL's protocol")
  if (data[0] === FAST_PATH_DONE) return
  if (data[0] !== FULL_NEEDED) throw new WireFault("the server does not keep to MySQL's protocol")
  if (wire.verified) {
    packets.write(nulText(password))
    return
  }
  packets.write(uint(KEY_WANTED, 1))
  const answer = await packets.read()
  if (isError(answer)) throw errorOf(answer)
  packets.write(encrypted(password, nonce, answer.toString("latin1", 1)))
}

function encrypted(password: string, nonce: Buffer, key: string): Buffer {
  const masked = nulText(password).map((byte, i) => byte ^ nonce[i % nonce.length]!)
  try {
    return publicEncrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING }, Buffer.from(masked))
  } catch {
    throw new WireFault("the key that the server sent is no RSA key")
  }
}

function nativeProof(password: string, nonce: Buffer): Buffer {
  const once = sha("sha1", Buffer.from(password, "utf8"))
  return mixed(once, sha("sha1", nonce, sha("sha1", once)))
}

function sha2Proof(password: string, nonce: Buffer): Buffer {
  const once = sha("sha256", Buffer.from(password, "utf8"))
  return mixed(once, sha("sha256", sha("sha256", once), nonce))
}

function mixed(a: Buffer, b: Buffer): Buffer {
  return Buffer.from(a.map((byte, i) => byte ^ b[i]!))
}

function sha(name: "sha1" | "sha256", ...parts: readonly Buffer[]): Buffer {
  const hash = createHash(name)
  for (const part of parts) hash.update(part)
  return hash.digest()
}
