import { JSON_MAX_DEPTH } from "../../kernel/limits.ts"
import { LuaConversionError, pushNumber } from "./lua-values.ts"
import { LuaMemoryExhausted, type LuaWasm, type Pointer } from "./lua-wasm.ts"

/**
 * Pushes the value of a JSON text that lies in the machine's memory, as `pushJson` would. It goes straight into Lua tables,
 * whose memory is capped: through `JSON.parse`, 4 MiB of text became 1.9 GB of JavaScript objects that nothing counted. The
 * text must stay on the stack meanwhile. Throws LuaConversionError; bytes that are not UTF-8 stay as they are.
 */
export function decodeJson(lua: LuaWasm, L: Pointer, address: Pointer, length: number): void {
  new JsonReader(lua, L, address, address + length).read()
}

const QUOTE = 0x22
const COMMA = 0x2c
const MINUS = 0x2d
const POINT = 0x2e
const ZERO = 0x30
const COLON = 0x3a
const OPEN_ARRAY = 0x5b
const BACKSLASH = 0x5c
const CLOSE_ARRAY = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d
/** Integers of so many digits need no `Number(text)`. */
const PLAIN_DIGITS = 15

const WORDS: ReadonlyMap<number, string> = new Map([..."tfn"].map((c, i) => [c.charCodeAt(0), ["true", "false", "null"][i]!]))
/** What `\n` and its like stand for, by the letter. */
const ESCAPES: ReadonlyMap<number, number> = new Map(
  [...'"\\/bfnrt'].map((c, i) => [c.charCodeAt(0), '"\\/\b\f\n\r\t'.charCodeAt(i)]),
)

class JsonReader {
  #at: Pointer

  constructor(
    readonly lua: LuaWasm,
    readonly L: Pointer,
    readonly start: Pointer,
    readonly end: Pointer,
  ) {
    this.#at = start
  }

  read(): void {
    this.#value(0)
    if (!Number.isNaN(this.#next())) this.#fail("there is more after the value")
  }

  /** Pushes one value. */
  #value(depth: number): void {
    const byte = this.#next()
    if (byte === QUOTE) this.#string()
    else if (byte === OPEN_OBJECT) this.#object(depth)
    else if (byte === OPEN_ARRAY) this.#array(depth)
    else if (byte === MINUS || isDigit(byte)) this.#number()
    else this.#word(byte)
  }

  #word(byte: number): void {
    const { api } = this.lua
    const word = WORDS.get(byte)
    if (word === undefined) this.#fail(Number.isNaN(byte) ? "the text ends too early" : "a value was expected")
    if (this.lua.text(this.#at, Math.min(word.length, this.end - this.#at)) !== word) this.#fail("a value was expected")
    this.#at += word.length
    if (word === "null") api.lua_pushnil(this.L)
    else api.lua_pushboolean(this.L, word === "true" ? 1 : 0)
  }

  /** With its size beforehand, so that `#` counts holes as it does in any array that came in as JSON. */
  #array(depth: number): void {
    this.#enter(depth)
    this.lua.api.lua_createtable(this.L, this.#countElements(), 0)
    this.#at++
    if (this.#accept(CLOSE_ARRAY)) return
    for (let i = 1; ; i++) {
      this.lua.api.lua_pushnumber(this.L, i) // as a key Lua makes an integer of it, and there is no BigInt to collect
      this.#value(depth + 1)
      this.lua.api.lua_rawset(this.L, -3)
      if (this.#accept(CLOSE_ARRAY)) return
      this.#expect(COMMA, 'a "," or a "]"')
    }
  }

  #object(depth: number): void {
    this.#enter(depth)
    this.lua.api.lua_createtable(this.L, 0, 0)
    this.#at++
    if (this.#accept(CLOSE_OBJECT)) return
    for (;;) {
      if (this.#next() !== QUOTE) this.#fail("a name in quotes was expected")
      this.#string()
      this.#expect(COLON, 'a ":"')
      this.#value(depth + 1)
      this.lua.api.lua_rawset(this.L, -3)
      if (this.#accept(CLOSE_OBJECT)) return
      this.#expect(COMMA, 'a "," or a "}"')
    }
  }

  #enter(depth: number): void {
    if (depth >= JSON_MAX_DEPTH) this.#fail(`it is nested more than ${JSON_MAX_DEPTH} levels deep`)
    if (this.lua.api.lua_checkstack(this.L, 4) === 0) throw new LuaMemoryExhausted("no memory for the stack")
  }

  /** Commas of the array that starts here, and one. Looks ahead once per level, and there are at most JSON_MAX_DEPTH. */
  #countElements(): number {
    const { bytes } = this.lua
    let count = 0
    let depth = 0
    let filled = false
    for (let i = this.#at; i < this.end; i++) {
      const byte = bytes[i]!
      if (byte === QUOTE) {
        filled = true
        for (i++; i < this.end && bytes[i] !== QUOTE; i++) if (bytes[i] === BACKSLASH) i++
      } else if (byte === OPEN_ARRAY || byte === OPEN_OBJECT) {
        filled ||= depth > 0
        depth++
      } else if (byte === CLOSE_ARRAY || byte === CLOSE_OBJECT) {
        if (--depth === 0) break
      } else if (byte === COMMA) {
        if (depth === 1) count++
      } else if (!isSpace(byte)) filled = true
    }
    return filled ? count + 1 : 0
  }

  #number(): void {
    const { bytes } = this.lua
    const start = this.#at
    const negative = bytes[start] === MINUS
    const digitsAt = negative ? start + 1 : start
    let at = this.#digits(digitsAt)
    if (at - digitsAt > 1 && bytes[digitsAt] === ZERO) this.#fail("a number cannot start with 0")
    let plain = at - digitsAt <= PLAIN_DIGITS
    if (at < this.end && bytes[at] === POINT) {
      at = this.#digits(at + 1)
      plain = false
    }
    if (at < this.end && (bytes[at]! | 0x20) === 0x65) {
      const sign = bytes[at + 1] === MINUS || bytes[at + 1] === 0x2b
      at = this.#digits(sign ? at + 2 : at + 1)
      plain = false
    }
    this.#at = at
    let value = 0
    if (plain) for (let i = digitsAt; i < at; i++) value = value * 10 + bytes[i]! - ZERO
    pushNumber(this.lua, this.L, plain ? (negative ? -value : value) : Number(this.lua.text(start, at - start)))
  }

  /** Behind the digits that must be here. */
  #digits(from: Pointer): Pointer {
    const { bytes } = this.lua
    let at = from
    while (at < this.end && isDigit(bytes[at]!)) at++
    if (at === from) {
      this.#at = at
      this.#fail("a digit was expected")
    }
    return at
  }

  /** One without escapes is copied by Lua from where it is. */
  #string(): void {
    const { bytes, api } = this.lua
    const start = this.#at + 1
    let escaped = false
    let at = start
    for (; at < this.end; at++) {
      const byte = bytes[at]!
      if (byte === QUOTE) break
      if (byte < 0x20) this.#failAt(at, "a control character must be escaped")
      if (byte !== BACKSLASH) continue
      escaped = true
      at++
    }
    if (at >= this.end) this.#failAt(this.end, "a text has no end")
    if (!escaped) api.lua_pushlstring(this.L, start, at - start)
    else
      this.lua.withBuffer(at - start, address => {
        api.lua_pushlstring(this.L, address, this.#unescape(start, at, address))
      })
    this.#at = at + 1
  }

  /** Never longer than what is read. Answers the length. */
  #unescape(from: Pointer, to: Pointer, into: Pointer): number {
    const { bytes } = this.lua
    let out = into
    for (let at = from; at < to; ) {
      const byte = bytes[at]!
      if (byte !== BACKSLASH) {
        bytes[out++] = byte
        at++
        continue
      }
      const letter = bytes[at + 1]!
      const simple = ESCAPES.get(letter)
      if (simple !== undefined) {
        bytes[out++] = simple
        at += 2
      } else if (letter === 0x75) {
        const [point, after] = this.#codePoint(at, to)
        out = writeUtf8(bytes, out, point)
        at = after
      } else this.#failAt(at, "there is no such escape")
    }
    return out - into
  }

  /** Of `\uXXXX` or a pair of them; half a pair is U+FFFD, as in every other text that reaches a script. */
  #codePoint(at: Pointer, to: Pointer): readonly [point: number, after: Pointer] {
    const { bytes } = this.lua
    const high = this.#hex(at + 2, to)
    if (high < 0xd800 || high > 0xdfff) return [high, at + 6]
    if (high < 0xdc00 && bytes[at + 6] === BACKSLASH && bytes[at + 7] === 0x75 && at + 8 < to) {
      const low = this.#hex(at + 8, to)
      if (low >= 0xdc00 && low <= 0xdfff) return [0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00), at + 12]
    }
    return [0xfffd, at + 6]
  }

  #hex(at: Pointer, to: Pointer): number {
    const text = this.lua.text(at, Math.max(0, Math.min(4, to - at)))
    if (!/^[0-9A-Fa-f]{4}$/.test(text)) this.#failAt(at, "four hexadecimal digits were expected")
    return Number.parseInt(text, 16)
  }

  /** The next byte that is no space, and still to be read; NaN at the end. */
  #next(): number {
    const { bytes } = this.lua
    while (this.#at < this.end && isSpace(bytes[this.#at]!)) this.#at++
    return this.#at < this.end ? bytes[this.#at]! : Number.NaN
  }

  #accept(byte: number): boolean {
    if (this.#next() !== byte) return false
    this.#at++
    return true
  }

  #expect(byte: number, name: string): void {
    if (!this.#accept(byte)) this.#fail(`${name} was expected`)
  }

  #fail(what: string): never {
    this.#failAt(this.#at, what)
  }

  #failAt(at: Pointer, what: string): never {
    throw new LuaConversionError(`${what}, at byte ${Math.min(at, this.end) - this.start + 1}`)
  }
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= 0x39
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
}

function writeUtf8(bytes: Uint8Array, at: number, point: number): number {
  let out = at
  if (point < 0x80) bytes[out++] = point
  else {
    if (point < 0x800) bytes[out++] = 0xc0 | (point >> 6)
    else {
      if (point < 0x10000) bytes[out++] = 0xe0 | (point >> 12)
      else {
        bytes[out++] = 0xf0 | (point >> 18)
        bytes[out++] = 0x80 | ((point >> 12) & 0x3f)
      }
      bytes[out++] = 0x80 | ((point >> 6) & 0x3f)
    }
    bytes[out++] = 0x80 | (point & 0x3f)
  }
  return out
}
