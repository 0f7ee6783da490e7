import { describe, expect, test } from "bun:test"
import fc from "fast-check"
import {
  type Compiled,
  compileTemplates,
  OMIT,
  pathsOf,
  resolveTemplates,
  SizeBudget,
  TemplateError,
  walk,
} from "../../src/engine/template.ts"
import { parseTemplate } from "../../src/engine/template-parser.ts"
import type { Json, JsonObject } from "../../src/kernel/json.ts"
import { SEED } from "./seed.ts"

/** The value with its templates resolved against a scope of plain JSON. */
function resolved(value: Json, scope: JsonObject = {}): Json | typeof OMIT {
  return resolveTemplates(compileTemplates(value), path => walk(scope, path, 0), new SizeBudget(10_000_000))
}

/** The message of the TemplateError that resolving must throw. */
function refusal(value: Json, scope: JsonObject = {}): string {
  try {
    resolved(value, scope)
  } catch (error) {
    expect(error).toBeInstanceOf(TemplateError)
    return (error as TemplateError).message
  }
  throw new Error(`${JSON.stringify(value)} was resolved`)
}

describe("a string that is exactly one template", () => {
  const values: readonly Json[] = [null, true, false, 0, -1.5, "", "x", [], [1, [2]], {}, { a: { b: null } }]

  for (const value of values) {
    test(`keeps the type of ${JSON.stringify(value)}`, () => {
      expect(resolved("{{input.v}}", { input: { v: value } })).toEqual(value)
      expect(resolved("{{ input.v }}", { input: { v: value } })).toEqual(value)
    })
  }

  test("keeps it inside arrays and objects, too", () => {
    expect(resolved({ rows: ["{{input.v}}"] }, { input: { v: { a: 1 } } })).toEqual({ rows: [{ a: 1 }] })
  })

  test("is text as soon as a space stands outside the braces", () => {
    expect(resolved(" {{input.v}}", { input: { v: 5 } })).toBe(" 5")
  })
})

describe("text with templates in it", () => {
  const scope = { input: { n: 1, t: "two", o: { a: [1] }, b: false, z: null, e: "" } }
  const cases: readonly (readonly [string, string])[] = [
    ["{{input.n}}{{input.t}}", "1two"],
    ["n={{input.n}}, t={{ input.t }}!", "n=1, t=two!"],
    ["o={{input.o}} b={{input.b}}", 'o={"a":[1]} b=false'],
    ["null is empty: [{{input.z}}], and so is empty: [{{input.e}}]", "null is empty: [], and so is empty: []"],
    ["omit is empty: [{{input.no | omit}}]", "omit is empty: []"],
    ['a default in text: {{input.no | "d"}} {{input.no | 5}} {{input.no | [1, 2]}}', "a default in text: d 5 [1,2]"],
    ["a lone } or }} or { is text: {{input.n}}", "a lone } or }} or { is text: 1"],
    ["{{input.n}}}", "1}"],
    ["multi\nline\t{{\n input.n \n}}", "multi\nline\t1"],
  ]

  for (const [template, text] of cases) test(JSON.stringify(template), () => expect(resolved(template, scope)).toBe(text))
})

describe("a pipe", () => {
  const scope = { input: { a: "A", zero: 0, no: false, empty: "", nil: null, list: [] }, steps: { r: { result: { b: "B" } } } }
  const cases: readonly (readonly [string, Json])[] = [
    ["{{input.a | input.zero}}", "A"],
    ["{{input.missing | input.a}}", "A"],
    ["{{input.missing | input.nil | input.empty | steps.r.result.b}}", "B"],
    ["{{input.missing|input.a}}", "A"],
    ['{{input.empty | "d"}}', "d"],
    ['{{input.nil | "d"}}', "d"],
    ['{{input.zero | "d"}}', 0],
    ['{{input.no | "d"}}', false],
    ['{{input.list | "d"}}', []],
    ["{{input.missing | null}}", null],
    ["{{input.missing | true}}", true],
    ["{{input.missing | -1.5e3}}", -1500],
    ['{{input.missing | ""}}', ""],
    ['{{"just a literal"}}', "just a literal"],
    ["{{input.missing | input.empty}}", ""],
    ["{{input.missing | input.nil}}", null],
  ]

  for (const [template, value] of cases)
    test(`${template} gives ${JSON.stringify(value)}`, () => expect(resolved(template, scope)).toEqual(value))

  test("whose every path is unset is refused unless its last names a value", () => {
    expect(refusal("{{input.empty | input.missing}}", scope)).toContain("names nothing")
    expect(refusal("{{input.missing}}", scope)).toContain("names nothing")
  })
})

describe("a JSON default", () => {
  const cases: readonly Json[] = [
    "}}",
    "a | b",
    'a "quoted" }} | word',
    "back\\slash",
    { "}}": "|", "{{": ["}}"] },
    [{ a: "]" }, "["],
    { deep: { deep: { deep: [[[]]] } } },
    "é ☃ \u0000",
  ]

  for (const value of cases) {
    test(`${JSON.stringify(value)} ends where it ends, whatever its strings hold`, () => {
      expect(resolved(`{{input.x | ${JSON.stringify(value)}}}`)).toEqual(value)
      expect(resolved(`<{{input.x|${JSON.stringify(value)} }}>`)).toBe(
        `<${typeof value === "string" ? value : JSON.stringify(value)}>`,
      )
    })
  }

  test("that is nested without end is refused, not stored", () => {
    expect(refusal(`{{input.x | ${"[".repeat(1000)}${"]".repeat(1000)}}}`)).toContain("nested too deep")
  })
})

describe("omit", () => {
  test("drops a key of an object", () => {
    expect(resolved({ a: "{{input.x | omit}}", b: 1 })).toEqual({ b: 1 })
  })

  test("drops an element of an array", () => {
    expect(resolved([1, "{{input.x | omit}}", 3])).toEqual([1, 3])
  })

  test("of a whole value says so", () => {
    expect(resolved("{{input.x | omit}}")).toBe(OMIT)
  })

  test("does nothing when the path is set", () => {
    expect(resolved({ a: "{{input.x | omit}}" }, { input: { x: 0 } })).toEqual({ a: 0 })
  })
})

describe("a path", () => {
  const scope = {
    input: { "a-b": 1, list: ["x", ["y"]], text: "abc", "0": "zero", n: 5, nil: null },
    steps: { "fetch-1": { result: { length: 9 } } },
  }

  test("takes hyphens and digits in names as they are", () => {
    expect(resolved("{{input.a-b}}", scope)).toBe(1)
    expect(resolved("{{steps.fetch-1.result.length}}", scope)).toBe(9)
    expect(resolved("{{input.0}}", scope)).toBe("zero")
  })

  test("indexes lists by number", () => {
    expect(resolved("{{input.list.0}}", scope)).toBe("x")
    expect(resolved("{{input.list.1.0}}", scope)).toBe("y")
  })

  for (const path of [
    "input.list.2",
    "input.list.-1",
    "input.list.1e0",
    "input.list.99999999999999999999",
    "input.list.length",
    "input.list.map",
    "input.text.length",
    "input.text.0",
    "input.n.toFixed",
    "input.nil.x",
    "input.__proto__",
    "input.constructor.name",
    "input.toString",
    "input.hasOwnProperty",
    "input.list.__proto__",
    "input.list.constructor",
    "__proto__",
    "constructor",
    "process.env",
    "globalThis",
    "steps.fetch-1.result.length.x",
  ]) {
    test(`{{${path}}} names nothing`, () => {
      expect(refusal(`{{${path}}}`, scope)).toBe(`template {{${path}}} names nothing; give it a default with {{${path} | "…"}}`)
    })
  }

  test("tells missing from null and from empty", () => {
    expect(resolved("{{input.a}}", { input: { a: null } })).toBeNull()
    expect(resolved("{{input.a}}", { input: { a: "" } })).toBe("")
    expect(refusal("{{input.a}}", { input: {} })).toContain("names nothing")
  })

  test("reads a key __proto__ only where it is data", () => {
    const input = JSON.parse('{"__proto__": {"x": 1}}')
    expect(resolved("{{input.__proto__.x}}", { input })).toBe(1)
    expect(refusal("{{input.__proto__.y}}", { input })).toContain("names nothing")
  })
})

describe("a template that cannot be read", () => {
  for (const template of [
    "{{",
    "{{}}",
    "{{ }}",
    "{{input.x",
    "{{input.x}",
    "{{input..x}}",
    "{{.x}}",
    "{{x.}}",
    "{{input.x |}}",
    "{{| input.x}}",
    "{{input.x || input.y}}",
    '{{"d" | input.x}}',
    "{{omit | input.x}}",
    "{{input.x input.y}}",
    '{{input["x"]}}',
    '{{input.x | "open}}',
    "{{input.x | {open}}",
    "{{input.x | {a: 1}}}",
    "{{input.x | 1.2.3}}",
    "{{input.x | -}}",
    "{{{input.x}}}",
    "fine {{input.x}} and then {{",
  ]) {
    test(`${template} is refused when its step starts, and shows no value`, () => {
      expect(refusal(template, { input: { x: "hunter2" } })).not.toContain("hunter2")
    })
  }

  test("is not refused before somebody needs it", () => {
    expect(() => compileTemplates({ a: ["{{"] })).not.toThrow()
  })
})

test("no message holds a value, only the template as it is written", () => {
  const scope = { input: { secret: "hunter2", o: { k: "hunter2" } } }

  for (const t of ["{{input.secret.x}}", "{{input.o.k.z | input.o.n}}", "{{input.o.0}}", "pre {{input.secret}} {{input.gone}}"]) {
    expect(refusal(t, scope)).not.toContain("hunter2")
  }
})

test("what a template gives is not looked at again", () => {
  expect(resolved("{{input.a}}", { input: { a: "{{input.b}}", b: "secret" } })).toBe("{{input.b}}")
  expect(resolved("<{{input.a}}{{input.c}}>", { input: { a: "{{input", c: ".b}}", b: "secret" } })).toBe("<{{input.b}}>")
})

test("keys are not templates", () => {
  expect(resolved({ "{{input.a}}": "{{input.a}}" }, { input: { a: 1 } })).toEqual({ "{{input.a}}": 1 })
})

test("a key __proto__ stays plain data", () => {
  const value = JSON.parse('{"__proto__": "{{input.a}}", "b": "{{input.a}}"}')

  const result = resolved(value, { input: { a: { polluted: true } } }) as JsonObject

  expect(Object.keys(result)).toEqual(["__proto__", "b"])
  expect(Object.getPrototypeOf(result)).toBe(Object.prototype)
  expect(JSON.stringify(result)).toBe('{"__proto__":{"polluted":true},"b":{"polluted":true}}')
})

test("the paths of a value are found wherever they stand, optional where a default or omit follows", () => {
  const value = { a: "x {{input.a}} {{input.b | 1}}", b: ["{{steps.s.result | input.c}}", { c: "{{input.d | omit}}" }], d: "{{" }

  expect(pathsOf(compileTemplates(value)).map(p => [p.path.join("."), p.optional])).toEqual([
    ["input.a", false],
    ["input.b", true],
    ["steps.s.result", false],
    ["input.c", false],
    ["input.d", true],
  ])
})

describe("for any value", () => {
  // JSON itself knows no -0.
  const json = fc.json({ maxDepth: 5 }).map(text => JSON.parse(text) as Json)
  const free = json.filter(v => !JSON.stringify(v).includes("{{"))
  /** Strings built of what the parser looks at. */
  const shards = fc
    .array(
      fc.constantFrom(
        "{{",
        "}}",
        "{",
        "}",
        "|",
        '"',
        "\\",
        "[",
        "]",
        ".",
        " ",
        "omit",
        "input",
        "input.a",
        "null",
        "1",
        "-",
        "é",
        "\n",
      ),
      {
        maxLength: 40,
      },
    )
    .map(parts => parts.join(""))

  test("what holds no {{ comes back as the very same value", () => {
    fc.assert(
      fc.property(free, value => {
        expect(resolved(value)).toBe(value as never)
      }),
      { seed: SEED },
    )
  })

  test("one template gives it back deep-equal, and as a default, too", () => {
    fc.assert(
      fc.property(json, value => {
        expect(resolved("{{input.v}}", { input: { v: value } })).toEqual(value)
        expect(resolved(`{{input.none | ${JSON.stringify(value)}}}`)).toEqual(value)
      }),
      { seed: SEED },
    )
  })

  test("an object keeps its keys in order with templates in it", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.constant("{{input.v}}")), object => {
        expect(Object.keys(resolved(object, { input: { v: 1 } }) as JsonObject)).toEqual(Object.keys(object))
      }),
      { seed: SEED },
    )
  })

  test("the parser never throws, and resolving throws nothing but TemplateError", () => {
    fc.assert(
      fc.property(fc.oneof(shards, fc.string()), text => {
        parseTemplate(text)
        try {
          resolved(text, { input: { a: "v" } })
        } catch (error) {
          expect(error).toBeInstanceOf(TemplateError)
        }
      }),
      { seed: SEED, numRuns: 2000 },
    )
  })

  test("text is only ever the literal parts and the values, in order", () => {
    const literal = fc.string().filter(s => !s.includes("{"))
    fc.assert(
      fc.property(fc.array(fc.tuple(literal, fc.string())), parts => {
        const template = parts.map(([text], i) => `${text}{{input.${i}}}`).join("")
        const input = Object.fromEntries(parts.map(([, value], i) => [String(i), value]))
        const expected = parts.map(([text, value]) => text + value).join("")
        expect(resolved(`${template}.`, { input })).toBe(`${expected}.`)
      }),
      { seed: SEED },
    )
  })

  test("no expression is evaluated", () => {
    const calls: string[] = []
    const compiled: readonly Compiled[] = [
      "{{input.f()}}",
      "{{1+1}}",
      "{{input.a+input.b}}",
      "{{$(input.a)}}",
      "{{input.a ? 1 : 2}}",
    ].map(compileTemplates)
    for (const c of compiled) {
      expect(() => resolveTemplates(c, path => void calls.push(path.join(".")), new SizeBudget(1000))).toThrow(TemplateError)
    }
    expect(calls).toEqual(["input.f()", "input.a+input.b", "$(input.a)"])
  })
})

describe("100 kB made to be slow", () => {
  const size = 100_000
  const fill = (unit: string) => unit.repeat(Math.ceil(size / unit.length)).slice(0, size)
  const hostile = [
    "{{",
    "|",
    '"',
    "{{|",
    '{{"',
    '{{"\\',
    "{{[",
    "{{{",
    "{{a}}",
    "{{a|",
    "{{a|b",
    "{{a ",
    "{{ ",
    "}}",
    '{{"}}"|',
    "{{a.",
    '{{a|"}}',
    "{{a}} {{",
  ]

  for (const unit of hostile) {
    for (const text of [fill(unit), `{{${fill(unit)}`, `{{a|"${fill(unit)}`, `{{a.${fill(unit)}}}`, `{{a|${fill(unit)}}}`]) {
      test(`${text.slice(0, 12)}… is read within a second`, () => {
        const from = performance.now()
        parseTemplate(text)
        expect(performance.now() - from).toBeLessThan(1000)
      })
    }
  }
})
