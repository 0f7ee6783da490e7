import type { Egress } from "../../adapters/egress/egress.ts"
import type { Connector } from "../connector.ts"
import { limited } from "../database/call.ts"
import { Pools, poolKey } from "../database/pool.ts"
import { createConnector, type ToolCall, ToolFailure } from "../kit.ts"
import { parseAddress } from "./address.ts"
import { AnswerLost, RedisError } from "./failures.ts"
import type { RedisSession, RedisSignIn } from "./session.ts"
import { redisTools, type Send } from "./tools.ts"

export interface RedisDeps {
  readonly egress: Egress
  /** Certificates of authorities, PEM, that are trusted besides the usual ones. */
  readonly ca?: string
}

const POOL = { open: 10, idle: 5 }

export function createRedisConnector({ egress, ca }: RedisDeps): Connector {
  const pools = new Pools<RedisSession>()

  const send: Send = (call, again, command) => {
    const signIn = signInOf(call, ca)
    return limited({
      call,
      seconds: 0,
      secrets: [signIn.password],
      work: limit => {
        // Refused before anything is connected.
        const words = command(limit)
        return pools.use({
          key: poolKey(call.scope.tenantId, call.config),
          size: POOL,
          signal: limit.signal,
          open: async signal => {
            const { RedisSession } = await import("./session.ts")
            return await RedisSession.open(egress.for(call.asker), signIn, signal)
          },
          work: session => session.ask(words),
        })
      },
      repeatable: () => again,
      translate: error => translate(error, again),
    })
  }

  return {
    ...createConnector({
      slug: "redis",
      tools: redisTools(send),
      probe: call => send(call, true, () => [Buffer.from("PING")]),
    }),
    close: () => pools.close(),
  }
}

function signInOf({ config }: ToolCall, ca: string | undefined): RedisSignIn {
  const database = Number(config.redis_db ?? 0)
  if (!Number.isInteger(database) || database < 0) throw new ToolFailure("redis_db must be a whole number from 0")
  const password = String(config.redis_password ?? "")
  const username = String(config.redis_username ?? "")
  if (username !== "" && password === "") throw new ToolFailure("redis_username is set and redis_password is not")
  return { address: parseAddress(String(config.redis_addr)), username, password, database, ca }
}

/** Errors that pass by themselves. */
const RETRYABLE = /^(LOADING|BUSY|TRYAGAIN|CLUSTERDOWN|MASTERDOWN|NOREPLICAS|ERR max number of clients)/

function translate(error: unknown, again: boolean): ToolFailure | null {
  if (error instanceof RedisError) return new ToolFailure(error.message, { retryable: RETRYABLE.test(error.message) })
  if (!(error instanceof AnswerLost)) return null
  const doubt = again ? "" : "; the command may or may not have been done"
  return new ToolFailure(`${error.message}${doubt}`, { retryable: again })
}
