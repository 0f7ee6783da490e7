import { LUA_JSON_MAX_BYTES } from "../../kernel/limits.ts"
import { decodeJson } from "./lua-json-reader.ts"
import { pushAsJson } from "./lua-json-writer.ts"
import { LUA_NIL, LUA_TABLE, LuaConversionError, pushText, readText } from "./lua-values.ts"
import type { LuaWasm, Pointer } from "./lua-wasm.ts"

/** Where C functions find what was bound to them: `lua_upvalueindex(1)`. */
const UPVALUE_1 = -1_001_000 - 1
const MULTRET = -1

/** Base functions that reach files, print, or load code that was not checked; others are replaced below. */
const REMOVED = ["dofile", "loadfile", "require", "warn"]

/**
 * Opens what a script may use: base, string, table, math (contract §3.5.2) and json. Runs once per machine, before the
 * snapshot. Left out or changed:
 * - `load` takes text only (a forged binary chunk breaks the interpreter), `string.dump` is gone;
 * - `setmetatable` refuses `__gc`, so no code of the script runs at a moment of the collector's choosing;
 * - `collectgarbage` only counts, `print` does nothing, the metatable of strings is locked.
 */
export function openLibrary(lua: LuaWasm, L: Pointer): void {
  const { api } = lua
  const names = new Map<string, Pointer>()
  const name = (text: string): Pointer => {
    const known = names.get(text) ?? lua.constant(text)
    names.set(text, known)
    return known
  }
  const setGlobalFunction = (text: string, fn: (L: Pointer) => number): void => {
    api.lua_pushcclosure(L, lua.addFunction(fn), 0)
    api.lua_setglobal(L, name(text))
  }
  const wrapGlobal = (text: string, fn: (L: Pointer) => number): void => {
    api.lua_getglobal(L, name(text))
    api.lua_pushcclosure(L, lua.addFunction(fn), 1)
    api.lua_setglobal(L, name(text))
  }

  api.luaopen_base(L)
  api.lua_settop(L, 0)
  for (const [library, open] of [
    ["string", api.luaopen_string],
    ["table", api.luaopen_table],
    ["math", api.luaopen_math],
  ] as const) {
    open(L)
    api.lua_setglobal(L, name(library))
  }
  for (const removed of REMOVED) {
    api.lua_pushnil(L)
    api.lua_setglobal(L, name(removed))
  }
  api.lua_getglobal(L, name("string"))
  api.lua_pushnil(L)
  api.lua_setfield(L, -2, name("dump"))
  api.lua_settop(L, 0)
  lockStringMetatable(lua, L, name("__metatable"))

  setGlobalFunction("print", () => 0)
  setGlobalFunction("setmetatable", setMetatable(lua, name))
  wrapGlobal("load", loadText(lua, name("t")))
  wrapGlobal("collectgarbage", count(lua, name))

  api.lua_createtable(L, 0, 2)
  api.lua_pushcclosure(L, lua.addFunction(jsonDecode(lua)), 0)
  api.lua_setfield(L, -2, name("decode"))
  api.lua_pushcclosure(L, lua.addFunction(jsonEncode(lua, name)), 0)
  api.lua_setfield(L, -2, name("encode"))
  api.lua_setglobal(L, name("json"))
}

/** Through `getmetatable`, which still hands it out: `lua_getmetatable` is not among the calls we use elsewhere. */
function lockStringMetatable(lua: LuaWasm, L: Pointer, metatable: Pointer): void {
  const { api } = lua
  api.lua_getglobal(L, lua.constant("getmetatable"))
  api.lua_pushlstring(L, metatable, 0)
  api.lua_callk(L, 1, 1, 0, 0)
  api.lua_pushboolean(L, 0)
  api.lua_setfield(L, -2, metatable)
  api.lua_settop(L, 0)
}

/** `setmetatable` as in lbaselib.c, and refusing `__gc`. */
function setMetatable(lua: LuaWasm, name: (text: string) => Pointer): (L: Pointer) => number {
  const { api } = lua
  const expected = name("nil or table expected")
  const metatable = name("__metatable")
  const gc = name("__gc")
  return L => {
    const type = api.lua_type(L, 2)
    api.luaL_checktype(L, 1, LUA_TABLE)
    if (type !== LUA_NIL && type !== LUA_TABLE) return api.luaL_argerror(L, 2, expected)
    if (api.luaL_getmetafield(L, 1, metatable) !== LUA_NIL) return raise(lua, L, "cannot change a protected metatable")
    api.lua_settop(L, 2)
    if (type === LUA_TABLE) {
      api.lua_pushlstring(L, gc, 4)
      if (api.lua_rawget(L, 2) !== LUA_NIL) return raise(lua, L, "a metatable with __gc is not allowed here")
      api.lua_settop(L, 2)
    }
    api.lua_setmetatable(L, 1)
    return 1
  }
}

/** `load` with its mode fixed to text. */
function loadText(lua: LuaWasm, textMode: Pointer): (L: Pointer) => number {
  const { api } = lua
  return L => {
    const given = Math.max(api.lua_gettop(L), 3)
    api.lua_settop(L, given)
    api.lua_pushvalue(L, UPVALUE_1)
    for (let i = 1; i <= given; i++) {
      if (i === 3) api.lua_pushlstring(L, textMode, 1)
      else api.lua_pushvalue(L, i)
    }
    api.lua_callk(L, given, MULTRET, 0, 0)
    return api.lua_gettop(L) - given
  }
}

/** `collectgarbage("count")`; "collect" is answered and does nothing. */
function count(lua: LuaWasm, name: (text: string) => Pointer): (L: Pointer) => number {
  const { api } = lua
  const countOption = name("count")
  return L => {
    const option =
      api.lua_gettop(L) === 0 ? "collect" : lua.text(api.luaL_checklstring(L, 1, lua.lengthOut), lua.words[lua.lengthOut >> 2]!)
    if (option === "collect") {
      api.lua_pushinteger(L, 0n)
      return 1
    }
    if (option !== "count") return raise(lua, L, `collectgarbage("count") is the only option here`)
    api.lua_pushvalue(L, UPVALUE_1)
    api.lua_pushlstring(L, countOption, 5)
    api.lua_callk(L, 1, 1, 0, 0)
    return 1
  }
}

function jsonDecode(lua: LuaWasm): (L: Pointer) => number {
  const { api } = lua
  return L => {
    const address = api.luaL_checklstring(L, 1, lua.lengthOut)
    const length = lua.words[lua.lengthOut >> 2]!
    if (length > LUA_JSON_MAX_BYTES) return raise(lua, L, `json.decode: the text is larger than ${LUA_JSON_MAX_BYTES} bytes`)
    return orRaise(lua, L, "json.decode", () => decodeJson(lua, L, address, length))
  }
}

function jsonEncode(lua: LuaWasm, name: (text: string) => Pointer): (L: Pointer) => number {
  const { api } = lua
  const missing = name("value expected")
  return L => {
    if (api.lua_gettop(L) === 0) return api.luaL_argerror(L, 1, missing)
    api.lua_settop(L, 1)
    return orRaise(lua, L, "json.encode", () => {
      pushAsJson(lua, L, { maxBytes: LUA_JSON_MAX_BYTES, name: "value", top: "array" })
    })
  }
}

/** One result, or a Lua error for what cannot be converted. Anything else thrown (longjmp, exhaustion) goes its way. */
function orRaise(lua: LuaWasm, L: Pointer, where: string, push: () => void): number {
  const top = lua.api.lua_gettop(L)
  try {
    push()
    return 1
  } catch (error) {
    if (!(error instanceof LuaConversionError)) throw error
    lua.api.lua_settop(L, top)
    return raise(lua, L, `${where}: ${error.message}`)
  }
}

/** `error(message)` of the calling script's line. Does not return. */
function raise(lua: LuaWasm, L: Pointer, message: string): number {
  lua.api.luaL_where(L, 1)
  const where = readText(lua, L, -1)
  pushText(lua, L, where + message)
  return lua.api.lua_error(L)
}
