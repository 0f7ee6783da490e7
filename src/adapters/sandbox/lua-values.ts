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
      if (Number.isSafeInteger(value)) api.lua_pushinteger(L, BigInt(value))
      else api.lua_pushnumber(L, value)
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

export function pushText(lua: LuaWasm, L: Pointer, text: string): void {
  lua.withText(text, (address, bytes) => lua.api.lua_pushlstring(L, address, bytes))
}

/** The string at `index`, which must be a string already: a number would be changed in place. */
export function readText(lua: LuaWasm, L: Pointer, index: number, maxBytes = Number.POSITIVE_INFINITY): string {
  const address = lua.api.lua_tolstring(L, index, lua.lengthOut)
  return lua.text(address, Math.min(lua.words[lua.lengthOut >> 2]!, maxBytes))
}

export interface JsonTextOptions {
  readonly maxBytes: number
  /** What the value is called in messages: `result`. */
  readonly name: string
  /** Whether a sequence at the top becomes an array, or an object with the keys "1", "2", … */
  readonly top: "array" | "object"
}

/**
 * The value at the top of the stack as JSON text; the stack is left as it was. Tables are read raw, without metamethods, so
 * no code of the script runs. Throws LuaConversionError.
 */
export function readJson(lua: LuaWasm, L: Pointer, options: JsonTextOptions): string {
  return new JsonWriter(lua, L, options).write()
}

class JsonWriter {
  #text = ""
  /** Where we are: per level the offset of the key in the text so far or, below zero, the index of the element. */
  readonly #path: number[] = []
  /** The tables that lead here, by address. */
  readonly #tables: Pointer[] = []

  constructor(
    readonly lua: LuaWasm,
    readonly L: Pointer,
    readonly options: JsonTextOptions,
  ) {}

  write(): string {
    this.#value()
    if (Buffer.byteLength(this.#text) > this.options.maxBytes) this.#tooLarge()
    return this.#text
  }

  #value(): void {
    const { lua, L } = this
    const type = lua.api.lua_type(L, -1)
    switch (type) {
      case LUA_NIL:
        this.#text += "null"
        return
      case LUA_BOOLEAN:
        this.#text += lua.api.lua_toboolean(L, -1) === 1 ? "true" : "false"
        return
      case LUA_NUMBER:
        this.#number()
        return
      case LUA_STRING:
        this.#string(-1)
        return
      case LUA_TABLE:
        this.#table()
        return
      default:
        this.#fail(`is ${typeName(type)}, which has no JSON form`)
    }
  }

  #number(): void {
    const value = this.lua.api.lua_tonumberx(this.L, -1, 0)
    if (!Number.isFinite(value))
      this.#fail(`is ${Number.isNaN(value) ? "not a number (NaN)" : "infinite"}, which has no JSON form`)
    this.#text += value === 0 ? "0" : String(value)
  }

  #string(index: number): void {
    const { lua, L } = this
    const address = lua.api.lua_tolstring(L, index, lua.lengthOut)
    const length = lua.words[lua.lengthOut >> 2]!
    if (this.#text.length + length > this.options.maxBytes) this.#tooLarge()
    this.#text += JSON.stringify(lua.text(address, length))
  }

  #table(): void {
    const { lua, L } = this
    const identity = lua.api.lua_topointer(L, -1)
    if (this.#tables.includes(identity)) this.#fail("contains itself, so it has no JSON form")
    if (this.#tables.length >= JSON_MAX_DEPTH) this.#fail(`is nested more than ${JSON_MAX_DEPTH} levels deep`)
    if (lua.api.lua_checkstack(L, 4) === 0) throw new LuaMemoryExhausted("no memory for the stack")
    if (this.#text.length > this.options.maxBytes) this.#tooLarge()
    const asArray = (this.#tables.length > 0 || this.options.top === "array") && this.#isSequence()
    this.#tables.push(identity)
    if (asArray) this.#array()
    else this.#object()
    this.#tables.pop()
  }

  /** Whether the keys are exactly 1 … n with n ≥ 1. */
  #isSequence(): boolean {
    const { api } = this.lua
    const { L } = this
    const length = Number(api.lua_rawlen(L, -1))
    if (length === 0) return false
    let count = 0
    api.lua_pushnil(L)
    while (api.lua_next(L, -2) !== 0) {
      api.lua_settop(L, -2)
      const key = api.lua_isinteger(L, -1) === 1 ? api.lua_tonumberx(L, -1, 0) : 0
      if (key < 1 || key > length) {
        api.lua_settop(L, -2)
        return false
      }
      count++
    }
    return count === length
  }

  /** The keys of a sequence need not come in order from `lua_next` (elements may sit in the hash part), so they are asked for. */
  #array(): void {
    const { api } = this.lua
    const { L } = this
    const length = Number(api.lua_rawlen(L, -1))
    this.#text += "["
    for (let i = 1; i <= length; i++) {
      if (i > 1) this.#text += ","
      api.lua_pushinteger(L, BigInt(i))
      api.lua_rawget(L, -2)
      this.#path.push(-i)
      this.#value()
      this.#path.pop()
      api.lua_settop(L, -2)
    }
    this.#text += "]"
  }

  #object(): void {
    const { api } = this.lua
    const { L } = this
    let separator = "{"
    let numbers: Set<string> | undefined
    api.lua_pushnil(L)
    while (api.lua_next(L, -2) !== 0) {
      this.#text += separator
      separator = ","
      this.#path.push(this.#text.length)
      const type = api.lua_type(L, -2)
      if (type === LUA_STRING) this.#string(-2)
      else if (type === LUA_NUMBER) {
        const key = String(api.lua_tonumberx(L, -2, 0))
        numbers ??= new Set()
        numbers.add(key)
        this.#text += `"${key}"`
      } else {
        this.#path.pop()
        this.#fail(`has ${typeName(type)} as a key, which has no JSON form`)
      }
      this.#text += ":"
      this.#value()
      this.#path.pop()
      api.lua_settop(L, -2)
    }
    if (numbers !== undefined) this.#refuseTwins(numbers)
    this.#text += separator === "{" ? "{}" : "}"
  }

  /** `t[1]` and `t["1"]` would be one member. */
  #refuseTwins(numbers: ReadonlySet<string>): void {
    const { lua, L } = this
    for (const key of numbers) {
      pushText(lua, L, key)
      lua.api.lua_rawget(L, -2)
      const twin = lua.api.lua_type(L, -1) !== LUA_NIL
      lua.api.lua_settop(L, -2)
      if (twin) this.#fail(`has both the number ${key} and the string "${key}" as keys, which are one key in JSON`)
    }
  }

  #tooLarge(): never {
    throw new LuaConversionError(`the ${this.options.name} is larger than ${this.options.maxBytes} bytes as JSON`)
  }

  #fail(what: string): never {
    let place = this.options.name
    for (const step of this.#path) place += step < 0 ? `[${-step}]` : this.#member(step)
    throw new LuaConversionError(`${place} ${what}`)
  }

  #member(offset: number): string {
    JSON_STRING.lastIndex = offset
    const key = JSON_STRING.exec(this.#text)?.[0].slice(0, 100) ?? '"?"'
    return /^"[A-Za-z_]\w*"$/.test(key) ? `.${key.slice(1, -1)}` : `[${key}]`
  }
}

const JSON_STRING = /"(?:[^"\\]|\\.)*"/y
