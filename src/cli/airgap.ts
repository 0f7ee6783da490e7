import { existsSync } from "node:fs"
import { Policy } from "../adapters/egress/policy.ts"
import { type Config, processEnvironment } from "../config.ts"
import { allowEntryText } from "../kernel/allow-entry.ts"
import { AppError, messageOf } from "../kernel/errors.ts"
import { dataDirectory } from "../storage/data-directory.ts"
import { inspectReach, NO_ROWS } from "../storage/inspect-reach.ts"
import type { Address } from "./address-in.ts"
import { reachOf } from "./reach.ts"

/** One host that something of this instance leads to. */
export interface ReachedHost extends Address {
  /** `public`: reached as long as its name means a public address. */
  readonly verdict: "allowed" | "refused" | "public"
  /** The entry of egress.allow that opens it. */
  readonly entry: string | null
  readonly reason: string | null
  readonly why: readonly string[]
}

export interface AirgapReport {
  readonly ok: boolean
  readonly sealed: boolean
  readonly allow: readonly string[]
  readonly hosts: readonly ReachedHost[]
  /** MCP servers that are programs of this machine: what they reach, this program cannot see. */
  readonly programs: readonly { readonly name: string; readonly program: string }[]
  /** What is wrong, one sentence each. */
  readonly problems: readonly string[]
}

/** Lists what would be reached; changes nothing and asks nothing of the network. Exit code 1 unless all of it is allowed. */
export async function airgap(config: Config, options: { json?: boolean }): Promise<number> {
  const report = airgapReport(config)
  if (options.json) console.log(JSON.stringify(report))
  else for (const line of linesOf(report)) console.log(line)
  return report.ok ? 0 : 1
}

export function airgapReport(config: Config): AirgapReport {
  const directory = dataDirectory(config.data)
  const publicUrl = config.public_url || `http://${config.host}:${config.port}`
  const deps = { config, publicUrl, keyFile: directory.masterKey, environment: processEnvironment() }
  const {
    hosts: found,
    programs,
    unknown,
  } = readable(() => {
    const rows = existsSync(directory.database) ? inspectReach(directory.database) : NO_ROWS
    return reachOf(rows, deps)
  })
  const policy = new Policy(config["egress.allow"], config.sealed)
  const hosts = merged(found).map(one => judged(policy, one))
  const problems = [
    ...(config.sealed ? [] : ["this instance is not sealed, so any public address can be reached; start it with --sealed"]),
    ...hosts.flatMap(problemOf),
    ...unknown,
  ]
  return {
    ok: problems.length === 0,
    sealed: config.sealed,
    allow: config["egress.allow"].map(allowEntryText),
    hosts,
    programs,
    problems,
  }
}

function readable<T>(look: () => T): T {
  try {
    return look()
  } catch (error) {
    throw new AppError(
      "unavailable",
      `what this instance would reach cannot be read: ${messageOf(error)}; run agentruntime doctor`,
    )
  }
}

function merged(found: ReturnType<typeof reachOf>["hosts"]): readonly (Address & { readonly why: readonly string[] })[] {
  const hosts = new Map<string, { address: Address; why: Set<string> }>()
  for (const { address, why } of found) {
    const host = address.host.toLowerCase()
    const key = `${address.protocol} ${host} ${address.port}`
    const one = hosts.get(key) ?? { address: { ...address, host }, why: new Set() }
    one.why.add(why)
    hosts.set(key, one)
  }
  return [...hosts.values()].map(({ address, why }) => ({ ...address, why: [...why] }))
}

function judged(policy: Policy, one: Address & { readonly why: readonly string[] }): ReachedHost {
  const host = one.host.includes(":") ? `[${one.host}]` : one.host
  const url = URL.parse(`${one.protocol === "https" ? "https" : "http"}://${host}:${one.port}/`)
  if (url === null) return { ...one, verdict: "refused", entry: null, reason: "this is no host" }
  const entry = policy.entryOf(url)
  if (entry !== null) return { ...one, verdict: "allowed", entry: allowEntryText(entry), reason: null }
  const reason = policy.refusal(url)
  return { ...one, verdict: reason === null ? "public" : "refused", entry: null, reason }
}

function problemOf({ verdict, protocol, host, port, why, reason }: ReachedHost): readonly string[] {
  if (verdict === "allowed") return []
  const who = why.join(", ")
  if (verdict === "refused") return [`${who}: would be refused: ${reason}`]
  return [`${who}: ${protocol} ${host}:${port} is reached over the public network`]
}

function linesOf({ ok, sealed, allow, hosts, programs, problems }: AirgapReport): readonly string[] {
  return [
    `sealed   ${sealed ? "yes" : "no"}`,
    `allow    ${allow.join(", ") || "nothing"}`,
    ...hosts.map(one => {
      const by = one.entry === null ? "" : ` by ${one.entry}`
      return `${one.verdict.padEnd(8)} ${one.protocol} ${one.host}:${one.port}${by} (${one.why.join(", ")})`
    }),
    ...programs.map(({ name, program }) => `program  ${program} (MCP server ${name}): the system must say what it may reach`),
    ...problems.map(sentence => `problem  ${sentence}`),
    ok ? "Nothing leaves this instance but to what is listed above." : `${problems.length} of these must be settled first.`,
  ]
}
