import { createHash } from "node:crypto"
import { type Wire, WireFault } from "../database/wire.ts"
import type { Dsn } from "./dsn.ts"
import { cstring, errorOf, int32, type Message, message, readMessage, sslRequest, startup, textOf } from "./messages.ts"
import { Scram } from "./scram.ts"

/** Encrypts the connection as far as the connection string and the server want it. */
export async function encrypt(wire: Wire, dsn: Dsn, ca: string | undefined): Promise<void> {
  if (dsn.ssl === "disable") return
  wire.send(sslRequest())
  const answer = (await wire.take(1)).toString("latin1")
  if (answer === "S") return await wire.secure({ ca, verify: dsn.ssl === "require" })
  if (dsn.ssl === "require") throw new WireFault(`${dsn.host}:${dsn.port} offers no encryption, which sslmode asks for`)
  if (answer !== "N") throw new WireFault(`${dsn.host}:${dsn.port} does not speak PostgreSQL's protocol`)
}

/** Signs in; gives what a request to cancel has to show. */
export async function signIn(wire: Wire, dsn: Dsn): Promise<Buffer> {
  const settings = { client_encoding: "UTF8", DateStyle: "ISO, YMD", TimeZone: "UTC", application_name: dsn.applicationName }
  wire.send(startup({ user: dsn.user, database: dsn.database, ...settings }))
  let cancelKey: Buffer = Buffer.alloc(8)
  const scram = new Scram(dsn.password)
  for (;;) {
    const received = await readMessage(wire)
    switch (received.kind) {
      case "R":
        await authenticate(wire, dsn, scram, received)
        break
      case "K":
        cancelKey = received.body
        break
      case "E":
        throw errorOf(received.body)
      case "Z":
        return cancelKey
      case "S":
      case "N":
        break
      default:
        throw new WireFault(`${dsn.host}:${dsn.port} does not speak PostgreSQL's protocol`)
    }
  }
}

async function authenticate(wire: Wire, dsn: Dsn, scram: Scram, { body }: Message): Promise<void> {
  const rest = body.subarray(4)
  const wanted = body.readUInt32BE(0)
  if (wanted !== 0 && dsn.password === "" && wanted !== 12)
    throw new WireFault("the server asks for a password, and postgres_dsn has none")
  switch (wanted) {
    case 0:
      return
    case 3:
      if (!wire.verified)
        throw new WireFault("the server asks for the password in plain text, which it gets over sslmode=require alone")
      return wire.send(message("p", cstring(dsn.password)))
    case 5:
      return wire.send(message("p", cstring(md5Answer(dsn, rest.subarray(0, 4)))))
    case 10: {
      if (!rest.toString("latin1").split("\0").includes("SCRAM-SHA-256"))
        throw new WireFault("the server offers no way to sign in that is known here")
      const first = Buffer.from(scram.first, "utf8")
      return wire.send(message("p", cstring("SCRAM-SHA-256"), int32(first.length), first))
    }
    case 11:
      return wire.send(message("p", Buffer.from(await scram.answer(rest.toString("utf8")), "utf8")))
    case 12:
      return scram.verify(textOf(rest))
    default:
      throw new WireFault(`the server asks for a way to sign in (${wanted}) that is not supported; use a password`)
  }
}

function md5Answer(dsn: Dsn, salt: Buffer): string {
  const inner = createHash("md5")
    .update(dsn.password + dsn.user)
    .digest("hex")
  return `md5${createHash("md5").update(inner).update(salt).digest("hex")}`
}
