import { beforeAll, describe, expect, test } from "bun:test"
import fc from "fast-check"
import { LuaMachine } from "../../../src/adapters/sandbox/lua-machine.ts"
import type { Json, JsonObject } from "../../../src/kernel/json.ts"
import { LUA_MEMORY_MAX_BYTES, LUA_RESULT_MAX_BYTES } from "../../../src/kernel/limits.ts"

let machine: LuaMachine
beforeAll(() => {
  machine = new LuaMachine(LUA_MEMORY_MAX_BYTES)
})

/** The value, or "kind: message". */
function run(script: string, globals: JsonObject = {}): Json {
  const outcome = machine.run(script, globals)
  return outcome.ok ? (JSON.parse(outcome.value) as Json) : `${outcome.kind}: ${outcome.message}`
}

describe("values on their way in and out", () => {
  test("any JSON without null and without empty arrays comes back as it was", () => {
    const key = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.constantFrom("__proto__", "constructor", "toString", "1a", "a-b", "é", "\0"),
    )
    const { tree } = fc.letrec(tie => ({
      tree: fc.oneof(
        { depthSize: "small" },
        fc.boolean(),
        fc.maxSafeInteger(),
        fc.double({ noNaN: true, noDefaultInfinity: true }).map(n => n + 0),
        fc.string({ unit: "binary" }).map(text => text.toWellFormed()),
        fc.array(tie("tree"), { minLength: 1, maxLength: 5 }),
        fc
          .uniqueArray(
            fc.tuple(
              key.map(k => k.toWellFormed()),
              tie("tree"),
            ),
            { selector: ([k]) => k, maxLength: 5 },
          )
          .map(nullProto),
      ),
    }))
    fc.assert(
      fc.property(tree, value => {
        const back = (run("return { value = input }", { input: value as Json }) as JsonObject).value
        expect(canonical(back as Json)).toBe(canonical(value as Json))
      }),
      { numRuns: 300 },
    )
  })

  test("integers stay integers, floats stay floats, and 1.0 is written as 1", () => {
    const script = `return { i = math.type(input.i), f = math.type(input.f), one = 1.0, half = 0.5, minus = -0.0 }`
    expect(run(script, { input: { i: 7, f: 7.5 } })).toEqual({
      i: "integer",
      f: "float",
      one: 1,
      half: 0.5,
      minus: 0,
    })
  })

  test("a sequence at the top becomes an object, nested ones become arrays, and an empty table an object", () => {
    expect(run("return { 'a', { 1, 2 }, {} }")).toEqual({ "1": "a", "2": [1, 2], "3": {} })
    expect(run("return {}")).toEqual({})
  })

  test("a sequence that was filled from behind is an array too", () => {
    expect(run("local t = {} for i = 5, 1, -1 do t[i] = i end return { t = t }")).toEqual({ t: [1, 2, 3, 4, 5] })
  })

  test("tables with holes or with other keys become objects with string keys", () => {
    expect(run("return { holes = { 1, nil, 3 }, mixed = { 'x', a = 1, [2.5] = 2, [-1] = 3 } }")).toEqual({
      holes: { "1": 1, "3": 3 },
      mixed: { "1": "x", a: 1, "2.5": 2, "-1": 3 },
    })
  })

  test("null is nil on the way in, and nil drops its key on the way out", () => {
    expect(
      run("return { absent = input.a == nil, gone = input.a, rest = input.b }", { input: { a: null, b: [1, null, 3] } }),
    ).toEqual({
      absent: true,
      rest: { "1": 1, "3": 3 },
    })
  })

  test("strings keep NUL, line ends, surrogate pairs, a byte order mark, and a megabyte of length", () => {
    const text = "\uFEFFa\0b\r\n😀é\u2028"
    expect(run("return { t = input, n = #input }", { input: text })).toEqual({ t: text, n: Buffer.byteLength(text) })
    const long = "é".repeat(LUA_RESULT_MAX_BYTES / 2 - 50)
    expect(run("return { t = input }", { input: long })).toEqual({ t: long })
  })

  test("bytes that are no UTF-8 are replaced", () => {
    expect(run(String.raw`return { t = "a\255b" }`)).toEqual({ t: "a\uFFFDb" })
  })

  test("__proto__ and constructor are plain data", () => {
    const input = JSON.parse('{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}') as Json
    const back = run("input.seen = input.__proto__.polluted return input", { input }) as JsonObject
    expect(JSON.stringify(Object.entries(back).sort())).toBe(
      JSON.stringify([
        ["__proto__", { polluted: true }],
        ["constructor", { prototype: { polluted: true } }],
        ["seen", true],
      ]),
    )
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined()
  })

  test.each([
    ["return 5", "result: the script must return a table, but it returned a number"],
    ["local x = 1", "result: the script must return a table, but it returned nil"],
    ["return { a = { print } }", "result: result.a[1] is a function, which has no JSON form"],
    ["return { ['odd key'] = { b = 0/0 } }", 'result: result["odd key"].b is not a number (NaN), which has no JSON form'],
    ["return { x = -math.huge }", "result: result.x is infinite, which has no JSON form"],
    ["local t = {} t.a = { t } return t", "result: result.a[1] contains itself, so it has no JSON form"],
    ["return { [true] = 1 }", "result: result has a boolean as a key, which has no JSON form"],
    [
      "return { [1] = 1, ['1'] = 2 }",
      'result: result has both the number 1 and the string "1" as keys, which are one key in JSON',
    ],
    [
      `return { t = string.rep("x", ${LUA_RESULT_MAX_BYTES}) }`,
      `result: the result is larger than ${LUA_RESULT_MAX_BYTES} bytes as JSON`,
    ],
  ])("%s fails and says where", (script, expected) => {
    expect(run(script)).toBe(expected)
  })

  test("64 levels are deep enough and 65 are refused", () => {
    const nest = (levels: number) => `local t = {} for i = 2, ${levels} do t = { t = t } end return t`
    expect(run(nest(64))).toBeObject()
    expect(run(nest(65))).toEndWith("is nested more than 64 levels deep")
  })

  test("a small table that unfolds into a huge result stops at the limit", () => {
    expect(run("local t = { 1 } for i = 1, 60 do t = { t, t } end return t")).toStartWith("result: the result is larger than")
  })
})

describe("what a script sees", () => {
  test("a step id with hyphens has an alias, unless a step of that name exists", () => {
    const steps = { "a-b": { result: 1 }, "c-d": { result: 2 }, c_d: { result: 3 } }
    expect(run(`return { steps.a_b.result, steps["a-b"].result, steps.c_d.result, steps["c-d"].result }`, { steps })).toEqual({
      "1": 1,
      "2": 1,
      "3": 3,
      "4": 2,
    })
  })

  test("every given global is there by its name", () => {
    expect(run("return { item.id, index, run.run_id }", { item: { id: "x" }, index: 0, run: { run_id: "r" } })).toEqual({
      "1": "x",
      "2": 0,
      "3": "r",
    })
  })

  test("only base, string, table, math and json are there", () => {
    const script = `local names = {} for name in pairs(_G) do names[#names + 1] = name end table.sort(names) return { names = table.concat(names, " ") }`
    expect(run(script)).toEqual({
      names:
        "_G _VERSION assert collectgarbage error getmetatable ipairs json load math next pairs pcall print rawequal rawget rawlen rawset select setmetatable string table tonumber tostring type xpcall",
    })
    expect(run("return { type(string.dump) }")).toEqual({ "1": "nil" })
  })

  test("json.decode and json.encode convert, and their errors can be caught", () => {
    expect(run(`return json.decode('{"a":[1,2.5,{"b":null}],"t":true}')`)).toEqual({ a: [1, 2.5, {}], t: true })
    expect(run(`return { json.encode({ 1, "x", { a = true } }), json.encode({}), json.encode("é"), json.encode(nil) }`)).toEqual({
      "1": '[1,"x",{"a":true}]',
      "2": "{}",
      "3": '"é"',
      "4": "null",
    })
    expect(run("return { pcall(json.decode, '{') }")).toMatchObject({ "1": false, "2": expect.stringContaining("json.decode:") })
    expect(run("return { pcall(json.encode, print) }")).toMatchObject({ "1": false })
    expect(run("return json.decode('[')")).toStartWith("script: line 1: json.decode: ")
  })

  test("random numbers differ from run to run", () => {
    const draws = Array.from({ length: 20 }, () => JSON.stringify(run("return { math.random(1 << 40) }")))
    expect(new Set(draws).size).toBe(20)
  })
})

describe("errors of a script", () => {
  test.each([
    ["error('no luck')", "script: line 1: no luck"],
    ["error('no luck', 0)", "script: no luck"],
    ["\n\nlocal x = nil\nreturn x.y", "script: line 4: attempt to index a nil value (local 'x')"],
    ["x = = 1", "script: line 1: unexpected symbol near '='"],
    ["error({ message = 'from a table', code = 3 })", "script: from a table"],
    ["error({ code = 3 })", 'script: {"code":3}'],
    [
      "error(setmetatable({ print }, { __tostring = function() while true do end end }))",
      "script: the script raised a table as its error",
    ],
    ["error()", "script: the script raised nil as its error"],
    ["local ok, e = pcall(error, 'inner') error(e)", "script: line 1: inner"],
  ])("%j fails with its message, and its line where there is one", (script, expected) => {
    expect(run(script)).toBe(expected)
  })

  test("a long message is cut", () => {
    expect((run("error(string.rep('x', 1000000))") as string).length).toBeLessThan(3000)
  })

  test("the check finds the line of a syntax error and executes nothing", () => {
    expect(machine.check("local a = 1\nreturn { a }")).toEqual({ ok: true })
    expect(machine.check("while true do end")).toEqual({ ok: true })
    expect(machine.check("local a = 1\nreturn {{ a }")).toEqual({ ok: false, line: 2, message: "'}' expected near <eof>" })
    expect(machine.check("\u001bLua")).toMatchObject({ ok: false })
  })
})

describe("limits", () => {
  test("a gigabyte of text, an endless table and an endless string stop for want of memory", () => {
    for (const script of [
      "return { string.rep('x', 1000000000) }",
      "local t = {} while true do t[#t + 1] = {} end",
      "local s = 'x' while true do s = s .. s end",
      "return { t = string.rep('x', 40000000), u = string.rep('y', 40000000) }",
    ]) {
      const fresh = new LuaMachine(LUA_MEMORY_MAX_BYTES)
      expect(fresh.run(script, {})).toEqual({ ok: false, kind: "memory", message: "not enough memory: a script may use 64 MiB" })
      expect(fresh.memoryBytes).toBeLessThanOrEqual(LUA_MEMORY_MAX_BYTES)
      expect(fresh.run("return { 1 }", {})).toMatchObject({ ok: true })
    }
  })

  test.each([
    ["local function f() return f() + 1 end f()", /stack overflow|not enough memory/],
    ["local function f() string.gsub('a', 'a', f) end f()", /stack overflow/],
    ["return { table.unpack({}, 1, 10000000) }", /too many results/],
    ["return { string.format('%99999d', 1) }", /invalid conversion/],
    ["local t = setmetatable({}, { __index = function(t, k) return t[k .. 'x'] end }) return { t.a }", /overflow/],
    ["return { assert(load('return ' .. string.rep('(', 300) .. '1' .. string.rep(')', 300))) }", /overflow|too many/],
    ["return { string.rep('a', 30):find(string.rep('(a*)', 40)) }", /too many captures/],
    ["local t <close> = setmetatable({}, { __close = function() error('while closing') end }) return {}", /while closing/],
  ])("%s is an error and nothing more", (script, expected) => {
    expect(run(script)).toMatch(expected)
    expect(run("return { 1 }")).toEqual({ "1": 1 })
  })
})

describe("isolation between scripts", () => {
  const untouched = () =>
    run(
      `return { secret == nil, ("x"):upper(), #("x"), table.concat({ 1, 2 }), math.floor(1.5), type(json.decode), tostring(1), _G == _ENV }`,
    )
  const pristine = { "1": true, "2": "X", "3": 1, "4": "12", "5": 1, "6": "function", "7": "1", "8": true }

  test.each([
    ["a global", "secret = 1 _G.secret = 2 rawset(_G, 'secret', 3)"],
    ["the libraries", "string.upper = nil table.concat = nil math.floor = print json.decode = nil tostring = nil"],
    ["the methods of strings", "string.upper = function() return secret end getmetatable = nil rawset(string, 'len', nil)"],
    ["the environment of load", "load('secret = 5 string.upper = nil')() load('secret = 6', 'n', 't', _G)()"],
    ["a metatable of _G", "setmetatable(_G, { __index = function() return 7 end, __newindex = function() end })"],
    ["an error object that holds the environment", "error({ env = _G })"],
    ["an exhausted memory", "secret = 1 local t = {} while true do t[#t + 1] = { t } end"],
    ["a stack overflow inside a pattern", "secret = 1 local function f() string.gsub('a', 'a', f) end f()"],
    ["a weak table", "secret = setmetatable({}, { __mode = 'kv' }) secret[1] = {}"],
  ])("%s does not reach the next script", (_what, script) => {
    run(script)
    expect(untouched()).toEqual(pristine)
  })

  test("the metatable of strings is locked, and finalizers are refused", () => {
    expect(run("return { getmetatable('') }")).toEqual({ "1": false })
    expect(run("setmetatable('', {})")).toMatch(/table expected/)
    expect(run("setmetatable({}, { __gc = function() end })")).toBe("script: line 1: a metatable with __gc is not allowed here")
    expect(run("return setmetatable({}, setmetatable({}, { __index = { __gc = print } }))")).toEqual({})
    expect(run("setmetatable(setmetatable({}, { __metatable = 1 }), {})")).toMatch(/protected metatable/)
  })

  test("load takes text only, whatever mode is asked for", () => {
    expect(run(String.raw`return { load("\27Lua", "n", "b") }`)).toMatchObject({
      "2": "attempt to load a binary chunk (mode is 't')",
    })
    expect(run("return { load('return ...', 'n', 'bt', {})(4), load(function() return nil end) ~= nil }")).toEqual({
      "1": 4,
      "2": true,
    })
  })
})

function nullProto(entries: (readonly [string, unknown])[]): unknown {
  const object = Object.create(null) as Record<string, unknown>
  for (const [key, value] of entries) object[key] = value
  return object
}

/** JSON text with sorted keys; -0 is 0 in JSON. */
function canonical(value: Json): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`
  const entries = Object.entries(value as JsonObject).sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${entries.map(([key, member]) => `${JSON.stringify(key)}:${canonical(member)}`).join(",")}}`
}
