import { isJsonObject } from "./json.ts"

/** A program of this machine that speaks MCP over its standard input and output, as the operator declares it. */
export interface StdioServer {
  /** Its key in the setting `mcp.stdio`. */
  readonly name: string
  /** The program and its arguments, exactly: no shell, no templates. */
  readonly command: readonly [string, ...string[]]
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string | null
  readonly description: string
  /** Who may use it: slugs of workspaces and ids of projects; `*`: everybody. */
  readonly projects: readonly string[]
}

const NAME = /^[a-z0-9][a-z0-9_-]{0,62}$/
const KEYS = new Set(["command", "env", "cwd", "description", "projects"])

/** A table by name; null for anything else but an empty list. */
export function parseStdioServers(value: unknown): readonly StdioServer[] | null {
  if (Array.isArray(value) && value.length === 0) return []
  if (!isJsonObject(value)) return null
  const servers = Object.entries(value).map(([name, entry]) => parseStdioServer(name, entry))
  return servers.every(server => server !== null) ? servers : null
}

/** The first name whose declaration is not one. */
export function badStdioServer(value: unknown): string | undefined {
  if (!isJsonObject(value)) return undefined
  return Object.entries(value).find(([name, entry]) => parseStdioServer(name, entry) === null)?.[0]
}

function parseStdioServer(name: string, entry: unknown): StdioServer | null {
  if (!NAME.test(name) || !isJsonObject(entry) || Object.keys(entry).some(key => !KEYS.has(key))) return null
  const { command, env = {}, cwd = null, description = "", projects = ["*"] } = entry
  const [program, ...args] = isTexts(command) ? command : []
  if (program === undefined || program === "") return null
  if (!isJsonObject(env) || !isTexts(Object.values(env)) || !isTexts(projects)) return null
  if ((cwd !== null && typeof cwd !== "string") || typeof description !== "string") return null
  return { name, command: [program, ...args], env: env as Record<string, string>, cwd, description, projects }
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every(item => typeof item === "string" && !item.includes("\0"))
}
