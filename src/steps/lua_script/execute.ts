import type { LuaOutcome, LuaSandbox } from "../../adapters/sandbox/lua.ts"
import type { Failure } from "../../engine/failure.ts"
import { messageOf } from "../../kernel/errors.ts"
import { LUA_TIMEOUT_DEFAULT_MS } from "../../kernel/limits.ts"
import type { StepExecutor, StepOutcome } from "../../runtime/ports.ts"
import { seenGlobals } from "./seen-globals.ts"

/** Runs the script in the sandbox; what it returns is the step's result. */
export function createLuaExecutor(sandbox: LuaSandbox): StepExecutor {
  return {
    async execute(job, signal) {
      const { script } = job.config
      if (typeof script !== "string" || script.trim() === "") return failed("the step has no script", false)
      try {
        const options = { timeoutMs: job.timeoutMs ?? LUA_TIMEOUT_DEFAULT_MS, signal, owner: job.projectId }
        return outcomeOf(await sandbox.run({ script, globals: seenGlobals(script, job.scope()) }, options))
      } catch (error) {
        return failed(`the sandbox did not answer: ${messageOf(error)}`, true)
      }
    },
  }
}

function outcomeOf(outcome: LuaOutcome): StepOutcome {
  if (outcome.ok) return { ok: true, result: outcome.value }
  if (outcome.kind === "timeout") {
    return { ok: false, failure: { code: "STEP_TIMEOUT", message: outcome.message, retryable: true, timeout: true } }
  }
  return failed(outcome.message, true)
}

function failed(message: string, retryable: boolean): StepOutcome {
  const failure: Failure = { code: "LUA_SCRIPT_FAILED", message, retryable }
  return { ok: false, failure }
}
