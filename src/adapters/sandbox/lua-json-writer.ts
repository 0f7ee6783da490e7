import { isUtf8 } from "node:buffer"
import { JSON_MAX_DEPTH } from "../../kernel/limits.ts"
import { LUA_BOOLEAN, LUA_NIL, LUA_NUMBER, LUA_STRING, LUA_TABLE, LuaConversionError, pushText, typeName } from "./lua-values.ts"
import { LuaMemoryExhausted, type LuaWasm, type Pointer } from "./lua-wasm.ts"

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
  return DECODER.decode(new JsonWriter(lua, L, options).write())
}

/** Pushes that text instead of handing it out. */
export function pushAsJson(lua: LuaWasm, L: Pointer, options: JsonTextOptions): void {
  const text = new JsonWriter(lua, L, options).write()
  lua.withBuffer(text.length, address => {
    lua.bytes.set(text, address)
    lua.api.lua_pushlstring(L, address, text.length)
  })
}

const DECODER = new TextDecoder("utf-8", { ignoreBOM: true })
const ENCODER = new TextEncoder()
/** Bytes of a text that is not UTF-8, and so decoded, at a time. */
const PIECE_BYTES = 4 * 1024
const SMALL_MAX = 999_999_999
const HEX = "0123456789abcdef"
/** The letter behind the backslash; other control characters are `\\u00XX`. */
const SHORT_ESCAPES: ReadonlyMap<number, number> = new Map(
  [...'\b\f\n\r\t"\\'].map((c, i) => [c.charCodeAt(0), 'bfnrt"\\'.charCodeAt(i)]),
)

/**
 * Writes bytes into one buffer that is checked against the limit as it grows. As a JavaScript string that is put together
 * piece by piece, a million numbers took 860 MB, which nothing counted.
 */
class JsonWriter {
  #length = 0
  /** Where we are: per level the offset of the key in the text so far or, below zero, the index of the element. */
  readonly #path: number[] = []
  /** The tables that lead here, by address. */
  readonly #tables: Pointer[] = []

  constructor(
    readonly lua: LuaWasm,
    readonly L: Pointer,
    readonly options: JsonTextOptions,
  ) {}

  /** Good until the next one writes. */
  write(): Uint8Array {
    this.#value()
    if (this.#length > this.options.maxBytes) this.#tooLarge()
    return this.lua.output.subarray(0, this.#length)
  }

  #value(): void {
    const { lua, L } = this
    const type = lua.api.lua_type(L, -1)
    switch (type) {
      case LUA_NIL:
        this.#ascii("null")
        return
      case LUA_BOOLEAN:
        this.#ascii(lua.api.lua_toboolean(L, -1) === 1 ? "true" : "false")
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
    if (Number.isInteger(value) && value >= 0 && value <= SMALL_MAX) this.#small(value)
    else this.#ascii(value === 0 ? "0" : String(value))
  }

  /** Most numbers, without a string that is to be collected. */
  #small(value: number): void {
    const digits = value < 10 ? 1 : Math.floor(Math.log10(value)) + 1
    this.#room(digits)
    this.#length += digits
    let rest = value
    for (let at = this.#length - 1, i = 0; i < digits; i++, at--) {
      this.lua.output[at] = 0x30 + (rest % 10)
      rest = Math.floor(rest / 10)
    }
  }

  #ascii(text: string): void {
    this.#room(text.length)
    const { output } = this.lua
    for (let i = 0; i < text.length; i++) output[this.#length++] = text.charCodeAt(i)
  }

  /** Makes room for so many bytes; the one place where text cannot grow past its limit. */
  #room(bytes: number): void {
    if (this.#length > this.options.maxBytes) this.#tooLarge()
    const needed = this.#length + bytes
    if (needed <= this.lua.output.length) return
    const larger = new Uint8Array(Math.max(needed, Math.min(this.lua.output.length * 2, this.options.maxBytes)))
    larger.set(this.lua.output.subarray(0, this.#length))
    this.lua.output = larger
  }

  #string(index: number): void {
    const { lua, L } = this
    const address = lua.api.lua_tolstring(L, index, lua.lengthOut)
    const length = lua.words[lua.lengthOut >> 2]!
    if (this.#length + length > this.options.maxBytes) this.#tooLarge()
    this.#ascii('"')
    const text = lua.bytes.subarray(address, address + length)
    if (length <= PLAIN_MAX_BYTES && isPlain(text)) this.#copy(text)
    else if (isUtf8(text)) this.#escaped(text)
    else this.#repaired(text)
    this.#ascii('"')
  }

  #copy(text: Uint8Array): void {
    this.#room(text.length)
    this.lua.output.set(text, this.#length)
    this.#length += text.length
  }

  #escaped(text: Uint8Array): void {
    let copied = 0
    for (let i = 0; i < text.length; i++) {
      const byte = text[i]!
      if (!needsEscape(byte)) continue
      if (i > copied) this.#copy(text.subarray(copied, i))
      copied = i + 1
      const short = SHORT_ESCAPES.get(byte)
      if (short === undefined) this.#ascii(`\\u00${HEX[byte >> 4]}${HEX[byte & 15]}`)
      else {
        this.#room(2)
        this.lua.output[this.#length++] = 0x5c
        this.lua.output[this.#length++] = short
      }
    }
    if (text.length > copied) this.#copy(text.subarray(copied))
  }

  /** Bytes that are not UTF-8 become U+FFFD. */
  #repaired(text: Uint8Array): void {
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true })
    for (let at = 0; at < text.length; at += PIECE_BYTES) {
      const last = at + PIECE_BYTES >= text.length
      this.#escaped(ENCODER.encode(decoder.decode(text.subarray(at, at + PIECE_BYTES), { stream: !last })))
    }
  }

  #table(): void {
    const { lua, L } = this
    const identity = lua.api.lua_topointer(L, -1)
    if (this.#tables.includes(identity)) this.#fail("contains itself, so it has no JSON form")
    if (this.#tables.length >= JSON_MAX_DEPTH) this.#fail(`is nested more than ${JSON_MAX_DEPTH} levels deep`)
    if (lua.api.lua_checkstack(L, 4) === 0) throw new LuaMemoryExhausted("no memory for the stack")
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
    this.#ascii("[")
    for (let i = 1; i <= length; i++) {
      if (i > 1) this.#ascii(",")
      api.lua_pushnumber(L, i) // as a key Lua makes an integer of it, and there is no BigInt to collect
      api.lua_rawget(L, -2)
      this.#path.push(-i)
      this.#value()
      this.#path.pop()
      api.lua_settop(L, -2)
    }
    this.#ascii("]")
  }

  #object(): void {
    const { api } = this.lua
    const { L } = this
    let separator = "{"
    let numbers: Set<string> | undefined
    api.lua_pushnil(L)
    while (api.lua_next(L, -2) !== 0) {
      this.#ascii(separator)
      separator = ","
      this.#path.push(this.#length)
      const type = api.lua_type(L, -2)
      if (type === LUA_STRING) this.#string(-2)
      else if (type === LUA_NUMBER) {
        const key = String(api.lua_tonumberx(L, -2, 0))
        numbers ??= new Set()
        numbers.add(key)
        this.#ascii(`"${key}"`)
      } else {
        this.#path.pop()
        this.#fail(`has ${typeName(type)} as a key, which has no JSON form`)
      }
      this.#ascii(":")
      this.#value()
      this.#path.pop()
      api.lua_settop(L, -2)
    }
    if (numbers !== undefined) this.#refuseTwins(numbers)
    this.#ascii(separator === "{" ? "{}" : "}")
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
    const text = DECODER.decode(this.lua.output.subarray(offset, Math.min(this.#length, offset + KEY_SHOWN_BYTES)))
    const key = JSON_STRING.exec(text)?.[0].slice(0, 100) ?? '"?"'
    return /^"[A-Za-z_]\w*"$/.test(key) ? `.${key.slice(1, -1)}` : `[${key}]`
  }
}

const JSON_STRING = /^"(?:[^"\\]|\\.)*"/
/** Of a name in a message; a longer one is a question mark. */
const KEY_SHOWN_BYTES = 1024
/** Texts up to this length are looked at byte by byte first: most are plain, and a call costs more than that. */
const PLAIN_MAX_BYTES = 256

function isPlain(text: Uint8Array): boolean {
  for (let i = 0; i < text.length; i++) {
    const byte = text[i]!
    if (byte > 0x7e || needsEscape(byte)) return false
  }
  return true
}

function needsEscape(byte: number): boolean {
  return byte < 0x20 || byte === 0x22 || byte === 0x5c
}
