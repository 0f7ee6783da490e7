import { isIP, type Socket } from "node:net"
import { checkServerIdentity, type TLSSocket } from "node:tls"
import mysql, { type Connection } from "mysql2"
import { brokenBy, ConnectionLost, type Target, WireFault } from "../database/dial.ts"
import { MESSAGE_MAX_BYTES } from "../database/limits.ts"
import { watch } from "../database/watch.ts"
import { ToolFailure } from "../kit.ts"
import { castBinary } from "./decode.ts"
import { isServerError } from "./failures.ts"

export interface SignIn {
  readonly user: string
  readonly password: string
  readonly database: string
  /** Encryption with a certificate that is checked; otherwise it is encrypted where the server offers that. */
  readonly verify: boolean
  readonly ca: string | undefined
}

/** The server offers no encryption. */
export class NoEncryption extends WireFault {}

/** A connection of the driver, with what its published types leave out. */
export interface Driver extends Connection {
  stream: Socket
  handlePacket(packet?: unknown): void
  startTLS(onSecure: (error?: Error | null) => void): void
}

export interface SignedIn {
  readonly driver: Driver
  readonly mariadb: boolean
  /** Bytes that the server sent so far. */
  readonly received: () => number
}

/**
 * Neither LOAD DATA LOCAL, with which a server could read our files, nor several statements at once are ever agreed to;
 * changed rows are counted, not found ones, and names of functions may be names of columns, as everywhere else.
 */
const FLAGS = ["-LOCAL_FILES", "-MULTI_STATEMENTS", "-FOUND_ROWS", "-IGNORE_SPACE", "-ODBC", "-CONNECT_ATTRS"]

export async function signIn(socket: Socket, target: Target, given: SignIn, encrypted: boolean): Promise<SignedIn> {
  const { user, password, database, verify, ca } = given
  const named = isIP(target.host) === 0
  const ssl = { ...(ca === undefined ? {} : { ca }), rejectUnauthorized: verify, verifyIdentity: verify && named }
  const fail = (error: Error) => driver.emit("error", error)
  const watched = new Watched()
  watch(socket, chunk => watched.look(chunk), fail)
  const driver = mysql.createConnection({
    ...{ stream: socket, host: target.host, port: target.port, user, password, database },
    ...(encrypted ? { ssl } : {}),
    // The time is ours to keep.
    ...{ flags: FLAGS, connectTimeout: 0, enableCleartextPlugin: encrypted && verify, charset: "UTF8MB4_GENERAL_CI" },
    infileStreamFactory: () => {
      throw new WireFault("the server asks for a file of this machine, which it does not get")
    },
    // What a server says of its columns is not made into code.
    ...{ disableEval: true, rowsAsArray: true, typeCast: castBinary },
    ...{ supportBigNumbers: true, bigNumberStrings: true, dateStrings: true, jsonStrings: true },
  }) as unknown as Driver
  watched.attach(driver, target, verify && !named, fail)
  try {
    const { serverVersion } = await new Promise<{ readonly serverVersion: string }>((resolve, reject) => {
      driver.on("error", reject)
      driver.once("connect", resolve as () => void)
    })
    return { driver, mariadb: /mariadb/i.test(serverVersion), received: () => watched.received }
  } catch (error) {
    driver.stream.destroy()
    socket.destroy()
    throw failureOf(error, target)
  }
}

/** Between the server and the driver, which takes packets without end and in any order. */
class Watched {
  received = 0
  #sincePacket = 0
  #handshaking = false

  look(chunk: Buffer): void {
    // The first packet has the number 0; of anything else the driver would read a length and wait for as much.
    if (this.received === 0 && chunk.length > 3 && chunk[3] !== 0)
      throw new WireFault("the server does not speak MySQL's protocol")
    this.received += chunk.length
    this.#sincePacket += chunk.length
    if (this.#sincePacket > MESSAGE_MAX_BYTES)
      throw new WireFault(`the server sent a row or message of more than the ${MESSAGE_MAX_BYTES} bytes that are taken`)
  }

  attach(driver: Driver, target: Target, checkAddress: boolean, fail: (error: Error) => void): void {
    // It would write to the console.
    driver.on("warn" as "error", () => {
      throw new WireFault("the server does not keep to MySQL's protocol")
    })
    const handlePacket = driver.handlePacket.bind(driver)
    driver.handlePacket = packet => {
      // It would count as encrypted: somebody in between could have put it there.
      if (this.#handshaking) throw new WireFault("the server sent data before the encryption that was agreed on")
      this.#sincePacket = 0
      handlePacket(packet)
    }
    const startTls = driver.startTLS.bind(driver)
    driver.startTLS = onSecure => {
      this.#handshaking = true
      startTls(error => {
        this.#handshaking = false
        // The driver checks names alone.
        const wrong =
          error ?? (checkAddress ? checkServerIdentity(target.host, (driver.stream as TLSSocket).getPeerCertificate()) : null)
        onSecure(wrong ? brokenBy(wrong, target) : null)
      })
      watch(driver.stream, chunk => this.look(chunk), fail)
    }
  }
}

/** What an error of the driver means, where it is none of the server's or ours. */
export function failureOf(error: unknown, { host, port }: Target): unknown {
  if ([WireFault, ConnectionLost, ToolFailure].some(own => error instanceof own) || isServerError(error)) return error
  const code = error instanceof Error && "code" in error ? String(error.code) : ""
  switch (code) {
    case "HANDSHAKE_NO_SSL_SUPPORT":
      return new NoEncryption(`${host}:${port} offers no encryption, which tls:// asks for`)
    case "MYSQL_CLEAR_PASSWORD_NOT_ENABLED":
      return new WireFault("the server asks for the password in plain text, which it gets over tls:// in mysql_host alone")
    case "AUTH_SWITCH_PLUGIN_ERROR":
      return new WireFault("the server wants to sign the user in in a way that is not supported; use caching_sha2_password")
    case "PROTOCOL_CONNECTION_LOST":
      return new ConnectionLost(`${host}:${port} closed the connection`)
    case "":
    case "HANDSHAKE_UNKNOWN_ERROR":
    case "PROTOCOL_ERROR":
    case "PROTOCOL_UNEXPECTED_PACKET":
      return new WireFault("the server does not speak MySQL's protocol")
    default:
      return /^ERR_|^undefined$/.test(code)
        ? new WireFault("the server does not speak MySQL's protocol")
        : brokenBy(error, { host, port })
  }
}
