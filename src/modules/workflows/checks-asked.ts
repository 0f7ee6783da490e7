import { AppError } from "../../kernel/errors.ts"

/** All checks, in the order of a report (contract §3.6); `llm_models` and `agents` are ours. */
export const CHECKS = [
  "graph",
  "graph_schema",
  "dependencies",
  "step_config",
  "templates",
  "lua_syntax",
  "mcp_bindings",
  "mcp_resolve",
  "llm_models",
  "agents",
  "disabled_steps",
  "input_schema",
  "lua_fixture",
  "tenantdata_upsert",
] as const
export type Check = (typeof CHECKS)[number]

/** `checks` replaces the default set, which is all; `skip_checks` removes. Throws `bad_request` for an unknown name. */
export function checksAsked(checks: readonly string[] = [], skipped: readonly string[] = []): readonly Check[] {
  for (const [field, names] of [["checks", checks] as const, ["skip_checks", skipped] as const]) {
    const unknown = names.find(name => !isCheck(name))
    if (unknown === undefined) continue
    const sentence = `${field} names ${shown(unknown)}, which is no check; known are ${CHECKS.join(", ")}`
    throw new AppError("bad_request", `invalid request body: ${sentence}`, { code: "INVALID_BODY" })
  }
  const asked = checks.length > 0 ? new Set(checks.filter(isCheck)) : CHECKS
  return [...asked].filter(check => !skipped.includes(check))
}

function isCheck(name: string): name is Check {
  return (CHECKS as readonly string[]).includes(name)
}

const shown = (name: string) => (/^\w{1,80}$/.test(name) ? name : "a name")
