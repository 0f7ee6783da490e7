import { createEgress } from "../../../src/adapters/egress/egress.ts"
import { createArgumentCheck } from "../../../src/connectors/arguments.ts"
import type { CallContext, ToolResult } from "../../../src/connectors/connector.ts"
import { createPostgresConnector } from "../../../src/connectors/postgres/connector.ts"
import { parseAllowEntry } from "../../../src/kernel/allow-entry.ts"
import type { JsonObject } from "../../../src/kernel/json.ts"
import { PASSWORD, type Server } from "../../helpers/servers.ts"
import { callContext } from "../call.ts"

export interface Dialled {
  readonly user?: string
  readonly password?: string
  readonly host?: string
  readonly query?: string
}

/** The connector on a server of the test's own, which `db.example.com` leads to. */
export function postgresOn(server: Server) {
  const check = createArgumentCheck()
  const connector = createPostgresConnector({
    egress: createEgress({
      allow: [parseAllowEntry("127.0.0.1")!],
      resolve: async () => [{ address: "127.0.0.1", family: 4 }],
    }),
    ca: server.ca,
  })
  const dsn = ({ user = "postgres", password = PASSWORD, host = "127.0.0.1", query = "" }: Dialled = {}) =>
    `postgres://${user}:${encodeURIComponent(password)}@${host}:${server.port}/postgres${query}`

  async function call(tool: string, args: JsonObject = {}, change: Partial<CallContext> = {}): Promise<ToolResult> {
    const found = connector.tools.find(t => t.name === tool)
    const checked = check(found!, args)
    if (!checked.ok) throw new Error(checked.message)
    return await connector.call(tool, checked.args, callContext({ config: { postgres_dsn: dsn() }, ...change }))
  }

  /** Of a call that has to succeed. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  async function value(tool: string, args: JsonObject = {}, change: Partial<CallContext> = {}): Promise<any> {
    const result = await call(tool, args, change)
    if (!result.ok) throw new Error(result.message)
    return result.value
  }

  /** Of a call that has to fail. */
  async function failure(tool: string, args: JsonObject = {}, change: Partial<CallContext> = {}) {
    const result = await call(tool, args, change)
    if (result.ok) throw new Error(`no failure: ${JSON.stringify(result.value).slice(0, 500)}`)
    return result
  }

  return { connector, dsn, call, value, failure }
}

export type Place = ReturnType<typeof postgresOn>
