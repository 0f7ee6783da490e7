import { isIP } from "node:net"
import type { Egress } from "../../adapters/egress/egress.ts"
import type { JsonObject } from "../../kernel/json.ts"
import type { Connector } from "../connector.ts"
import { limited, timeout } from "../database/call.ts"
import { ConnectionLost, type Target } from "../database/dial.ts"
import { Pools, poolKey } from "../database/pool.ts"
import { createConnector, ToolFailure } from "../kit.ts"
import { isServerError } from "./failures.ts"
import type { MysqlSession } from "./session.ts"
import type { SignIn } from "./sign-in.ts"
import { read } from "./statements.ts"
import { mysqlTools, type WithSession } from "./tools.ts"

export interface MysqlDeps {
  readonly egress: Egress
  /** Certificates of authorities, PEM, that are trusted besides the usual ones. */
  readonly ca?: string
}

const POOL = { open: 10, idle: 5 }

export function createMysqlConnector({ egress, ca }: MysqlDeps): Connector {
  const pools = new Pools<MysqlSession>()

  const withSession: WithSession = (call, work) => {
    const { target, verify } = targetOf(call.config)
    const signIn = signInOf(call.config, verify, ca)
    let limitMs = call.timeoutMs
    let used: MysqlSession | null = null
    const inDoubt = () => used?.inDoubt === true
    return limited({
      call,
      seconds: Number(call.config.mysql_query_timeout_seconds),
      secrets: [signIn.password],
      work: limit => {
        limitMs = limit.ms
        return pools.use({
          key: poolKey(call.scope.tenantId, call.config),
          size: POOL,
          signal: limit.signal,
          open: async signal => {
            const { MysqlSession } = await import("./session.ts")
            return await MysqlSession.open(egress.for(call.asker), target, signIn, signal)
          },
          work: session => {
            used = session
            session.inDoubt = false
            return work(session, limit)
          },
        })
      },
      repeatable: () => !inDoubt(),
      translate: error => translate(error, limitMs, inDoubt()),
    })
  }

  return {
    ...createConnector({
      slug: "mysql",
      tools: mysqlTools(withSession),
      probe: call => withSession(call, (session, limit) => read(session, "SELECT 1", [], limit)),
    }),
    close: () => pools.close(),
  }
}

/** `host`, or `tls://host` where the connection has to be encrypted and the certificate right. */
function targetOf(config: JsonObject): { readonly target: Target; readonly verify: boolean } {
  const [, tls, host = ""] = /^(tls:\/\/)?(.*)$/s.exec(String(config.mysql_host ?? "").trim()) ?? []
  const bare = host.replace(/^\[(.*)\]$/, "$1")
  if (isIP(bare) === 0 && !/^[\p{L}\p{N}_-][\p{L}\p{N}._-]{0,252}$/u.test(bare))
    throw new ToolFailure("mysql_host must be the name or the address of one host, or tls:// and such a host")
  const port = Number(config.mysql_port)
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new ToolFailure("mysql_port must be a port from 1 to 65535")
  return { target: { host: bare, port }, verify: tls !== undefined }
}

function signInOf(config: JsonObject, verify: boolean, ca: string | undefined): SignIn {
  const [user = "", password = "", database = ""] = ["mysql_user", "mysql_password", "mysql_database"].map(key => {
    const value = String(config[key] ?? "")
    if (value.includes("\0")) throw new ToolFailure(`${key} holds a NUL character`)
    return value
  })
  return { user, password, database, verify, ca }
}

/** Errors that pass by themselves: too many connections, lock waits, deadlocks, a server that goes or comes. */
const RETRYABLE: ReadonlySet<number> = new Set([1040, 1053, 1203, 1205, 1213, 1226, 1927, 3024, 4031])
/** A statement that the server itself ended at its limit, and undid. */
const TIMED_OUT: ReadonlySet<number> = new Set([1969, 3024])

function translate(error: unknown, limitMs: number, inDoubt: boolean): ToolFailure | null {
  if (error instanceof ConnectionLost && inDoubt)
    return new ToolFailure(`${error.message}; the statement may or may not have been done`)
  if (!isServerError(error)) return null
  const { errno, sqlState, message } = error
  if (TIMED_OUT.has(errno)) return timeout(limitMs, true)
  const state = sqlState === "" ? "" : `, SQLSTATE ${sqlState}`
  return new ToolFailure(`${message} (error ${errno}${state})`, { retryable: RETRYABLE.has(errno) })
}
