import { isJsonObject, type Json, type JsonObject, textOf } from "../kernel/json.ts"
import {
  FOR_EACH_PARALLEL_MAX,
  GRAPH_MAX_STEPS,
  LOOP_ITEM_TIMEOUT_MAX_S,
  LUA_SCRIPT_MAX_BYTES,
  WHILE_MAX_ITERATIONS,
} from "../kernel/limits.ts"
import type { Issue } from "./issues.ts"
import { bodyDocuments, hasTestScript, POLICIES, TEST_STEP_ID } from "./loop-spec.ts"
import {
  type Control,
  checkControls,
  checkStep,
  checkTogether,
  idOf,
  issue,
  missing,
  schemaIssue,
  wholeNumber,
} from "./step-shape.ts"
import type { StepTypes } from "./step-type.ts"

/** What a loop may repeat (contract §3.4). */
const INNER_TYPES: readonly Json[] = ["mcp_call", "lua_script", "llm_call", "agent_call", "workflow_call"]

const seconds: Omit<Control, "name"> = {
  fits: v => wholeNumber(v, 1, LOOP_ITEM_TIMEOUT_MAX_S),
  expected: `a whole number of seconds from 1 to ${LOOP_ITEM_TIMEOUT_MAX_S}`,
}

const isList = (value: Json) => Array.isArray(value)

const FOR_EACH: readonly Control[] = [
  { name: "for_each_body_steps", fits: isList, expected: "a list of inner steps" },
  { name: "for_each_body", fits: isJsonObject, expected: "an inner step" },
  {
    name: "for_each_max_parallel",
    fits: v => wholeNumber(v, 1, FOR_EACH_PARALLEL_MAX),
    expected: `a whole number from 1 to ${FOR_EACH_PARALLEL_MAX}`,
  },
  { name: "for_each_item_timeout_s", ...seconds },
  { name: "for_each_error_policy", fits: v => POLICIES.includes(v), expected: `one of ${POLICIES.join(", ")}` },
]

const WHILE: readonly Control[] = [
  { name: "while_body_steps", fits: isList, expected: "a list of inner steps" },
  { name: "while_mode", fits: v => v === "until" || v === "while", expected: "until or while" },
  {
    name: "while_max_iterations",
    fits: v => wholeNumber(v, 1, WHILE_MAX_ITERATIONS),
    expected: `a whole number from 1 to ${WHILE_MAX_ITERATIONS}`,
  },
  { name: "while_iteration_timeout_s", ...seconds },
  {
    name: "while_condition",
    fits: v => typeof v === "string" || typeof v === "boolean",
    expected: "a template such as {{body.check.ok}}",
  },
  { name: "while_eval_script", fits: v => typeof v === "string", expected: "Lua that returns { pass = … }" },
]

/** A loop's own fields and what it repeats; nothing for other steps. */
export function checkLoop(step: Json, path: string, types: StepTypes): readonly Issue[] {
  if (!isJsonObject(step) || types.get(textOf(step.type))?.runs !== "loop") return []
  const own = checkControls(step, path, step.type === "while" ? WHILE : FOR_EACH)
  if (own.length > 0) return own
  return [...(step.type === "while" ? checkTest(step, path, types) : []), ...checkBody(step, path, types)]
}

/** A while that has no test, or no end, is not what anybody drew. */
function checkTest(step: JsonObject, path: string, types: StepTypes): readonly Issue[] {
  const required = ["while_mode", "while_max_iterations"].filter(name => isMissing(step[name]))
  const issues = required.map(name => missing(idOf(step), `${path}.${name}`, name))
  const at = `${path}.while_eval_script`
  if (!hasTestScript(step)) {
    if (!isMissing(step.while_condition)) return issues
    return [...issues, missing(idOf(step), `${path}.while_condition`, "while_condition or while_eval_script")]
  }
  if (!types.has("lua_script"))
    return [...issues, schemaIssue(at, "there is no Lua here to run the test; use while_condition", idOf(step))]
  if (new TextEncoder().encode(textOf(step.while_eval_script)).length <= LUA_SCRIPT_MAX_BYTES) return issues
  return [...issues, issue("script_too_large", at, `while_eval_script is larger than ${LUA_SCRIPT_MAX_BYTES} bytes`, idOf(step))]
}

function checkBody(loop: JsonObject, path: string, types: StepTypes): readonly Issue[] {
  const name = loop.type === "while" ? "while_body_steps" : "for_each_body_steps"
  const listed = Array.isArray(loop[name]) ? (loop[name] as readonly Json[]) : []
  if (listed.length > GRAPH_MAX_STEPS)
    return [schemaIssue(`${path}.${name}`, `a body has at most ${GRAPH_MAX_STEPS} steps`, idOf(loop))]
  const steps = listed.length > 0 ? listed : bodyDocuments(loop)
  if (steps.length === 0) return [missing(idOf(loop), `${path}.${name}`, `at least one inner step in ${name}`)]
  const paths = steps.map((_, i) => (listed.length > 0 ? `${path}.${name}[${i}]` : `${path}.for_each_body`))
  const shape = steps.flatMap((step, i) => [...checkStep(step, paths[i]!, types), ...checkInner(loop, step, paths[i]!, types)])
  return shape.length > 0 ? shape : checkTogether(bodyDocuments(loop), paths, "loop's body")
}

function checkInner(loop: JsonObject, step: Json, path: string, types: StepTypes): readonly Issue[] {
  if (!isJsonObject(step)) return []
  const issues: Issue[] = []
  if (types.get(textOf(step.type))?.runs === "loop") {
    issues.push(
      issue("nested_composite", `${path}.type`, "a loop cannot repeat another loop; call a workflow that has it", idOf(step)),
    )
  } else if (types.has(textOf(step.type)) && !INNER_TYPES.includes(step.type ?? null)) {
    const message = `a loop cannot repeat a ${step.type}; it repeats ${INNER_TYPES.join(", ")}`
    issues.push(schemaIssue(`${path}.type`, message, idOf(step)))
  }
  if (step.no_auto_start === true) {
    issues.push(schemaIssue(`${path}.no_auto_start`, "an inner step cannot be gated; put no_auto_start on the loop", idOf(step)))
  }
  if (step.id === TEST_STEP_ID && loop.type === "while" && hasTestScript(loop)) {
    issues.push(schemaIssue(`${path}.id`, `the id ${TEST_STEP_ID} is the step of while_eval_script; choose another`, idOf(step)))
  }
  return issues
}

const isMissing = (value: Json | undefined) => value === undefined || value === null || value === ""
