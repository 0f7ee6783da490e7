import { checkConfig, checkDisabled, checkTemplates, documentOf, issue } from "../../engine/checks.ts"
import { compilePlan, type Plan } from "../../engine/graph.ts"
import type { Issue } from "../../engine/issues.ts"
import type { StepTypes } from "../../engine/step-type.ts"
import { checkStructure } from "../../engine/structure.ts"
import type { Caller } from "../../http/permission.ts"
import { type Clock, rfc3339 } from "../../kernel/clock.ts"
import { AppError } from "../../kernel/errors.ts"
import { isJsonObject, type JsonObject } from "../../kernel/json.ts"
import type { ReportBody, validateShape } from "./contract.ts"
import type { WorkflowService } from "./service.ts"

/** The checks of this version, in their order. Other names of contract §3.6 answer `not_applicable`. */
const CHECKS = ["graph", "dependencies", "step_config", "templates", "lua_syntax", "mcp_bindings", "disabled_steps"] as const
type Check = (typeof CHECKS)[number]

const DEPENDENCY_CODES: ReadonlySet<string> = new Set(["dependency_missing", "dependency_cycle"])

export interface DryRunDeps {
  readonly workflows: WorkflowService
  readonly types: StepTypes
  readonly clock: Clock
  /** Compiles a script without running it. */
  readonly checkLua: (script: string) => Promise<{ ok: true } | { ok: false; line: number | null; message: string }>
  /** Why a binding would not find its tool; null when it would. */
  readonly checkBinding: (
    caller: Caller,
    binding: { serverUrl?: string; instanceId?: string; toolName?: string },
  ) => Promise<BindingProblem | null>
}

export interface BindingProblem {
  readonly severity: "error" | "warning"
  /** e.g. `mcp_instance_unknown`, `mcp_instance_will_be_created` (contract G-11). */
  readonly code: string
  readonly field: "server_url" | "instance_id" | "tool_name"
  readonly message: string
}

/** Validates a graph without running anything (contract §3.6). */
export class DryRun {
  constructor(private readonly deps: DryRunDeps) {}

  async validate(caller: Caller, id: string, body: typeof validateShape.static): Promise<ReportBody> {
    const workflow = await this.deps.workflows.row(caller, id)
    const graph = body?.graph ?? workflow.graph
    const asked = this.#asked(body?.checks, body?.skip_checks)
    const structural = checkStructure(graph, this.deps.types)
    const findings = new Map<string, readonly Issue[]>()
    findings.set(
      "graph",
      structural.filter(i => !DEPENDENCY_CODES.has(i.code)),
    )
    findings.set(
      "dependencies",
      structural.filter(i => DEPENDENCY_CODES.has(i.code)),
    )
    const plan = structural.length === 0 && isJsonObject(graph) ? compilePlan(graph, this.deps.types) : null
    if (plan) {
      const payload = body?.params?.trigger_payload
      const input = isJsonObject(payload) ? payload : null
      for (const check of asked) {
        if (!findings.has(check)) findings.set(check, await this.#run(check, caller, plan, graph as JsonObject, input))
      }
    }
    return this.#report(asked, findings, plan, graph)
  }

  #asked(checks: readonly string[] | undefined, skipped: readonly string[] = []): readonly string[] {
    const asked = checks && checks.length > 0 ? checks : CHECKS
    return asked.filter(c => !skipped.includes(c))
  }

  async #run(check: string, caller: Caller, plan: Plan, graph: JsonObject, input: JsonObject | null): Promise<readonly Issue[]> {
    switch (check as Check) {
      case "step_config":
        return checkConfig(plan, graph)
      case "templates":
        return checkTemplates(plan, input)
      case "lua_syntax":
        return await this.#checkScripts(plan, graph)
      case "mcp_bindings":
        return await this.#checkBindings(caller, plan, graph)
      case "disabled_steps":
        return checkDisabled(plan)
      default:
        return []
    }
  }

  async #checkScripts(plan: Plan, graph: JsonObject): Promise<readonly Issue[]> {
    const found: Issue[] = []
    for (const step of plan.steps.filter(s => s.type.type === "lua_script")) {
      const { script } = documentOf(graph, step)
      if (typeof script !== "string") continue
      const verdict = await this.deps.checkLua(script)
      if (!verdict.ok) found.push(issue("lua_syntax_error", step, "script", verdict.message))
    }
    return found
  }

  async #checkBindings(caller: Caller, plan: Plan, graph: JsonObject): Promise<readonly Issue[]> {
    const found: Issue[] = []
    for (const step of plan.steps.filter(s => s.type.type === "mcp_call")) {
      const { server_url, instance_id, tool_name } = documentOf(graph, step)
      if (typeof server_url !== "string" && typeof instance_id !== "string") {
        found.push(issue("mcp_binding_missing", step, "server_url", "names neither server_url nor instance_id"))
        continue
      }
      const problem = await this.deps.checkBinding(caller, {
        ...(typeof server_url === "string" && { serverUrl: server_url }),
        ...(typeof instance_id === "string" && { instanceId: instance_id }),
        ...(typeof tool_name === "string" && { toolName: tool_name }),
      })
      if (problem) found.push({ ...issue(problem.code, step, problem.field, problem.message), severity: problem.severity })
    }
    return found
  }

  #report(
    asked: readonly string[],
    findings: ReadonlyMap<string, readonly Issue[]>,
    plan: Plan | null,
    graph: unknown,
  ): ReportBody {
    const issues = asked.flatMap(check => findings.get(check) ?? [])
    const performed = asked.filter(
      c => (CHECKS as readonly string[]).includes(c) && (plan || c === "graph" || c === "dependencies"),
    )
    const failed = (check: string) => (findings.get(check) ?? []).some(i => i.severity === "error")
    const results = asked.map(check => {
      if (!(CHECKS as readonly string[]).includes(check)) return [check, "not_applicable"] as const
      if (!performed.includes(check)) return [check, "blocked"] as const
      return [check, failed(check) ? "failed" : "passed"] as const
    })
    const blockers = issues.filter(i => i.severity === "error")
    const readiness = blockers.length === 0 ? "ready" : "blocked"
    return {
      valid: blockers.length === 0,
      readiness,
      blockers: blockers.map(i => i.message),
      checks_performed: performed,
      check_results: Object.fromEntries(results),
      issues: issues.map(i => ({ ...i })),
      topological_order: plan ? plan.topological.map(i => plan.steps[i]!.id) : [],
      validation_evidence: {
        graph_hash: hashOf(graph),
        workflow_graph_schema_hash: null,
        validated_at: rfc3339(this.deps.clock.now()),
        readiness,
        checks_performed: performed,
      },
    }
  }
}

function hashOf(graph: unknown): string {
  if (graph === undefined) throw new AppError("bad_request", "there is no graph to validate")
  return new Bun.CryptoHasher("sha256").update(JSON.stringify(graph)).digest("hex")
}
