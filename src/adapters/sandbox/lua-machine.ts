import type { Json, JsonObject } from "../../kernel/json.ts"
import { isJsonObject } from "../../kernel/json.ts"
import { LUA_MESSAGE_MAX_BYTES, LUA_RESULT_MAX_BYTES } from "../../kernel/limits.ts"
import { readJson } from "./lua-json-writer.ts"
import { openLibrary } from "./lua-library.ts"
import { LUA_NUMBER, LUA_STRING, LUA_TABLE, LuaConversionError, pushJson, pushText, readText, typeName } from "./lua-values.ts"
import { LuaMemoryExhausted, LuaWasm, type Pointer } from "./lua-wasm.ts"

const OK = 0
const ERROR_SYNTAX = 3
const ERROR_MEMORY = 4

/** `value` is JSON text: the server parses it, the child has no use for it. */
export type MachineOutcome =
  | { readonly ok: true; readonly value: string }
  | { readonly ok: false; readonly kind: "script" | "memory" | "result"; readonly message: string }

export type CheckOutcome = { readonly ok: true } | { readonly ok: false; readonly line: number | null; readonly message: string }

/** What the script did, thrown through the interpreter to the top: no `pcall` of the script sees it. */
class Finished {
  constructor(readonly outcome: MachineOutcome) {}
}

/**
 * A Lua machine that runs one script after another, each as if it were the first: before every script the memory is put
 * back to a snapshot taken when the libraries were open. Runs until the script ends; the deadline is the parent's.
 */
export class LuaMachine {
  readonly #lua: LuaWasm
  readonly #L: Pointer
  readonly #names: Readonly<Record<"chunk" | "textMode" | "globals" | "math" | "randomseed", Pointer>>
  #script = ""
  #globals: JsonObject = {}

  constructor(memoryMaxBytes: number) {
    const lua = new LuaWasm(memoryMaxBytes)
    this.#lua = lua
    this.#L = lua.api.luaL_newstate()
    openLibrary(lua, this.#L)
    this.#names = {
      chunk: lua.constant("=script"),
      textMode: lua.constant("t"),
      globals: lua.constant("_G"),
      math: lua.constant("math"),
      randomseed: lua.constant("randomseed"),
    }
    lua.api.lua_pushcclosure(
      this.#L,
      lua.addFunction(() => this.#body()),
      0,
    )
    lua.snapshot()
  }

  /** Memory the machine took from the host; it stays taken when a script ends. */
  get memoryBytes(): number {
    return this.#lua.memoryBytes
  }

  run(script: string, globals: JsonObject): MachineOutcome {
    this.#script = script
    this.#globals = globals
    this.#lua.restore()
    try {
      return this.#failure(this.#lua.api.lua_pcallk(this.#L, 0, 0, 0, 0, 0))
    } catch (error) {
      if (error instanceof Finished) return error.outcome
      if (error instanceof LuaMemoryExhausted) return this.#outOfMemory()
      if (error instanceof LuaConversionError) return { ok: false, kind: "result", message: error.message }
      if (error instanceof RangeError) return { ok: false, kind: "script", message: "stack overflow" }
      throw error
    }
  }

  /** Compiles, and executes nothing. */
  check(script: string): CheckOutcome {
    this.#lua.restore()
    const status = this.#load(script)
    if (status === OK) return { ok: true }
    if (status === ERROR_MEMORY) return { ok: false, line: null, message: this.#outOfMemory().message }
    const text = readText(this.#lua, this.#L, -1, LUA_MESSAGE_MAX_BYTES)
    const at = /^script:(\d+): ([\s\S]*)$/.exec(text)
    return at === null ? { ok: false, line: null, message: text } : { ok: false, line: Number(at[1]), message: at[2]! }
  }

  /** Called by `lua_pcallk`: whatever Lua raises in here ends there, and JavaScript exceptions end in `run`. */
  #body(): number {
    const lua = this.#lua
    const L = this.#L
    this.#seed()
    this.#setGlobals()
    const status = this.#load(this.#script)
    if (status !== OK) throw new Finished(this.#failure(status))
    lua.api.lua_callk(L, 0, 1, 0, 0)
    const type = lua.api.lua_type(L, -1)
    if (type !== LUA_TABLE) {
      throw new Finished({
        ok: false,
        kind: "result",
        message: `the script must return a table, but it returned ${typeName(type)}`,
      })
    }
    const value = readJson(lua, L, { maxBytes: LUA_RESULT_MAX_BYTES, name: "result", top: "object" })
    throw new Finished({ ok: true, value })
  }

  #load(script: string): number {
    return this.#lua.withText(script, (address, bytes) =>
      this.#lua.api.luaL_loadbufferx(this.#L, address, bytes, this.#names.chunk, this.#names.textMode),
    )
  }

  /** The snapshot would give every script the same numbers. */
  #seed(): void {
    const { api } = this.#lua
    api.lua_getglobal(this.#L, this.#names.math)
    api.lua_getfield(this.#L, -1, this.#names.randomseed)
    api.lua_pushinteger(this.#L, BigInt(Math.floor(Math.random() * 2 ** 52)))
    api.lua_pushinteger(this.#L, BigInt(Math.floor(Math.random() * 2 ** 52)))
    api.lua_callk(this.#L, 2, 0, 0, 0)
    api.lua_settop(this.#L, 0)
  }

  #setGlobals(): void {
    const lua = this.#lua
    const L = this.#L
    lua.api.lua_getglobal(L, this.#names.globals)
    for (const name of Object.keys(this.#globals)) {
      const value = this.#globals[name]!
      pushText(lua, L, name)
      pushJson(lua, L, value)
      if (name === "steps" && isJsonObject(value)) this.#aliasHyphens(value)
      lua.api.lua_rawset(L, -3)
    }
    lua.api.lua_settop(L, 0)
  }

  /** `steps["a-b"]` is also `steps.a_b`, unless there is a step of that id. With the steps on the stack's top. */
  #aliasHyphens(steps: { readonly [id: string]: Json }): void {
    const lua = this.#lua
    const L = this.#L
    const taken = new Set(Object.keys(steps))
    for (const id of Object.keys(steps)) {
      if (!id.includes("-")) continue
      const alias = id.replaceAll("-", "_")
      if (taken.has(alias)) continue
      taken.add(alias)
      pushText(lua, L, alias)
      pushText(lua, L, id)
      lua.api.lua_rawget(L, -3)
      lua.api.lua_rawset(L, -3)
    }
  }

  /** With the error on the stack's top. */
  #failure(status: number): MachineOutcome {
    if (status === ERROR_MEMORY) return this.#outOfMemory()
    const message = withLine(this.#errorText())
    if (status !== ERROR_SYNTAX && message.endsWith("not enough memory")) return this.#outOfMemory()
    return { ok: false, kind: "script", message }
  }

  /** What `error(x)` was given: a text, a table's `message`, or the table as JSON. Runs no metamethods. */
  #errorText(): string {
    const lua = this.#lua
    const L = this.#L
    const type = lua.api.lua_type(L, -1)
    if (type === LUA_STRING || type === LUA_NUMBER) return readText(lua, L, -1, LUA_MESSAGE_MAX_BYTES)
    if (type !== LUA_TABLE) return `the script raised ${typeName(type)} as its error`
    pushText(lua, L, "message")
    const found = lua.api.lua_rawget(L, -2)
    if (found === LUA_STRING) return readText(lua, L, -1, LUA_MESSAGE_MAX_BYTES)
    lua.api.lua_settop(L, -2)
    try {
      return readJson(lua, L, { maxBytes: LUA_MESSAGE_MAX_BYTES, name: "error", top: "array" })
    } catch (error) {
      if (error instanceof LuaConversionError) return "the script raised a table as its error"
      throw error
    }
  }

  #outOfMemory(): { readonly ok: false; readonly kind: "memory"; readonly message: string } {
    const mebibytes = Math.floor(this.#lua.memoryMaxBytes / 1024 / 1024)
    return { ok: false, kind: "memory", message: `not enough memory: a script may use ${mebibytes} MiB` }
  }
}

/** `script:3: boom` → `line 3: boom`; a message that was raised again carries several. */
function withLine(message: string): string {
  const match = /^(?:script:(\d+): )+/.exec(message)
  return match === null ? message : `line ${match[1]}: ${message.slice(match[0].length)}`
}
