import { expect, test } from "bun:test"
import { compilePlan } from "../../src/engine/graph.ts"
import type { StepExecutor } from "../../src/runtime/ports.ts"
import { graphOf, types } from "../engine/machine.ts"
import { killAtEveryCommit, type Process, type Subject } from "./every-commit.ts"
import { callsOf, ended, type RoundCall, whatIsMissing, workInRounds } from "./rounds.ts"

const EIGHT_ROUNDS = [2, 0, 1, 3, 1, 2, 0, 1]

interface Made extends RoundCall {
  readonly process: number
}

/** A turn of eight rounds, and a world outside that notices what it is asked. */
function turn() {
  const made: Made[] = []
  const repeated: string[] = []
  const resumed: boolean[] = []
  const subject: Subject = {
    plan: compilePlan(graphOf({ ask: { type: "agent_call" } }), types),
    executors(process: Process) {
      const outside = (call: RoundCall) =>
        process.reach(async () => {
          const notes = process.events().flatMap(({ event }) => (event.type === "agent_turn_tool_round" ? [event] : []))
          if (ended(notes).includes(call.name)) repeated.push(call.name)
          made.push({ ...call, process: process.number })
        })
      const agent: StepExecutor = {
        resumes: true,
        async execute(job) {
          resumed.push(job.resumed)
          await workInRounds(job, EIGHT_ROUNDS, outside)
          return { ok: true, result: { message: "done" } }
        },
      }
      return new Map([["agent_call", agent]])
    },
  }
  return { ...subject, made, repeated, resumed }
}

test("a turn of eight rounds, killed at any commit, goes on where it was, and no finished call is made again", async () => {
  const calls = callsOf(EIGHT_ROUNDS)
  let deaths = 0

  const commits = await killAtEveryCommit(turn, ({ made, repeated, resumed }, lived, kill) => {
    const where = JSON.stringify(kill)
    const events = lived.events.flatMap(({ event }) => (event.type === "agent_turn_tool_round" ? [event] : []))
    expect([where, lived.state.status, whatIsMissing(events), repeated]).toEqual([where, "completed", null, []])
    if (kill) deaths++
    // Whoever dies with the run's end on the disk leaves nothing to go on with.
    const goesOn = kill !== null && !(kill.how === "unheard" && kill.commit === lived.commits)
    expect([where, lived.processes, resumed]).toEqual([where, kill ? 2 : 1, goesOn ? [false, true] : [false]])
    const byName = Map.groupBy(made, m => m.name)
    expect(byName.size).toBe(calls)
    for (const [name, all] of byName) {
      // At the most the one that was under way, or the ones beside it; each says that it is a repeat, and has the same key.
      expect([where, name, all.length <= 2, new Set(all.map(m => m.key)).size]).toEqual([where, name, true, 1])
      expect([where, name, all.slice(1).every(m => m.again)]).toEqual([where, name, true])
    }
    // Those of one round at the most were under way.
    const twice = [...byName.values()].filter(all => all.length > 1).length
    expect(twice).toBeLessThanOrEqual(kill ? Math.max(...EIGHT_ROUNDS) : 0)
  })

  expect(commits).toBeGreaterThan(2 * 8)
  expect(deaths).toBe(2 * (commits - 1))
}, 60_000)
