import type { LuaCheck } from "../../adapters/sandbox/lua.ts"
import { issueAt, type Located } from "../../engine/checks.ts"
import { hasTestScript } from "../../engine/loop-spec.ts"
import { LUA_SCRIPT_MAX_BYTES } from "../../kernel/limits.ts"
import type { Finding, ScriptSandbox } from "./findings.ts"

interface Script {
  readonly at: Located
  readonly field: "script" | "while_eval_script"
  readonly source: string
}

/** Every script of a graph that is not empty or too large, which step_config tells. */
export function scriptsOf(steps: readonly Located[]): readonly Script[] {
  return steps.flatMap((at): readonly Script[] => {
    const { document, step } = at
    const field = step.type.type === "lua_script" ? "script" : "while_eval_script"
    if (field === "while_eval_script" && !(step.loop?.kind === "while" && hasTestScript(document))) return []
    const source = document[field]
    if (typeof source !== "string" || source.trim() === "" || Buffer.byteLength(source) > LUA_SCRIPT_MAX_BYTES) return []
    return [{ at, field, source }]
  })
}

/** The syntax of every script, those of inner steps and tests included; null when there is none. */
export async function checkScripts(steps: readonly Located[], sandbox: ScriptSandbox): Promise<readonly Finding[] | null> {
  const scripts = scriptsOf(steps)
  if (scripts.length === 0) return null
  const found: Finding[] = []
  for (const { at, field, source } of scripts) {
    const verdict = await sandbox.checkLua(source)
    if (!verdict.ok) found.push(issueAt(at, `.${field}`, "lua_syntax_error", `the script does not compile: ${reason(verdict)}`))
  }
  return found
}

function reason({ line, message }: Extract<LuaCheck, { ok: false }>): string {
  return line === null ? message : `line ${line}: ${message}`
}
