import { ToolFailure } from "../kit.ts"

/** Why a command cannot be run by a workflow. */
const REFUSED: ReadonlyMap<string, string> = new Map(
  Object.entries({
    "it never ends": "SUBSCRIBE PSUBSCRIBE SSUBSCRIBE UNSUBSCRIBE PUNSUBSCRIBE SUNSUBSCRIBE MONITOR SYNC PSYNC REPLCONF",
    "connections are shared by calls, so nothing may be changed about one":
      "AUTH HELLO SELECT QUIT RESET CLIENT MULTI EXEC DISCARD WATCH UNWATCH ASKING READONLY READWRITE",
    "it administers the server":
      "ACL BGREWRITEAOF BGSAVE CLUSTER CONFIG DEBUG FAILOVER LATENCY MODULE PFDEBUG PFSELFTEST REPLICAOF SAVE SENTINEL SHUTDOWN SLAVEOF SLOWLOG",
    "it makes the server connect elsewhere": "MIGRATE",
    "it concerns every database of the server": "FLUSHALL SWAPDB RESTORE-ASKING",
    "a script runs as long as it likes, and nobody else meanwhile":
      "EVAL EVAL_RO EVALSHA EVALSHA_RO FCALL FCALL_RO FUNCTION SCRIPT",
  }).flatMap(([why, names]) => names.split(" ").map(name => [name, why] as const)),
)

/** Commands that wait: where their limit stands, and in which unit. */
const LAST_SECONDS: ReadonlySet<string> = new Set(["BLPOP", "BRPOP", "BRPOPLPUSH", "BLMOVE", "BZPOPMIN", "BZPOPMAX"])
const FIRST_SECONDS: ReadonlySet<string> = new Set(["BLMPOP", "BZMPOP"])
const LAST_MS: ReadonlySet<string> = new Set(["WAIT", "WAITAOF"])
const BLOCK_OPTION: ReadonlySet<string> = new Set(["XREAD", "XREADGROUP"])

/** Refuses what would disturb others or hold the connection: blocking commands need a limit within the call's. */
export function checkCommand(parts: readonly string[], leftMs: number): void {
  const name = (parts[0] ?? "").toUpperCase()
  if (!/^[A-Z][A-Z0-9._-]{0,63}$/.test(name)) throw new ToolFailure("the first word is no command of Redis")
  const why = REFUSED.get(name)
  if (why !== undefined) throw new ToolFailure(`${name} is not run here: ${why}`)
  const waitMs = waitOf(name, parts)
  if (waitMs === null) return
  if (!(waitMs > 0)) throw new ToolFailure(`${name} needs a limit above 0: without one it waits for ever`)
  if (waitMs > leftMs) throw new ToolFailure(`${name} would wait longer than the ${leftMs / 1_000} s that this call has left`)
}

function waitOf(name: string, parts: readonly string[]): number | null {
  if (LAST_SECONDS.has(name)) return Number(parts.at(-1)) * 1_000
  if (FIRST_SECONDS.has(name)) return Number(parts[1]) * 1_000
  if (LAST_MS.has(name)) return Number(parts.at(-1))
  if (!BLOCK_OPTION.has(name)) return null
  const streams = parts.findIndex(part => part.toUpperCase() === "STREAMS")
  // XREADGROUP GROUP <group> <consumer> comes first, and either may be called BLOCK.
  const start = name === "XREADGROUP" ? 4 : 1
  const block = parts.findIndex((part, i) => i >= start && i < streams && part.toUpperCase() === "BLOCK")
  return block === -1 ? null : Number(parts[block + 1])
}
