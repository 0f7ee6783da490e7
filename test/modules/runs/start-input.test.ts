import { describe, expect, test } from "bun:test"
import { buildInput } from "../../../src/engine/start-input.ts"
import type { JsonObject } from "../../../src/kernel/json.ts"
import { RUN_INPUT_MAX_BYTES } from "../../../src/kernel/limits.ts"

const SAVED = { trigger_payload: { k: "saved", saved: 1 }, trigger_steps: { a: { prompt: "saved", keep: 1 }, b: { x: 1 } } }
const SCHEMA = { type: "object", properties: { k: { default: "schema" }, extra: { default: "schema" } } }
const on = { use_run_setup_defaults: true }

describe("who wins for a key of the input", () => {
  test.each([
    ["nothing given", {}, null, null, undefined],
    ["the schema's default fills what is absent", {}, null, SCHEMA, "schema"],
    ["saved defaults, not switched on, count for nothing", {}, SAVED, null, undefined],
    ["saved defaults, not switched on, leave it to the schema", {}, SAVED, SCHEMA, "schema"],
    ["saved defaults, switched on, go before the schema's", on, SAVED, SCHEMA, "saved"],
    ["a bare key goes before saved defaults", { ...on, k: "bare" }, SAVED, SCHEMA, "bare"],
    ["the payload goes before a bare key", { ...on, k: "bare", trigger_payload: { k: "payload" } }, SAVED, SCHEMA, "payload"],
    ["the payload goes before saved defaults", { ...on, trigger_payload: { k: "payload" } }, SAVED, SCHEMA, "payload"],
    ["null is a value, and wins like any other", { ...on, trigger_payload: { k: null } }, SAVED, SCHEMA, null],
    ["false is a value, too", { k: false }, null, SCHEMA, false],
  ] as const)("%s", (_, params, setup, schema, wanted) => {
    expect(buildInput(params as JsonObject, setup, schema).k).toBe(wanted as never)
  })

  test("saved defaults are switched on by true alone; what is neither true nor false is refused", () => {
    expect(() => buildInput({ use_run_setup_defaults: "true" }, SAVED, null)).toThrow("must be true or false")
  })

  test("each key is judged alone, and whole: objects are not merged", () => {
    const setup = { trigger_payload: { deep: { a: 1, b: 2 }, other: 1 } }
    const params = { ...on, bare: true, trigger_payload: { deep: { a: 9 } } }
    expect(buildInput(params, setup, SCHEMA)).toEqual({ k: "schema", extra: "schema", deep: { a: 9 }, other: 1, bare: true })
  })
})

describe("defaults of the input schema", () => {
  test("are read from both shapes, of top-level fields only", () => {
    const list = [
      { name: "a", type: "string", default: "x" },
      { name: "b", optional: true },
      { name: "c", default: null },
      "odd",
      { default: 1 },
    ]
    expect(buildInput({}, null, list)).toEqual({ a: "x", c: null })
    const schema = { properties: { a: { default: [1] }, b: { properties: { deep: { default: 1 } } }, c: true } }
    expect(buildInput({}, null, schema)).toEqual({ a: [1] })
  })

  test.each([[null], ["text"], [7], [[]], [{}], [{ properties: [] }], [{ properties: null }]])("%j has none", schema => {
    expect(buildInput({ x: 1 }, null, schema as never)).toEqual({ x: 1 })
  })
})

test("reserved keys never become input", () => {
  const reserved = {
    trigger_type: "api",
    trigger_payload: {},
    trigger_steps: {},
    use_run_setup_defaults: false,
    excluded_step_ids: [],
    run_id: "r",
    version: 1,
    idempotency_key: "k",
    external_user_id: "e",
    principal_id: "p",
    segment_id: "s",
    team_id: "t",
    mode: "graceful",
  }
  expect(buildInput({ ...reserved, order_id: "42" }, null, null)).toEqual({ order_id: "42" })
})

test("a payload may use a reserved name: it is input by intent", () => {
  expect(buildInput({ trigger_payload: { version: 7, mode: "x" } }, null, null)).toEqual({ version: 7, mode: "x" })
})

describe("overlays of single steps", () => {
  test("stand under _steps, the caller's merged over the saved ones, key by key", () => {
    const params = { ...on, trigger_steps: { a: { prompt: "sent" }, c: {} } }
    expect(buildInput(params, SAVED, null)._steps).toEqual({ a: { prompt: "sent", keep: 1 }, b: { x: 1 }, c: {} })
    expect(buildInput({ trigger_steps: { a: { prompt: "sent" } } }, SAVED, null)._steps).toEqual({ a: { prompt: "sent" } })
  })

  test("leave the saved defaults as they are", () => {
    const before = structuredClone(SAVED)
    buildInput({ ...on, trigger_steps: { a: { prompt: "x" } }, trigger_payload: { k: 1 } }, SAVED, SCHEMA)
    expect(SAVED).toEqual(before)
  })

  test("are not there when there are none", () => {
    expect(buildInput({ trigger_steps: {} }, null, null)).toEqual({})
  })

  test("cannot be forged by a bare key or a payload when real ones are sent", () => {
    const params = { _steps: { a: { forged: 1 } }, trigger_payload: { _steps: { b: {} } }, trigger_steps: { a: { real: 1 } } }
    expect(buildInput(params, null, null)._steps).toEqual({ a: { real: 1 } })
  })

  test.each([["__proto__"], ["constructor"], ["toString"]])("of a step called %s are kept like any other", name => {
    const sent = JSON.parse(`{"trigger_steps":{"${name}":{"x":1}},"trigger_payload":{"${name}":2}}`)
    const input = buildInput(sent, null, null)
    expect(JSON.stringify(input)).toBe(`{"${name}":2,"_steps":{"${name}":{"x":1}}}`)
    expect(Object.getPrototypeOf({})).toBe(Object.prototype)
    expect(({} as { x?: number }).x).toBeUndefined()
  })
})

test.each([
  ["a payload that is a list", { trigger_payload: [] }],
  ["a payload that is text", { trigger_payload: "x" }],
  ["steps that are a list", { trigger_steps: [] }],
  ["an overlay that is no object", { trigger_steps: { a: 1 } }],
  ["a switch that is neither true nor false", { use_run_setup_defaults: "true" }],
  ["an overlay that is null", { trigger_steps: { a: null } }],
])("%s is refused", (_, params) => {
  expect(() => buildInput(params as JsonObject, null, null)).toThrow("invalid request body: ")
})

test("an input that is too large is refused", () => {
  expect(() => buildInput({ trigger_payload: { x: "x".repeat(RUN_INPUT_MAX_BYTES) } }, null, null)).toThrow(/larger than/)
})
