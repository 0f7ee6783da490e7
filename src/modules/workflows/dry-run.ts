import type { ResolveModel } from "../../adapters/llm/resolve.ts"
import { checkConfig, checkDisabled, checkEpisode, type Located, locate } from "../../engine/checks.ts"
import { checkFields } from "../../engine/checks-fields.ts"
import { checkTemplates } from "../../engine/checks-templates.ts"
import { compilePlan, type Plan } from "../../engine/graph.ts"
import { graphSchema } from "../../engine/graph-schema.ts"
import { checkInputSchema } from "../../engine/input-schema.ts"
import type { Known } from "../../engine/references.ts"
import { unrunnable } from "../../engine/runnable.ts"
import { buildInput } from "../../engine/start-input.ts"
import type { StepTypes } from "../../engine/step-type.ts"
import { checkStructure } from "../../engine/structure.ts"
import type { Caller } from "../../http/permission.ts"
import type { Clock } from "../../kernel/clock.ts"
import { isJsonObject, type Json, type JsonObject } from "../../kernel/json.ts"
import type { PinnedTools } from "../../storage/schema/workflows.ts"
import { type AgentProblemsOf, checkAgents } from "./agent-checks.ts"
import { checkBindings, resolveBindings } from "./binding-checks.ts"
import { type Check, checksAsked } from "./checks-asked.ts"
import type { ReportBody, validateShape } from "./contract.ts"
import type { BindingCheck, Finding, ScriptSandbox } from "./findings.ts"
import { tryScripts } from "./lua-fixture.ts"
import { checkModels } from "./model-checks.ts"
import { hashOf, limitTo, qualified, reportOf } from "./report.ts"
import { checkScripts } from "./script-checks.ts"
import type { WorkflowService } from "./service.ts"

export interface DryRunDeps extends ScriptSandbox {
  readonly workflows: Pick<WorkflowService, "row" | "pinnedTools">
  readonly types: StepTypes
  readonly clock: Clock
  readonly checkBinding: BindingCheck
  readonly resolveModel: ResolveModel
  readonly agentProblemsOf: AgentProblemsOf
}

/** What one validation looks at. */
interface Subject {
  readonly caller: Caller
  readonly graph: unknown
  readonly structural: readonly Finding[]
  /** Null when the structure is broken. */
  readonly compiled: { readonly plan: Plan; readonly graph: JsonObject; readonly steps: readonly Located[] } | null
  readonly inputSchema: Json | null
  /** The tools of the newest version, as they were when it was published. */
  readonly pinned: PinnedTools | null
  readonly known: Known
  /** Whether the caller gave anything that scripts can be tried with. */
  readonly hasFixture: boolean
  readonly placeholders: boolean
}

const DEPENDENCY_CODES: ReadonlySet<string> = new Set(["dependency_missing", "dependency_cycle"])

/** Validates a graph without calling a tool or a model (contract §3.6). Scripts run only with values that were given. */
export class DryRun {
  /** JSON Schema of graphs. */
  readonly graphSchema: JsonObject
  readonly #schemaHash: string

  constructor(private readonly deps: DryRunDeps) {
    this.graphSchema = graphSchema(deps.types)
    this.#schemaHash = hashOf(this.graphSchema)
  }

  /** Throws `bad_request` for an unknown check or step, and for `params` that a start would refuse. */
  async validate(caller: Caller, id: string, body: typeof validateShape.static): Promise<ReportBody> {
    const workflow = await this.deps.workflows.row(caller, id)
    const asked = checksAsked(body?.checks, body?.skip_checks)
    const graph = body?.graph ?? workflow.graph
    const inputSchema = (isJsonObject(graph) ? graph.input_schema : undefined) ?? workflow.inputSchema
    const params = body?.params as JsonObject | undefined // it came as JSON
    const input = params === undefined ? null : buildInput(params, workflow.runSetup, inputSchema)
    const subject: Subject = {
      ...{ caller, graph, inputSchema, ...this.#compiled(graph) },
      pinned: workflow.latestVersion === null ? null : await this.deps.workflows.pinnedTools(id, workflow.latestVersion),
      known: { input, inputSchema, outputs: (body?.mock_step_outputs ?? {}) as JsonObject },
      hasFixture: input !== null || body?.mock_step_outputs !== undefined || body?.assume_placeholder_outputs === true,
      placeholders: body?.assume_placeholder_outputs === true,
    }
    const limit = limitTo(body?.step_ids, subject.compiled?.plan ?? null)
    const findings = new Map<Check, readonly Finding[] | null | "blocked">()
    for (const check of asked) {
      const found = await this.#run(check, subject)
      findings.set(check, Array.isArray(found) ? found.filter(limit) : found)
    }
    return reportOf({
      findings,
      structural: subject.structural,
      graph,
      order: subject.compiled ? subject.compiled.plan.topological.map(i => subject.compiled!.plan.steps[i]!.id) : [],
      schemaHash: this.#schemaHash,
      now: this.deps.clock.now(),
    })
  }

  #compiled(graph: unknown): Pick<Subject, "structural" | "compiled"> {
    const structural = qualified(checkStructure(graph, this.deps.types), graph)
    if (structural.length > 0 || !isJsonObject(graph)) return { structural: this.#foreign(graph, structural), compiled: null }
    const plan = compilePlan(graph, this.deps.types)
    return { structural, compiled: { plan, graph, steps: locate(plan, graph) } }
  }

  /** A type that the contract knows and no version runs is told as such, not as unknown. */
  #foreign(graph: unknown, structural: readonly Finding[]): readonly Finding[] {
    const foreign = new Map(unrunnable(graph, this.deps.types).map(issue => [issue.json_path, issue]))
    return structural.map(issue => (issue.code === "unknown_step_type" ? (foreign.get(issue.json_path) ?? issue) : issue))
  }

  /** What a check found; null when there is nothing that it could look at. */
  async #run(check: Check, subject: Subject): Promise<readonly Finding[] | null | "blocked"> {
    const { structural, graph, inputSchema, compiled } = subject
    switch (check) {
      case "graph":
        return structural.filter(i => !DEPENDENCY_CODES.has(i.code))
      case "dependencies":
        return structural.filter(i => DEPENDENCY_CODES.has(i.code))
      case "graph_schema":
        return checkFields(graph, this.deps.types)
      case "input_schema":
        return inputSchema === null ? null : checkInputSchema(inputSchema, "$.input_schema")
      case "tenantdata_upsert":
        return null // this version has no such tool
      default:
        return compiled ? await this.#look(check, subject, compiled) : "blocked"
    }
  }

  async #look(
    check: Exclude<Check, "graph" | "dependencies" | "graph_schema" | "input_schema" | "tenantdata_upsert">,
    subject: Subject,
    { plan, graph, steps }: NonNullable<Subject["compiled"]>,
  ): Promise<readonly Finding[] | null> {
    switch (check) {
      case "step_config":
        return [...unrunnable(graph, this.deps.types), ...checkConfig(steps), ...checkEpisode(plan, steps)]
      case "templates":
        return checkTemplates(plan, steps, subject.known)
      case "lua_syntax":
        return await checkScripts(steps, this.deps)
      case "mcp_bindings":
        return checkBindings(steps)
      case "mcp_resolve":
        return await resolveBindings(steps, subject.caller, this.deps.checkBinding, subject.pinned)
      case "llm_models":
        return await checkModels(steps, subject.caller.tenantId, this.deps.resolveModel)
      case "agents":
        return await checkAgents(steps, subject.caller, this.deps.agentProblemsOf)
      case "disabled_steps":
        return checkDisabled(steps)
      case "lua_fixture":
        return subject.hasFixture ? await tryScripts(plan, steps, subject.known, subject.placeholders, this.deps) : null
    }
  }
}
