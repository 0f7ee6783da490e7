import { expect } from "bun:test"
import { bodyAt } from "../../src/engine/bodies.ts"
import { type Decision, decide } from "../../src/engine/decide.ts"
import type { RunEvent } from "../../src/engine/events.ts"
import type { Failure } from "../../src/engine/failure.ts"
import { compilePlan } from "../../src/engine/graph.ts"
import type { RunInput } from "../../src/engine/inputs.ts"
import type { Place } from "../../src/engine/place.ts"
import {
  type BodyState,
  initialState,
  type LoopState,
  type RunFacts,
  type RunState,
  type RunStatus,
  type StepState,
} from "../../src/engine/state.ts"
import type { StepType, StepTypes } from "../../src/engine/step-type.ts"
import { checkStructure } from "../../src/engine/structure.ts"
import type { Json, JsonObject } from "../../src/kernel/json.ts"
import { STALL_DEFAULT_MS } from "../../src/kernel/limits.ts"
import { forEach } from "../../src/steps/for_each/step.ts"
import { humanTask } from "../../src/steps/human_task/step.ts"
import { whileLoop } from "../../src/steps/while/step.ts"
import { workflowCall } from "../../src/steps/workflow_call/step.ts"

/** The simplest step outside: it has two templated fields and one that templates leave alone. */
export const work: StepType = {
  type: "work",
  title: "Work",
  description: "Does something outside.",
  runs: "outside",
  fields: {
    args: { type: "any", templated: true, description: "Anything." },
    note: { type: "string", templated: true, description: "A text." },
    source: { type: "string", description: "Not templated." },
  },
  timeoutDefaultMs: 60_000,
  timeoutMaxMs: 120_000,
}

/** The same under the names that a loop's body may have. */
const tool: StepType = { ...work, type: "mcp_call" }
const agent: StepType = { ...work, type: "agent_call" }
const lua: StepType = {
  ...work,
  type: "lua_script",
  fields: { ...work.fields, script: { type: "string", description: "The source." } },
}

export const types: StepTypes = new Map(
  [work, humanTask, tool, agent, lua, forEach, whileLoop, workflowCall].map(t => [t.type, t]),
)

export const STALL = STALL_DEFAULT_MS

/** Steps by id: what they depend on, or their further fields (`step`, `person`). Order is the document's. */
export type Steps = { readonly [id: string]: readonly string[] | JsonObject }

export const step = (dependsOn: readonly string[], more: JsonObject = {}): JsonObject => ({ depends_on: dependsOn, ...more })

export const person = (dependsOn: readonly string[] = [], more: JsonObject = {}): JsonObject => ({
  type: "human_task",
  depends_on: dependsOn,
  ...more,
})

/** A step of an agent behind a gate, unless `more` says otherwise. */
export const gated = (dependsOn: readonly string[] = [], more: JsonObject = {}): JsonObject => ({
  type: "agent_call",
  depends_on: dependsOn,
  no_auto_start: true,
  ...more,
})

export const child = (dependsOn: readonly string[] = [], more: JsonObject = {}): JsonObject => ({
  type: "workflow_call",
  workflow_id: "other",
  depends_on: dependsOn,
  ...more,
})

/** Inner steps by id, as `Steps`. */
const bodyOf = (steps: Steps) =>
  Object.entries(steps).map(([id, s]): JsonObject => ({ id, type: "mcp_call", ...(isList(s) ? { depends_on: s } : s) }))

export const each = (items: Json, body: Steps, more: JsonObject = {}): JsonObject => ({
  type: "for_each",
  for_each_items: items,
  for_each_body_steps: bodyOf(body),
  ...more,
})

export const repeat = (
  mode: "until" | "while",
  max: number,
  condition: string,
  body: Steps,
  more: JsonObject = {},
): JsonObject => ({
  type: "while",
  while_mode: mode,
  while_max_iterations: max,
  while_condition: condition,
  while_body_steps: bodyOf(body),
  ...more,
})

export function graphOf(steps: Steps): JsonObject {
  return {
    steps: Object.entries(steps).map(([id, s]) => ({ id, type: "work", ...(isList(s) ? { depends_on: s } : s) })),
  }
}

const isList = (s: readonly string[] | JsonObject): s is readonly string[] => Array.isArray(s)

/** A run that nothing has happened to yet. */
export function created(steps: Steps, facts: Partial<RunFacts> = {}): RunState {
  const graph = graphOf(steps)
  expect(checkStructure(graph, types)).toEqual([])
  return initialState({ ...FACTS, ...facts }, compilePlan(graph, types))
}

/** The same run behind its start. */
export function started(steps: Steps, facts: Partial<RunFacts> = {}): RunState {
  return decide(created(steps, facts), { type: "Start" }, at(0)).state
}

const START_MS = Date.UTC(2026, 5, 10, 8)

export const FACTS: RunFacts = {
  runId: "run-1",
  tenantId: "tenant-1",
  projectId: "project-1",
  workflowId: "workflow-1",
  version: 3,
  triggerType: "api",
  userId: "user-1",
  startedAt: START_MS,
  input: {},
  excludedStepIds: [],
  parent: null,
}

/** Milliseconds since the epoch, so many seconds after the start of every run here. */
export const at = (seconds: number): number => START_MS + seconds * 1000

/** The decision for the last input, after all the others; all at the same moment. */
export function when(state: RunState, ...inputs: readonly RunInput[]): Decision {
  return whenAt(state, 0, ...inputs)
}

export function whenAt(state: RunState, seconds: number, ...inputs: readonly RunInput[]): Decision {
  let decision: Decision = { events: [], state }
  for (const input of inputs) decision = decide(decision.state, input, at(seconds))
  return decision
}

/** The state after some inputs. */
export function after(state: RunState, ...inputs: readonly RunInput[]): RunState {
  return when(state, ...inputs).state
}

export const start: RunInput = { type: "Start" }
export const pause: RunInput = { type: "Pause", by: "ann" }
export const resumeWith = (overlays: { readonly [stepId: string]: JsonObject }): RunInput => ({
  type: "Resume",
  by: "ann",
  overlays,
})
export const resume: RunInput = resumeWith({})
export const clock: RunInput = { type: "ClockReached", stallMs: STALL }
export const stopNow: RunInput = { type: "Stop", mode: "immediate", drainMs: 0, by: "ann" }
export const stopGracefully = (drainMs = 30_000): RunInput => ({ type: "Stop", mode: "graceful", drainMs, by: "ann" })

export const succeeded = (stepId: string, result: Json = {}, attempt = 1, round = 0): RunInput => ({
  type: "StepSucceeded",
  ...{ stepId, item: null, attempt, round, answers: 0 },
  result,
})

/** An answer of an inner step, by its path `loop#body#inner`, for one item or iteration. */
export const item = (index: number, path: string, result: Json = {}, attempt = 1, round = 0): RunInput => ({
  type: "StepSucceeded",
  ...{ stepId: path, item: index, attempt, round, answers: 0 },
  result,
})

export const itemErrored = (index: number, path: string, failure: Partial<Failure> = {}, attempt = 1, round = 0): RunInput => ({
  type: "StepErrored",
  ...{ stepId: path, item: index, attempt, round, answers: 0 },
  failure: { code: "MCP_TOOL_FAILED", message: "no route", retryable: true, ...failure },
  jitter: 0.5,
})

export const childStarted = (stepId: string, childRunId: string, index: number | null = null): RunInput => ({
  type: "ChildStarted",
  ...{ stepId, item: index, attempt: 1, round: 0, answers: 0 },
  childRunId,
})

export const childEnded = (
  childRunId: string,
  status: RunStatus,
  output: Json = null,
  error: string | null = null,
): RunInput => ({
  type: "ChildEnded",
  ...{ childRunId, status, output, error },
})

/** A failure that may be tried again, unless `failure` says otherwise. */
export function errored(stepId: string, attempt = 1, failure: Partial<Failure> = {}, jitter = 0.5): RunInput {
  return {
    type: "StepErrored",
    ...{ stepId, item: null, attempt, round: 0, answers: 0 },
    failure: { code: "MCP_TOOL_FAILED", message: "no route", retryable: true, ...failure },
    jitter,
  }
}

/** What an attempt asks; of an inner step by its path and item. */
export const asked = (stepId: string, more: Partial<Extract<RunInput, { type: "StepAsked" }>> = {}): RunInput => ({
  type: "StepAsked",
  ...{ stepId, item: null, attempt: 1, round: 0, answers: 0 },
  ...{ taskType: "confirmation", payload: { title: "Really?" }, expiresInMs: null },
  ...more,
})

/** What an attempt records of its way; of an inner step by its path and item. */
export const noted = (
  stepId: string,
  data: JsonObject = {},
  more: Partial<Extract<RunInput, { type: "StepNoted" }>> = {},
): RunInput => ({
  type: "StepNoted",
  ...{ stepId, item: null, attempt: 1, round: 0, answers: 0 },
  note: { type: "agent_turn_tool_round", data },
  ...more,
})

/** An attempt's answer when it went out with so many answers of people. */
export const knowing = <T extends RunInput>(answers: number, input: T): T => ({ ...input, answers })

export const answered = (taskId: string, approved: boolean, result: JsonObject = {}): RunInput => ({
  type: "TaskCompleted",
  taskId,
  approved,
  result,
  by: "bob",
})
export const approved = (taskId: string, result: JsonObject = {}) => answered(taskId, true, result)
export const rejected = (taskId: string, result: JsonObject = {}) => answered(taskId, false, result)

/** One line an event: its type, its step, its item, and what sets it apart. */
export function summary(event: RunEvent): string {
  switch (event.type) {
    case "run_started":
      return "run_started"
    case "step_started":
      return words("step_started", nameOf(event), event.data.attempt > 1 && `#${event.data.attempt}`)
    case "step_completed":
      return words("step_completed", nameOf(event), "skipped" in event.data && event.data.reason)
    case "state_changed":
      return words("state_changed", event.data.to, event.data.pause_reason)
    case "entry_granted":
      return words("entry_granted", nameOf(event), "by", event.data.by, event.data.again && "again")
    default:
      return words(event.type, nameOf(event))
  }
}

const nameOf = ({ stepId, data }: Extract<RunEvent, { stepId: string }>) =>
  data.index === undefined ? stepId : `${stepId}[${data.index}]`

const words = (...parts: readonly (string | false | undefined)[]) => parts.filter(Boolean).join(" ")

export const told = (decision: Decision): readonly string[] => decision.events.map(summary)

export function stepOf(state: RunState, id: string): StepState {
  return state.steps[state.plan.indexOf.get(id)!]!
}

export function loopOf(state: RunState, id: string): LoopState {
  const { loop } = stepOf(state, id)
  if (!loop) throw new Error(`${id} is no loop under way`)
  return loop
}

export function bodyOfItem(state: RunState, id: string, index: number): BodyState {
  return bodyAt(loopOf(state, id), index)!
}

export function placeIn(state: RunState, id: string): Place {
  return { within: null, index: state.plan.indexOf.get(id)! }
}

/** The first event of a type, of one step if it is named. */
export function eventOf<T extends RunEvent["type"]>(
  decision: Decision,
  type: T,
  stepId?: string,
): Extract<RunEvent, { type: T }> {
  const found = decision.events.find(e => e.type === type && (stepId === undefined || ("stepId" in e && e.stepId === stepId)))
  expect(found).toBeDefined()
  return found as Extract<RunEvent, { type: T }>
}
