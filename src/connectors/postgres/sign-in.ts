import type { Socket } from "node:net"
import Client from "pg/lib/client.js"
import Connection from "pg/lib/connection.js"
import { brokenBy, ConnectionLost, WireFault } from "../database/dial.ts"
import { watch } from "../database/watch.ts"
import type { Dsn } from "./dsn.ts"
import { isServerError } from "./failures.ts"
import { Frames } from "./frames.ts"

export interface Ssl {
  readonly ca?: string
  readonly rejectUnauthorized: boolean
}

/** The server offers no encryption. */
export class NoEncryption extends WireFault {}

/** As many rounds of SCRAM as a password is worth. */
const SCRAM_MAX_ROUNDS = 1_000_000

/** The driver's connection over a socket of ours. It would connect to a host by itself. */
export function connectionOver(socket: Socket, ssl: Ssl | false): Connection {
  socket.connect = () => {
    queueMicrotask(() => socket.emit("connect"))
    return socket
  }
  const connection = new Connection({ stream: () => socket, ssl })
  const fail = (error: Error) => connection.emit("error", error)
  const frames = new Frames()
  // Before it is encrypted there is one byte, which is no message.
  watch(socket, chunk => ssl === false && frames.look(chunk), fail)
  connection.once("sslconnect", () => watch(connection.stream, chunk => frames.look(chunk), fail))
  return connection
}

/** Signs in with everything said: what is left out the driver takes from the environment and from files. */
export async function signIn(socket: Socket, dsn: Dsn, ssl: Ssl | false): Promise<Client> {
  const connection = connectionOver(socket, ssl)
  let inPlain = false
  connection.once("authenticationCleartextPassword", () => {
    inPlain = true
  })
  const { host, port, user, database, applicationName } = dsn
  const client = new Client({
    ...{ host, port, user, database, ssl, connection, sslnegotiation: "postgres", client_encoding: "UTF8" },
    scramMaxIterations: SCRAM_MAX_ROUNDS,
    password: async () => {
      if (dsn.password === "") throw new WireFault("the server asks for a password, and postgres_dsn has none")
      const verified = ssl !== false && ssl.rejectUnauthorized
      if (inPlain && !verified)
        throw new WireFault("the server asks for the password in plain text, which it gets over sslmode=require alone")
      return dsn.password
    },
  })
  const settings = { client_encoding: "UTF8", DateStyle: "ISO, YMD", TimeZone: "UTC", application_name: applicationName }
  client.getStartupConf = () => ({ user, database, ...settings })
  client.on("error", () => {})
  try {
    await client.connect()
    return client
  } catch (error) {
    connection.stream.destroy()
    socket.destroy()
    throw signInFailure(error, dsn)
  }
}

function signInFailure(error: unknown, dsn: Dsn): unknown {
  if (error instanceof WireFault || isServerError(error)) return error
  const { message } = error instanceof Error ? error : { message: "" }
  const name = `${dsn.host}:${dsn.port}`
  if (message === "The server does not support SSL connections")
    return new NoEncryption(`${name} offers no encryption, which sslmode asks for`)
  if (message.startsWith("Connection terminated")) return new ConnectionLost(`${name} closed the connection`)
  if (message.startsWith("SASL"))
    return new WireFault("the server could not be signed in to with SCRAM-SHA-256: it does not keep to it")
  if (error instanceof Error && "code" in error && typeof error.code === "string") return brokenBy(error, dsn)
  return new WireFault(`${name} does not speak PostgreSQL's protocol`)
}
