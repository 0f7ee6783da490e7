import type { StepType } from "../engine/step-type.ts"

/**
 * Step types of the contract that this version stores but cannot run: a graph with one can be drawn and published, and
 * its start is refused with a sentence.
 */
export const unavailableTypes: readonly StepType[] = ["llm_call"].map(type => ({
  type,
  title: type,
  description: "Not available in this version.",
  runs: "unavailable",
  fields: {},
  timeoutDefaultMs: null,
}))
