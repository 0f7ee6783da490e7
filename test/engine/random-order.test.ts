import { expect, test } from "bun:test"
import fc from "fast-check"
import { decide } from "../../src/engine/decide.ts"
import type { RunEvent } from "../../src/engine/events.ts"
import { at, created, start, step, succeeded } from "./machine.ts"
import { SEED } from "./seed.ts"

/** For each step what it waits for, by index, and whether it is off; written in any order. */
const graphs = fc.integer({ min: 1, max: 40 }).chain(size =>
  fc.record({
    edges: fc.tuple(
      ...Array.from({ length: size }, (_, i) =>
        fc.uniqueArray(fc.nat({ max: Math.max(0, i - 1) }), { maxLength: Math.min(i, 4) }),
      ),
    ),
    off: fc.array(fc.boolean(), { minLength: size, maxLength: size }).map(all => all.map((off, i) => off && i % 3 === 0)),
    written: fc.shuffledSubarray(
      Array.from({ length: size }, (_, i) => i),
      { minLength: size, maxLength: size },
    ),
    picks: fc.array(fc.nat(), { minLength: size, maxLength: size }),
  }),
)

test("in any graph a step starts at once when all it waits for has ended, never before, and never twice", () => {
  fc.assert(
    fc.property(graphs, ({ edges, off, written, picks }) => {
      const name = (i: number) => `s${i}`
      const initial = created(
        Object.fromEntries(written.map(i => [name(i), step(edges[i]!.map(name), off[i] ? { enabled: false } : {})])),
      )
      const started = new Set<string>()
      const ended = new Set<string>()
      const hear = (events: readonly RunEvent[]) => {
        for (const event of events) {
          if (!("stepId" in event)) continue
          const waitsFor = edges[Number(event.stepId.slice(1))]!.map(name)
          expect(waitsFor.filter(id => !ended.has(id))).toEqual([])
          if (event.type === "step_started") {
            expect(started.has(event.stepId)).toBe(false)
            started.add(event.stepId)
          } else {
            expect([event.type, ended.has(event.stepId)]).toEqual(["step_completed", false])
            ended.add(event.stepId)
          }
        }
        const late = edges.flatMap((d, i) => {
          const there = started.has(name(i)) || ended.has(name(i))
          return !there && d.every(x => ended.has(name(x))) ? [name(i)] : []
        })
        expect(late).toEqual([])
      }
      let { state, events } = decide(initial, start, at(0))
      hear(events)
      for (const pick of picks) {
        const open = [...started].filter(id => !ended.has(id))
        if (open.length === 0) break
        ;({ state, events } = decide(state, succeeded(open[pick % open.length]!), at(0)))
        hear(events)
      }

      expect([state.status, ended.size]).toEqual(["completed", edges.length])
      expect([...started].filter(id => off[Number(id.slice(1))])).toEqual([])
    }),
    { seed: SEED, numRuns: 200 },
  )
})
