import { existsSync, readFileSync } from "node:fs"
import { availableParallelism } from "node:os"
import { join, resolve } from "node:path"
import { type AllowEntry, parseAllowEntry } from "./kernel/allow-entry.ts"
import { messageOf } from "./kernel/errors.ts"
import { isJsonObject } from "./kernel/json.ts"
import { badOperatorKey, type OperatorKey, parseOperatorKeys } from "./kernel/llm-key.ts"
import { badStdioServer, parseStdioServers, type StdioServer } from "./kernel/stdio-server.ts"

/**
 * One setting. Its key names it everywhere: `log.level` in the file, `--log-level` on the command line,
 * `AGENTRUNTIME_LOG_LEVEL` in the environment (S-10).
 */
export interface Setting<T> {
  readonly default: T
  readonly description: string
  /** The default in words, where it depends on the machine. */
  readonly defaultShown?: string
  /** What a value must be, as the error says it: "a whole number from 0 to 65535". */
  readonly expected: string
  /** Undefined when the value does not fit. Environment and flags give text, the file gives TOML values. */
  readonly read: (value: unknown) => T | undefined
  /** Of a bad list: the entry that is at fault, for the error. */
  readonly badEntry?: (value: unknown) => unknown
}

const LOG_LEVELS = ["debug", "info", "warn", "error"] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

/** Every setting there is. docs/settings.md is generated from this. */
export const SETTINGS = {
  data: path("./agentruntime-data", "Directory of everything that is kept: database, master key, backups."),
  host: text("127.0.0.1", "Address to listen on. 0.0.0.0 for all interfaces; put TLS in front of it then."),
  port: integer(8420, 0, 65_535, "Port to listen on; 0 lets the system choose."),
  public_url: url("", "How the instance is reached from outside, e.g. https://agents.example.com; default: host and port."),
  "log.level": oneOf(LOG_LEVELS, "info", "What is logged, as JSON lines on stderr. `debug` logs every request."),
  "auth.open_registration": flag(false, "Lets anybody who reaches the instance register. Otherwise people are invited."),
  "auth.trust_proxy": flag(false, "Takes a caller's address from X-Forwarded-For. Only behind a proxy that sets it."),
  "runs.drain_limit_s": integer(600, 1, 86_400, "How long a graceful stop lets steps go on before it stops them."),
  "runs.stall_limit_s": integer(
    900,
    1,
    86_400_000,
    "How long a run in which nothing moves and nothing is awaited stays before it fails.",
  ),
  "scheduler.enabled": flag(true, "Starts the runs of schedules and event triggers. Off: they are kept, and none of them fires."),
  "scheduler.keep_fires_days": integer(90, 1, 36_500, "How long what became of each moment of a schedule is kept."),
  "sqlite.roots": paths(
    "Folders whose databases any project may name in sqlite_data_root, comma-separated; else each project has its own.",
  ),
  "sqlite.max_database_mb": integer(1024, 1, 1_000_000, "What each SQLite database of a project may grow to, in MiB."),
  sealed: flag(false, "Nothing leaves but to what egress.allow names, and every attempt is recorded with who asked."),
  "files.roots": paths("Folders that any project may name in files_root, comma-separated; else each project has its own."),
  "files.max_project_mb": integer(1024, 1, 1_000_000, "What the files of a project in its own folder may grow to, in MiB."),
  "egress.allow": allowList(
    "What outgoing requests may reach besides the public internet: names, addresses and networks, comma-separated.",
  ),
  "mcp.env_allow": names(
    "Variables of this server's environment that configuration profiles may read, comma-separated. Whoever edits profiles sees them.",
  ),
  "egress.keep_days": integer(90, 1, 36_500, "How long the record of a sealed instance is kept: what went out or was refused."),
  "mcp.stdio": stdioServers(
    "MCP servers that are programs of this machine: a table [mcp.stdio.NAME] for each, with command (a list), env, cwd, description and projects; in the environment as JSON.",
  ),
  "llm.keys": operatorKeys(
    "Keys of model vendors for every workspace, and local model servers: a table [llm.keys] with NAME = the key, where NAME is a vendor, or NAME = { vendor, api_key, base_url, options }; in the environment as JSON. Better not in a flag.",
  ),
  "google.client_id": text("", "The OAuth client with which people connect Google accounts; see docs/connections.md."),
  "google.client_secret": text("", "Its secret. Better in the environment or the configuration file than in a flag."),
  "google.issuer": url("https://accounts.google.com", "Where people sign in; another one only for tests and gateways."),
  "google.scopes": {
    ...wordLists(
      "Scopes of Google services in place of the built-in ones, e.g. gmail=https://www.googleapis.com/auth/gmail.send.",
    ),
    defaultShown: "",
  },
  "whatsapp.app_id": text("", "The app at Meta with which people connect WhatsApp numbers by embedded signup."),
  "whatsapp.app_secret": text("", "Its secret. Better in the environment or the configuration file than in a flag."),
  "whatsapp.config_id": text("", "The app's configuration of Facebook Login for Business that the signup uses."),
  "whatsapp.graph_url": url("https://graph.facebook.com", "Where Meta's Graph API is; another one only for tests and gateways."),
  "whatsapp.graph_version": text("v20.0", "The version of the Graph API that is called."),
  "lua.children": {
    ...integer(defaultChildren(), 1, 64, "Scripts of one project that run at a time, each in a process. Others get one more."),
    defaultShown: "as many as cores, from 2 to 4",
  },
  "inbound_webhooks.enabled": flag(true, "Inbound webhooks; off, their routes answer 404."),
  "inbound_webhooks.rate_per_minute": integer(
    6000,
    1,
    1_000_000,
    "Deliveries that one subscription takes a minute, unless it has a limit of its own; more answer 429.",
  ),
  "inbound_webhooks.keep_days": integer(7, 1, 3650, "How long deliveries that started a run are kept."),
  "inbound_webhooks.keep_parked_days": integer(30, 1, 3650, "How long deliveries that could not start a run are kept."),
  "agents.enabled": flag(true, "Agents and the steps that call them; off, /v1/agents answers 404 and such steps fail."),
  "artifacts.keep_days": integer(30, 1, 36_500, "How long images, sounds and files that steps gave are kept."),
  "recordings.keep_days": integer(30, 1, 36_500, "How long the exchanges of recorded runs are kept, for replays."),
  "shutdown.grace_s": integer(
    5,
    0,
    600,
    "How long a shutdown waits for steps under way. What is left resumes at the next start.",
  ),
} as const satisfies Readonly<Record<string, Setting<unknown>>>

export type SettingKey = keyof typeof SETTINGS
export type Config = { readonly [K in SettingKey]: ValueOf<(typeof SETTINGS)[K]> }
type ValueOf<S> = S extends Setting<infer T> ? T : never

/** Where values come from; earlier wins. */
export interface ConfigSources {
  /** By setting key, as the command line gave them. */
  readonly flags: Readonly<Record<string, unknown>>
  readonly environment: Readonly<Record<string, string | undefined>>
}

/** All bad settings at once. */
export class ConfigError extends Error {
  override readonly name = "ConfigError"
  constructor(readonly problems: readonly string[]) {
    super(`bad settings:\n${problems.map(p => `  ${p}`).join("\n")}`)
  }
}

const PREFIX = "AGENTRUNTIME_"

/** Sandbox processes of one kind that a project has at most, unless a setting says otherwise. */
export function defaultChildren(cores = availableParallelism()): number {
  return Math.max(2, Math.min(4, cores))
}

/** Flags > environment > file > defaults. Throws `ConfigError`. */
export function readConfig(sources: ConfigSources): Config {
  const problems: string[] = []
  const environment = environmentValues(sources.environment, problems)
  const dataGiven = sources.flags.data ?? environment.get("data") ?? SETTINGS.data.default
  const file = fileValues(sources, String(dataGiven), problems)
  const config: Record<string, unknown> = {}
  for (const key of Object.keys(SETTINGS) as SettingKey[]) {
    const setting: Setting<unknown> = SETTINGS[key]
    const given: readonly [unknown, string][] = [
      [sources.flags[key], flagOf(key)],
      [environment.get(key), variableOf(key)],
      [file.get(key), `${key} in the configuration file`],
    ]
    const [value, origin] = given.find(([v]) => v !== undefined) ?? [undefined, ""]
    const read = value === undefined ? setting.default : setting.read(value)
    if (read === undefined) problems.push(`${origin} must be ${setting.expected}, but ${found(setting, value)}`)
    config[key] = read
  }
  if (problems.length > 0) throw new ConfigError(problems)
  return Object.freeze(config) as Config
}

export function processEnvironment(): Readonly<Record<string, string | undefined>> {
  return process.env
}

/** Those of these variables that are set. */
export function environmentOf(names: readonly string[]): ReadonlyMap<string, string> {
  return new Map(names.flatMap(name => (process.env[name] === undefined ? [] : [[name, process.env[name]]])))
}

/** What a program that the operator declared has of this one's environment: where to find programs and its own files. */
export function stdioEnvironment(): Record<string, string> {
  return {
    ...Object.fromEntries(environmentOf(["PATH", "HOME", "LANG", "TZ", "USER", "USERPROFILE", "APPDATA"])),
    ...childEnvironment(),
  }
}

/** What a child of this program needs of the environment: where it may unpack its SQLite addon. Everything else stays out. */
export function childEnvironment(): Record<string, string> {
  const names = ["TMPDIR", "BUN_TMPDIR", "TEMP", "TMP", "SystemRoot"]
  return Object.fromEntries(names.flatMap(name => (process.env[name] === undefined ? [] : [[name, process.env[name]]])))
}

export function flagOf(key: string): string {
  return `--${key.replaceAll(/[._]/g, "-")}`
}

export function variableOf(key: string): string {
  return PREFIX + key.replaceAll(".", "_").toUpperCase()
}

function environmentValues(environment: ConfigSources["environment"], problems: string[]): Map<string, string> {
  const keys = new Map(Object.keys(SETTINGS).map(key => [variableOf(key), key]))
  const values = new Map<string, string>()
  for (const [name, value] of Object.entries(environment)) {
    if (!name.startsWith(PREFIX) || name === `${PREFIX}CONFIG` || value === undefined) continue
    const key = keys.get(name)
    if (key) values.set(key, value)
    else problems.push(`${name} is not a setting; known are ${[...keys.keys()].join(", ")}`)
  }
  return values
}

/** TOML; tables and dotted keys are the same. `--config`, else `AGENTRUNTIME_CONFIG`, else `<data>/agentruntime.toml`. */
function fileValues(sources: ConfigSources, data: string, problems: string[]): Map<string, unknown> {
  const named = sources.flags.config ?? sources.environment[`${PREFIX}CONFIG`]
  const path = named === undefined ? join(data, "agentruntime.toml") : String(named)
  const values = new Map<string, unknown>()
  if (!existsSync(path)) {
    if (named !== undefined) problems.push(`the configuration file ${path} does not exist`)
    return values
  }
  try {
    flatten("", Bun.TOML.parse(readFileSync(path, "utf8")), values)
  } catch (error) {
    problems.push(`the configuration file ${path} is not valid TOML: ${messageOf(error)}`)
  }
  for (const key of values.keys()) {
    if (!Object.hasOwn(SETTINGS, key))
      problems.push(`${key} in ${path} is not a setting; known are ${Object.keys(SETTINGS).join(", ")}`)
  }
  return values
}

function flatten(prefix: string, value: unknown, into: Map<string, unknown>): void {
  // A date, or a table where a setting belongs, must be told, not vanish.
  if (isJsonObject(value) && !(value instanceof Date) && !Object.hasOwn(SETTINGS, prefix)) {
    for (const [key, v] of Object.entries(value)) flatten(prefix === "" ? key : `${prefix}.${key}`, v, into)
  } else {
    into.set(prefix, value)
  }
}

function found({ badEntry }: Setting<unknown>, value: unknown): string {
  const entry = badEntry?.(value)
  return entry === undefined ? `is ${JSON.stringify(value)}` : `has the entry ${JSON.stringify(entry)}`
}

function text(value: string, description: string): Setting<string> {
  return { default: value, description, expected: "text", read: v => (typeof v === "string" && v !== "" ? v : undefined) }
}

function path(value: string, description: string): Setting<string> {
  const read = (v: unknown) => (typeof v === "string" && v !== "" ? resolve(v) : undefined)
  return { default: resolve(value), description, expected: "a path", read }
}

function paths(description: string): Setting<readonly string[]> {
  const read = (v: unknown) => {
    const given = Array.isArray(v) ? v : typeof v === "string" ? v.split(",") : [undefined]
    const trimmed = given.map(p => (typeof p === "string" ? p.trim() : ""))
    return trimmed.includes("") ? undefined : trimmed.map(p => resolve(p))
  }
  return { default: [], description, expected: "a list of paths", read }
}

function names(description: string): Setting<readonly string[]> {
  const read = (v: unknown) => {
    const given = Array.isArray(v) ? v : typeof v === "string" ? v.split(",") : [undefined]
    const trimmed = given.map(name => (typeof name === "string" ? name.trim() : ""))
    return trimmed.every(name => /^[A-Za-z_]\w*$/.test(name)) ? trimmed : undefined
  }
  return { default: [], description, expected: "a list of names", read }
}

function allowList(description: string): Setting<readonly AllowEntry[]> {
  const entries = (v: unknown): unknown[] => (Array.isArray(v) ? v : typeof v === "string" ? v.split(",") : [v])
  const parse = (entry: unknown) => (typeof entry === "string" ? parseAllowEntry(entry.trim()) : null)
  return {
    default: [],
    description,
    expected: "a list of host, host:port or CIDR",
    read: v => {
      const parsed = entries(v).map(parse)
      return parsed.every(entry => entry !== null) ? parsed : undefined
    },
    badEntry: v => entries(v).find(entry => parse(entry) === null),
  }
}

function stdioServers(description: string): Setting<readonly StdioServer[]> {
  const table = (v: unknown): unknown => (typeof v === "string" ? parsedJson(v) : v)
  return {
    default: [],
    description,
    expected: 'a table of NAME = { command = [program, …], env = {…}, cwd, description, projects = ["*"] }',
    read: v => parseStdioServers(table(v)) ?? undefined,
    badEntry: v => badStdioServer(table(v)),
  }
}

function operatorKeys(description: string): Setting<readonly OperatorKey[]> {
  const table = (v: unknown): unknown => (typeof v === "string" ? parsedJson(v) : v)
  return {
    default: [],
    description,
    expected: "a table of NAME = api_key, or NAME = { vendor, api_key, base_url, options }",
    read: v => parseOperatorKeys(table(v)) ?? undefined,
    badEntry: v => badOperatorKey(table(v)),
  }
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** In text `name=word word,name=word`; in the file also a table of lists. */
function wordLists(description: string): Setting<Readonly<Record<string, readonly string[]>>> {
  const wordsOf = (list: unknown) =>
    Array.isArray(list) ? list : typeof list === "string" ? list.trim().split(/\s+/) : [undefined]
  const pairs = (text: string) => text.split(",").map(pair => /^\s*([\w-]+)\s*=(.*)$/s.exec(pair)?.slice(1) ?? [pair, undefined])
  return {
    default: {},
    description,
    expected: "name=word word, comma-separated",
    read: v => {
      const given = typeof v === "string" ? pairs(v) : isJsonObject(v) ? Object.entries(v) : [["", undefined]]
      const lists = given.map(([name, list]) => [name, wordsOf(list)] as const)
      const isGood = lists.every(([, words]) => words.every(word => typeof word === "string" && /^\S+$/.test(word)))
      return isGood ? Object.fromEntries(lists) : undefined
    },
  }
}

function integer(value: number, from: number, to: number, description: string): Setting<number> {
  return {
    default: value,
    description,
    expected: `a whole number from ${from} to ${to}`,
    read: v => {
      const n = typeof v === "string" && /^\d+$/.test(v) ? Number(v) : v
      return typeof n === "number" && Number.isInteger(n) && n >= from && n <= to ? n : undefined
    },
  }
}

function flag(value: boolean, description: string): Setting<boolean> {
  const words = new Map(Object.entries({ true: true, false: false, "1": true, "0": false, yes: true, no: false }))
  return {
    default: value,
    description,
    expected: "true or false",
    read: v => (typeof v === "boolean" ? v : typeof v === "string" ? words.get(v.toLowerCase()) : undefined),
  }
}

function oneOf<const T extends string>(values: readonly T[], value: NoInfer<T>, description: string): Setting<T> {
  return { default: value, description, expected: `one of ${values.join(", ")}`, read: v => values.find(known => known === v) }
}

function url(value: string, description: string): Setting<string> {
  const read = (v: unknown) => {
    const parsed = typeof v === "string" ? URL.parse(v) : null
    if (!parsed || !["http:", "https:"].includes(parsed.protocol)) return undefined
    return String(v).replace(/\/+$/, "")
  }
  return { default: value, description, expected: "an address such as https://agents.example.com", read }
}
