import type { Scope } from "../../connectors/connector.ts"
import type { Page } from "../../http/paging.ts"
import type { Caller } from "../../http/permission.ts"
import type { Clock } from "../../kernel/clock.ts"
import { AppError } from "../../kernel/errors.ts"
import type { Ids } from "../../kernel/ids.ts"
import type { JsonObject } from "../../kernel/json.ts"
import { AGENTS_PER_PROJECT_MAX } from "../../kernel/limits.ts"
import type { Agent } from "../../steps/agent_call/agent.ts"
import { type AgentCheckDeps, type AgentProblem, pinsOf, problemsOf } from "./checks.ts"
import type { AgentBody, AgentInput, AgentPatch } from "./contract.ts"
import { agentBody, agentOf, definitionOf } from "./definition.ts"
import type { AgentRow, AgentStore } from "./store.ts"

export interface AgentServiceDeps extends AgentCheckDeps {
  readonly store: AgentStore
  readonly clock: Clock
  readonly ids: Ids
}

/** Definitions of agents (contract §12). Whatever is not this project's is `not_found`. */
export class AgentService {
  constructor(private readonly deps: AgentServiceDeps) {}

  async list(scope: Scope, page: Page) {
    const { items, total } = await this.deps.store.list(scope, page)
    return { agents: items.map(agentBody), total, ...page }
  }

  async get(scope: Scope, id: string): Promise<AgentBody> {
    return await this.#withWarnings(scope, await this.#row(scope, id))
  }

  /** Throws `invalid` with every error at once, in `issues`. */
  async create(caller: Caller, input: AgentInput): Promise<AgentBody> {
    const { store, clock, ids } = this.deps
    const now = clock.now()
    const { tenantId, projectId, userId } = caller
    const row: AgentRow = {
      ...{ id: ids.uuid(), tenantId, projectId },
      name: input.name,
      description: input.description ?? "",
      instructions: input.instructions ?? "",
      modelRef: input.model_ref,
      definition: stored(definitionOf({}, input)),
      status: input.status ?? "active",
      ...{ createdBy: userId, createdAt: now, updatedAt: now },
    }
    const problems = await this.#checked(caller, row)
    if ((await store.count(caller)) >= AGENTS_PER_PROJECT_MAX) {
      throw new AppError("invalid", `a project has at most ${AGENTS_PER_PROJECT_MAX} agents; delete one first`)
    }
    await store.insert(await this.#pinned(row))
    return withWarnings(row, problems)
  }

  /** Turns under way go on with it as it is from then on. */
  async patch(caller: Caller, id: string, patch: AgentPatch): Promise<AgentBody> {
    const row = await this.#row(caller, id)
    const changed: AgentRow = {
      ...row,
      name: patch.name ?? row.name,
      description: patch.description ?? row.description,
      instructions: patch.instructions ?? row.instructions,
      modelRef: patch.model_ref ?? row.modelRef,
      definition: stored(definitionOf(row.definition, patch)),
      status: patch.status ?? row.status,
      updatedAt: this.deps.clock.now(),
    }
    const problems = await this.#checked(caller, changed)
    // Who chooses the tools anew has seen them as they are now.
    const pinned = patch.tools === undefined ? keptPins(row, changed) : await this.#pinned(changed)
    const { name, description, instructions, modelRef, definition, status, updatedAt } = pinned
    const kept = await this.deps.store.update(caller, id, {
      ...{ name, description, instructions, modelRef, definition, status, updatedAt },
    })
    if (!kept) throw noAgent()
    return withWarnings(kept, problems)
  }

  /** Steps that name it fail from then on. */
  async remove(scope: Scope, id: string): Promise<void> {
    if (!(await this.deps.store.remove(scope, id))) throw noAgent()
  }

  /** For turns. */
  async find(scope: Scope, id: string): Promise<Agent | null> {
    const row = await this.deps.store.find(scope, id)
    return row && agentOf(row)
  }

  /** For dry runs; null: there is none with that id. */
  async problems(scope: Scope, id: string): Promise<readonly AgentProblem[] | null> {
    const row = await this.deps.store.find(scope, id)
    if (!row) return null
    const disabled: AgentProblem = { severity: "warning", place: "$.status", code: "agent_disabled", message: "it is disabled" }
    return [...(row.status === "disabled" ? [disabled] : []), ...(await problemsOf(this.deps, scope, agentBody(row)))]
  }

  async #row(scope: Scope, id: string): Promise<AgentRow> {
    const row = await this.deps.store.find(scope, id)
    if (!row) throw noAgent()
    return row
  }

  async #withWarnings(scope: Scope, row: AgentRow): Promise<AgentBody> {
    return withWarnings(row, await problemsOf(this.deps, scope, agentBody(row)))
  }

  async #pinned(row: AgentRow): Promise<AgentRow> {
    const pinned_tools = await pinsOf(this.deps, row, agentBody(row).tools)
    return { ...row, definition: { ...row.definition, pinned_tools } }
  }

  async #checked(scope: Scope, row: AgentRow): Promise<readonly AgentProblem[]> {
    const problems = await problemsOf(this.deps, scope, agentBody(row))
    const errors = problems.filter(({ severity }) => severity === "error")
    if (errors.length === 0) return problems
    const [first] = errors
    const issues = errors.map(({ place, code, message, suggestion }) => ({
      ...{ severity: "error", code, json_path: place, message },
      ...(suggestion !== undefined && { suggestion }),
    }))
    const more = errors.length > 1 ? `, and ${errors.length - 1} more; see issues` : ""
    throw new AppError("invalid", `the agent cannot work like this: ${first?.message}${more}`, { fields: { issues } })
  }
}

/** What was right when it was saved may not be any more: all of it is a warning then. */
function withWarnings(row: AgentRow, problems: readonly AgentProblem[]): AgentBody {
  return { ...agentBody(row), warnings: problems.map(({ code, message }) => ({ code, message })) }
}

function keptPins({ definition: { pinned_tools = {} } }: AgentRow, changed: AgentRow): AgentRow {
  return { ...changed, definition: { ...changed.definition, pinned_tools } }
}

function stored(definition: ReturnType<typeof definitionOf>): JsonObject {
  return definition as unknown as JsonObject // it came as JSON
}

function noAgent(): AppError {
  return new AppError("not_found", "no such agent")
}
