import type { Json, JsonObject } from "../../kernel/json.ts"
import {
  CHILD_MAX_SCRIPTS,
  LUA_CHILD_MEMORY_MAX_BYTES,
  LUA_GLOBALS_MAX_CHARS,
  LUA_SCRIPT_MAX_BYTES,
  LUA_TIMEOUT_MAX_MS,
  LUA_WAITING_MAX,
} from "../../kernel/limits.ts"
import { ChildOutOfMemory, ChildRequestTooLarge, ChildTimeout } from "./child-errors.ts"
import { createChildPool } from "./child-pool.ts"
import type { LuaRequest } from "./lua-child.ts"

export interface LuaJob {
  readonly script: string
  /** Global variables by name: `input`, `steps`, in loops `item`, `index`, … Of `steps`, ids with hyphens get an alias. */
  readonly globals: { readonly [name: string]: Json }
}

/**
 * - `script`: a syntax error, `error(…)`, or a mistake while it ran; the message starts with `line N:` where one is known;
 * - `timeout`, `memory`: it was stopped;
 * - `result`: it ran, and what it returned is no table, has no JSON form (the message names the place), or is too large.
 */
export type LuaOutcome =
  | { readonly ok: true; readonly value: JsonObject }
  | { readonly ok: false; readonly kind: "script" | "timeout" | "memory" | "result"; readonly message: string }

export type LuaCheck = { readonly ok: true } | { readonly ok: false; readonly line: number | null; readonly message: string }

export interface LuaSandbox {
  /**
   * Runs one script. What the script does wrong is an outcome; what is not its fault is thrown: ChildCrashed (a retry may
   * help), ChildPoolFull, ChildPoolClosed, or the signal's reason.
   */
  run(job: LuaJob, options: LuaRunOptions): Promise<LuaOutcome>
  /** Looks at the syntax only; nothing is executed. Has a child of its own, so that it never waits for running scripts. */
  check(script: string): Promise<LuaCheck>
  close(): Promise<void>
  /** The children that live now, for tests and diagnostics. */
  readonly pids: readonly number[]
}

export interface LuaRunOptions {
  /** At most LUA_TIMEOUT_MAX_MS counts. */
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
  /** The project's id: projects take turns. */
  readonly owner?: string | undefined
}

export interface LuaSandboxOptions {
  /** How to start this program (selfCommand). */
  readonly command: readonly string[]
  /** Most scripts of one owner that run at a time; with several owners it is one more. */
  readonly size?: number
}

const DEFAULT_SIZE = 2
const CHECK_TIMEOUT_MS = 2_000

/** Lua in children of this program; none of it runs in the server's process. */
export function createLuaSandbox({ command, size = DEFAULT_SIZE }: LuaSandboxOptions): LuaSandbox {
  const children = {
    command: [...command, "__child", "lua"],
    maxWaiting: LUA_WAITING_MAX,
    maxRequestChars: LUA_GLOBALS_MAX_CHARS + LUA_SCRIPT_MAX_BYTES,
    memoryMaxBytes: LUA_CHILD_MEMORY_MAX_BYTES,
  }
  const pool = createChildPool({ ...children, size, parcels: true, maxJobs: CHILD_MAX_SCRIPTS })
  const checks = createChildPool({ ...children, size: 1 })
  return {
    async run({ script, globals }, { timeoutMs, signal, owner }) {
      if (tooLong(script)) return { ok: false, kind: "script", message: TOO_LONG }
      const request: LuaRequest = { verb: "run", script, globals }
      const deadlineMs = Math.min(timeoutMs, LUA_TIMEOUT_MAX_MS)
      try {
        // The cast: our own child answers with nothing else, and its answer was parsed as JSON by the pool.
        return (await pool.run(request, { deadlineMs, signal, owner })) as LuaOutcome
      } catch (error) {
        if (error instanceof ChildTimeout) {
          return { ok: false, kind: "timeout", message: `the script took longer than ${deadlineMs} ms and was stopped` }
        }
        if (error instanceof ChildOutOfMemory) return { ok: false, kind: "memory", message: TOO_MUCH_MEMORY }
        if (error instanceof ChildRequestTooLarge) {
          return {
            ok: false,
            kind: "memory",
            message: "the values that the script would see are too large; read less, or in parts",
          }
        }
        throw error
      }
    },
    async check(script) {
      if (tooLong(script)) return { ok: false, line: null, message: TOO_LONG }
      const request: LuaRequest = { verb: "check", script }
      return (await checks.run(request, { deadlineMs: CHECK_TIMEOUT_MS })) as LuaCheck
    },
    async close() {
      await Promise.all([pool.close(), checks.close()])
    },
    get pids() {
      return [...pool.pids, ...checks.pids]
    },
  }
}

const TOO_MUCH_MEMORY = "not enough memory: the script and its values took more than a sandbox may have"
const TOO_LONG = `the script is larger than ${LUA_SCRIPT_MAX_BYTES} bytes`

function tooLong(script: string): boolean {
  return script.length > LUA_SCRIPT_MAX_BYTES || Buffer.byteLength(script) > LUA_SCRIPT_MAX_BYTES
}
