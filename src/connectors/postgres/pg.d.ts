// What is used of the driver beyond its published types: it is imported without `pg/lib/index`, which would load another
// implementation when the environment has NODE_PG_FORCE_NATIVE.

declare module "pg/lib/connection.js" {
  import { EventEmitter } from "node:events"
  import type { Socket } from "node:net"
  import type { ConnectionOptions } from "node:tls"

  interface ConnectionConfig {
    readonly stream: (config: unknown) => Socket
    readonly ssl: ConnectionOptions | false
  }

  /** The server's messages are its events. */
  class Connection extends EventEmitter {
    constructor(config: ConnectionConfig)
    stream: Socket
    connect(port: number, host: string): void
    requestSsl(): void
    query(text: string): void
    parse(statement: { readonly name: string; readonly text: string }): void
    describe(target: { readonly type: "S"; readonly name: string }): void
    bind(values: { readonly statement: string; readonly values: readonly (string | null)[] }): void
    execute(portal: { readonly rows: number }): void
    close(target: { readonly type: "S"; readonly name: string }): void
    sync(): void
    sendCopyFail(why: string): void
    cancel(processId: number, secretKey: number): void
  }

  export default Connection
}

declare module "pg/lib/client.js" {
  import { EventEmitter } from "node:events"
  import type Connection from "pg/lib/connection.js"

  interface ClientConfig {
    readonly host: string
    readonly port: number
    readonly user: string
    readonly database: string
    readonly password: () => Promise<string>
    readonly sslnegotiation: "postgres"
    readonly client_encoding: "UTF8"
    readonly scramMaxIterations: number
    readonly connection: Connection
    readonly ssl: object | false
  }

  class Client extends EventEmitter {
    constructor(config: ClientConfig)
    readonly connection: Connection
    readonly processID: number
    readonly secretKey: number
    getStartupConf(): Readonly<Record<string, string>>
    getTransactionStatus(): "I" | "T" | "E" | null
    connect(): Promise<unknown>
    query(query: { submit(connection: Connection): void }): void
    end(): Promise<void>
  }

  export default Client
}
