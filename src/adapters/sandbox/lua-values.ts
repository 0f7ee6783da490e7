import type { Json, JsonObject } from "../../kernel/json.ts"
import { JSON_MAX_DEPTH } from "../../kernel/limits.ts"
import { LuaMemoryExhausted, type LuaWasm, type Pointer } from "./lua-wasm.ts"

/** `lua_type` answers. */
export const LUA_NIL = 0
export const LUA_BOOLEAN = 1
export const LUA_NUMBER = 3
export const LUA_STRING = 4
export const LUA_TABLE = 5

const TYPE_NAMES = ["nil", "boolean", "userdata", "number", "string", "table", "function", "userdata", "thread"]

/** "a function", "nil", … for messages. */
export function typeName(type: number): string {
  const name = TYPE_NAMES[type] ?? "nothing"
  return name === "nil" || name === "nothing" ? "nil" : `a ${name}`
}

/** A Lua value that has no JSON form, or a JSON value that has no Lua form. The message names the place. */
export class LuaConversionError extends Error {
  override readonly name = "LuaConversionError"
}

/**
 * Pushes a JSON value. null is nil (so a member is absent and an element is a hole), integral numbers up to 2^53 are Lua
 * integers, other numbers floats.
 */
export function pushJson(lua: LuaWasm, L: Pointer, value: Json, depth = 0): void {
  const { api } = lua
  switch (typeof value) {
    case "string":
      pushText(lua, L, value)
      return
    case "number":
      pushNumber(lua, L, value)
      return
    case "boolean":
      api.lua_pushboolean(L, value ? 1 : 0)
      return
  }
  if (value === null) {
    api.lua_pushnil(L)
    return
  }
  if (depth >= JSON_MAX_DEPTH) throw new LuaConversionError(`the JSON is nested more than ${JSON_MAX_DEPTH} levels deep`)
  if (api.lua_checkstack(L, 4) === 0) throw new LuaMemoryExhausted("no memory for the stack")
  if (Array.isArray(value)) pushArray(lua, L, value, depth)
  else pushObject(lua, L, value as JsonObject, depth)
}

function pushArray(lua: LuaWasm, L: Pointer, items: readonly Json[], depth: number): void {
  lua.api.lua_createtable(L, items.length, 0)
  for (let i = 0; i < items.length; i++) {
    const item = items[i]!
    if (item === null) continue
    pushJson(lua, L, item, depth + 1)
    lua.api.lua_rawseti(L, -2, BigInt(i + 1))
  }
}

function pushObject(lua: LuaWasm, L: Pointer, value: JsonObject, depth: number): void {
  const keys = Object.keys(value)
  lua.api.lua_createtable(L, 0, keys.length)
  for (const key of keys) {
    const member = value[key]
    if (member === null || member === undefined) continue
    pushText(lua, L, key)
    pushJson(lua, L, member, depth + 1)
    lua.api.lua_rawset(L, -3)
  }
}

/** A BigInt is an object to be collected, and a list of a million of them is quickly made. */
const SMALL_INTEGERS: readonly bigint[] = Array.from({ length: 1_024 }, (_, i) => BigInt(i))

export function pushNumber(lua: LuaWasm, L: Pointer, value: number): void {
  if (Number.isSafeInteger(value)) lua.api.lua_pushinteger(L, SMALL_INTEGERS[value] ?? BigInt(value))
  else lua.api.lua_pushnumber(L, value)
}

export function pushText(lua: LuaWasm, L: Pointer, text: string): void {
  lua.withText(text, (address, bytes) => lua.api.lua_pushlstring(L, address, bytes))
}

/** The string at `index`, which must be a string already: a number would be changed in place. */
export function readText(lua: LuaWasm, L: Pointer, index: number, maxBytes = Number.POSITIVE_INFINITY): string {
  const address = lua.api.lua_tolstring(L, index, lua.lengthOut)
  return lua.text(address, Math.min(lua.words[lua.lengthOut >> 2]!, maxBytes))
}
