import { createEgress } from "../../../src/adapters/egress/egress.ts"
import { createArgumentCheck } from "../../../src/connectors/arguments.ts"
import type { CallContext, Connector } from "../../../src/connectors/connector.ts"
import { createMysqlConnector } from "../../../src/connectors/mysql/connector.ts"
import { parseAllowEntry } from "../../../src/kernel/allow-entry.ts"
import type { JsonObject } from "../../../src/kernel/json.ts"
import { PASSWORD, type Server } from "../../helpers/servers.ts"
import { callContext } from "../call.ts"

/** The connector on a server of the test's own, which `db.example.com` leads to. */
export function mysqlOn(server: Pick<Server, "port" | "ca">) {
  const connector = createMysqlConnector({
    egress: createEgress({
      allow: [parseAllowEntry("127.0.0.1")!],
      resolve: async () => [{ address: "127.0.0.1", family: 4 }],
    }),
    ca: server.ca,
  })
  const config = (change: JsonObject = {}): JsonObject => ({
    ...{ mysql_host: "127.0.0.1", mysql_port: server.port, mysql_database: "test", mysql_user: "app", mysql_password: PASSWORD },
    ...change,
  })
  return { config, ...callsOf(connector, config()) }
}

export function callsOf(connector: Connector, config: JsonObject) {
  const check = createArgumentCheck()
  const call = async (tool: string, args: JsonObject = {}, change: Partial<CallContext> = {}) => {
    const checked = check(connector.tools.find(t => t.name === tool)!, args)
    if (!checked.ok) throw new Error(checked.message)
    return await connector.call(tool, checked.args, callContext({ config, ...change }))
  }
  /** Of a call that has to succeed. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  const value = async (tool: string, args: JsonObject = {}, change: Partial<CallContext> = {}): Promise<any> => {
    const result = await call(tool, args, change)
    if (!result.ok) throw new Error(result.message)
    return result.value
  }
  /** Of a call that has to fail. */
  const failure = async (tool: string, args: JsonObject = {}, change: Partial<CallContext> = {}) => {
    const result = await call(tool, args, change)
    if (result.ok) throw new Error(`no failure: ${JSON.stringify(result.value).slice(0, 500)}`)
    return result
  }
  const run = (sql: string, ...args: JsonObject[string][]) => value("mysql_execute_sql", { sql, args })
  return { connector, call, value, failure, run }
}

export type Place = ReturnType<typeof mysqlOn>
