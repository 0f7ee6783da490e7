import { beforeAll, expect, test } from "bun:test"
import fc from "fast-check"
import { LuaMachine } from "../../../src/adapters/sandbox/lua-machine.ts"
import type { Json, JsonObject } from "../../../src/kernel/json.ts"
import { LUA_MEMORY_MAX_BYTES } from "../../../src/kernel/limits.ts"

let machine: LuaMachine
beforeAll(() => {
  machine = new LuaMachine(LUA_MEMORY_MAX_BYTES)
})

/** What `json.decode` makes of a text, sent back by `json.encode`; undefined when it refuses. */
function decoded(text: string): Json | undefined {
  const script = "local ok, v = pcall(json.decode, text) return { ok = ok, text = ok and json.encode(v) or v }"
  const outcome = machine.run(script, { text })
  const answer = JSON.parse(outcome.ok ? outcome.value : '{"ok":false}') as JsonObject
  return answer.ok === true ? (JSON.parse(String(answer.text)) as Json) : undefined
}

/** Whether `json.decode` takes it: a number may also be infinite, which `json.encode` would refuse. */
function accepts(text: string): boolean {
  const outcome = machine.run("return { ok = pcall(json.decode, text) }", { text })
  return outcome.ok && outcome.value === '{"ok":true}'
}

function parsed(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json
  } catch {
    return undefined
  }
}

/** Without what Lua does not tell apart: an empty list from an empty object, -0 from 0, the order of names. */
function comparable(value: Json | undefined): unknown {
  if (Array.isArray(value)) return value.length === 0 ? {} : value.map(comparable)
  if (typeof value === "number") return value + 0
  if (value === null || typeof value !== "object") return value
  return Object.fromEntries(Object.keys(value).map(key => [key, comparable((value as JsonObject)[key])]))
}

/** JSON without null, whose place in a list Lua does not keep; half of it escaped. */
const texts = fc
  .tuple(fc.jsonValue({ stringUnit: "binary" }), fc.boolean(), fc.constantFrom(0, 1, 3))
  .map(([value, escaped, indent]) => {
    const text = JSON.stringify([1, value], (_, v) => (v === null ? false : typeof v === "string" ? v.toWellFormed() : v), indent)
    return escaped ? text.replace(/[^\0-\x7f]/g, c => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`) : text
  })

test("json.decode reads what JSON.parse reads, and the same", () => {
  fc.assert(
    fc.property(texts, text => {
      expect(comparable(decoded(text))).toEqual(comparable(parsed(text)))
    }),
    { numRuns: 500 },
  )
})

test("json.decode refuses what JSON.parse refuses", () => {
  const piece = fc.constantFrom(
    ",",
    "]",
    "}",
    '"',
    "\\",
    "0",
    "-",
    "e",
    ".",
    "tru",
    "[",
    "{",
    "\n",
    "\u0001",
    "\\u12",
    "+",
    "1e",
    ":",
  )
  fc.assert(
    fc.property(texts, fc.nat(), piece, (text, place, extra) => {
      const at = place % text.length
      const damaged = text.slice(0, at) + extra + text.slice(at)
      expect([damaged, accepts(damaged)]).toEqual([damaged, parsed(damaged) !== undefined])
    }),
    { numRuns: 1_000 },
  )
})

test.each([
  ["", "the text ends too early, at byte 1"],
  ["[1,]", "a value was expected, at byte 4"],
  ["[1 2]", 'a "," or a "]" was expected, at byte 4'],
  ['{"a" 1}', 'a ":" was expected, at byte 6'],
  ["{a:1}", "a name in quotes was expected, at byte 2"],
  ["01", "a number cannot start with 0, at byte 1"],
  ["1.", "a digit was expected, at byte 3"],
  ['"a', "a text has no end, at byte 3"],
  ['"\\x"', "there is no such escape, at byte 2"],
  ["1 1", "there is more after the value, at byte 3"],
  ["[".repeat(65), "it is nested more than 64 levels deep, at byte 65"],
])("json.decode says what is wrong with %j, and where", (text, message) => {
  const outcome = machine.run("local _, e = pcall(json.decode, text) return { e }", { text })
  expect(outcome).toEqual({ ok: true, value: JSON.stringify({ "1": `json.decode: ${message}` }) })
})

test("half a pair of surrogates is U+FFFD, and holes count", () => {
  expect(decoded('["\\ud800", "\\udc00x", "\\ud83d\\ude00"]')).toEqual(["\ufffd", "\ufffdx", "😀"])
  const outcome = machine.run("local t = json.decode('[null,null,5]') return { n = #t, last = t[3] }", {})
  expect(outcome).toEqual({ ok: true, value: expect.stringMatching(/"n":3/) })
})
