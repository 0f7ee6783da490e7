import type { Egress } from "../../adapters/egress/egress.ts"
import type { JsonObject } from "../../kernel/json.ts"
import type { Connector } from "../connector.ts"
import { type Limit, limited } from "../database/call.ts"
import { Pools, poolKey } from "../database/pool.ts"
import { createConnector, type ToolCall } from "../kit.ts"
import { parseDsn } from "./dsn.ts"
import { translate } from "./failures.ts"
import type { PgSession } from "./session.ts"
import { select } from "./statements.ts"
import { postgresTools } from "./tools.ts"

export interface PostgresDeps {
  readonly egress: Egress
  /** Certificates of authorities, PEM, that are trusted besides the usual ones. */
  readonly ca?: string
}

/** Does something with a connection of the call's configuration, within its time. */
export type WithSession = <T>(call: ToolCall, work: (session: PgSession, limit: Limit) => Promise<T>) => Promise<T>

export function createPostgresConnector({ egress, ca }: PostgresDeps): Connector {
  const pools = new Pools<PgSession>()

  const withSession: WithSession = (call, work) => {
    const dsn = parseDsn(String(call.config.postgres_dsn ?? ""))
    let limitMs = call.timeoutMs
    let used: PgSession | null = null
    return limited({
      call,
      seconds: Number(call.config.postgres_request_timeout_sec),
      secrets: [String(call.config.postgres_dsn ?? ""), dsn.password],
      work: limit => {
        limitMs = limit.ms
        return pools.use({
          key: poolKey(call.scope.tenantId, call.config),
          size: sizeOf(call.config),
          signal: limit.signal,
          open: async signal => {
            const { PgSession } = await import("./session.ts")
            return await PgSession.open({ outgoing: egress.for(call.asker), dsn, ca, signal })
          },
          work: session => {
            used = session
            return work(session, limit)
          },
        })
      },
      repeatable: () => used?.inDoubt !== true,
      translate: error => translate(error, limitMs),
    })
  }

  return {
    ...createConnector({
      slug: "postgres",
      tools: postgresTools(withSession),
      probe: call => withSession(call, (session, limit) => select(session, "SELECT 1", [], limit.left())),
    }),
    close: () => pools.close(),
  }
}

function sizeOf(config: JsonObject): { open: number; idle: number } {
  return { open: Number(config.postgres_max_open_conns), idle: Number(config.postgres_max_idle_conns) }
}
