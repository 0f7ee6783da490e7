import { expect, test } from "bun:test"
import fc from "fast-check"
import { buildInput } from "../../src/engine/start-input.ts"
import type { Json, JsonObject } from "../../src/kernel/json.ts"
import { SEED } from "./seed.ts"

const key = fc.constantFrom("a", "b", "c", "topic", "toString", "constructor")
const value = fc.constantFrom<Json>(null, false, 0, "", "x", [], {}, { deep: 1 }, { other: 2 })
const some = fc.dictionary(key, value, { noNullPrototype: true })
const overlays = fc.dictionary(fc.constantFrom("s", "t", "toString"), some, { noNullPrototype: true })
/** What a start must not take for input, with values that it accepts. */
const reserved = fc.record(
  {
    ...{ trigger_type: fc.constant("api"), run_id: fc.constant("r"), version: fc.constant(1), mode: fc.constant("graceful") },
    ...{ idempotency_key: fc.constant("k"), excluded_step_ids: fc.constant([]), external_user_id: fc.constant("e") },
    ...{ principal_id: fc.constant("p"), segment_id: fc.constant("g"), team_id: fc.constant("t") },
  },
  { requiredKeys: [] },
)

const starts = fc.record({
  ...{ bare: some, payload: some, steps: overlays, saved: some, savedSteps: overlays, defaults: some, reserved },
  ...{ useSaved: fc.boolean(), asList: fc.boolean() },
})

/** The first of these that has the key: from the strongest word to the weakest. */
function strongest(name: string, ...words: readonly { readonly [key: string]: Json }[]): Json | undefined {
  return words.find(word => Object.hasOwn(word, name))?.[name]
}

test("of whatever a start is given, each key comes from the strongest word that has it", () => {
  fc.assert(
    fc.property(starts, given => {
      const saved = given.useSaved ? given.saved : {}
      const savedSteps = given.useSaved ? given.savedSteps : {}
      const names = Object.keys(given.defaults)
      const schema = given.asList
        ? names.map(name => ({ name, default: given.defaults[name]! }))
        : { type: "object", properties: Object.fromEntries(names.map(name => [name, { default: given.defaults[name]! }])) }
      const params: JsonObject = {
        ...given.bare,
        ...given.reserved,
        ...{ trigger_payload: given.payload, trigger_steps: given.steps, use_run_setup_defaults: given.useSaved },
      }
      const before = JSON.stringify([params, given.saved, given.savedSteps])

      const input = buildInput(params, { trigger_payload: given.saved, trigger_steps: given.savedSteps }, schema)

      const all = [given.payload, given.bare, saved, given.defaults]
      const { _steps: merged = {}, ...rest } = input
      expect(Object.keys(rest).sort()).toEqual([...new Set(all.flatMap(word => Object.keys(word)))].sort())
      for (const name of Object.keys(rest)) expect([name, rest[name]]).toEqual([name, strongest(name, ...all)!])
      const steps = merged as { readonly [id: string]: JsonObject }
      expect(Object.keys(steps).sort()).toEqual([...new Set([given.steps, savedSteps].flatMap(Object.keys))].sort())
      for (const [id, overlay] of Object.entries(steps)) {
        const words = [given.steps, savedSteps].flatMap(s => (Object.hasOwn(s, id) ? [s[id]!] : []))
        expect(Object.keys(overlay).sort()).toEqual([...new Set(words.flatMap(Object.keys))].sort())
        for (const name of Object.keys(overlay)) expect([name, overlay[name]]).toEqual([name, strongest(name, ...words)!])
      }
      expect(JSON.stringify([params, given.saved, given.savedSteps])).toBe(before)
    }),
    { seed: SEED, numRuns: 500 },
  )
})
