import { compilePlan, type Plan } from "../../engine/graph.ts"
import { refusedInputSchema } from "../../engine/input-schema.ts"
import type { StepTypes } from "../../engine/step-type.ts"
import { checkStructure } from "../../engine/structure.ts"
import type { Page } from "../../http/paging.ts"
import type { Caller } from "../../http/permission.ts"
import { type Clock, rfc3339, rfc3339OrNull } from "../../kernel/clock.ts"
import { AppError } from "../../kernel/errors.ts"
import type { Ids } from "../../kernel/ids.ts"
import { isJsonObject, type Json, type JsonObject } from "../../kernel/json.ts"
import type { PlanSource } from "../../runtime/ports.ts"
import { Recent } from "../../storage/recent.ts"
import type { PinnedTools, RunSetup } from "../../storage/schema/workflows.ts"
import type { VersionBody, WorkflowBody } from "./contract.ts"
import type { Place, StartRow, VersionRow, WorkflowRow, WorkflowStore } from "./store.ts"

/** Plans kept compiled. Versions never change, so they never go stale. */
const PLANS_MAX = 500
/** What starts have to know of workflows, kept for the next start. */
const STARTS_MAX = 1_000
/** Changes made by another process (several nodes on one PostgreSQL) count after this time at the latest. */
const STARTS_MAX_AGE_MS = 2_000

export interface WorkflowDraft {
  readonly name: string
  readonly description?: string
  readonly graph: unknown
  readonly run_setup?: RunSetup | null
  readonly input_schema?: Json
  readonly recording?: boolean
}

export interface WorkflowServiceDeps {
  readonly store: WorkflowStore
  readonly types: StepTypes
  /** The tools that a graph calls, as they are now. */
  readonly pinTools: (place: Place, graph: JsonObject) => Promise<PinnedTools>
  readonly clock: Clock
  readonly ids: Ids
}

/** A version as a start uses it. */
export interface VersionToRun {
  readonly version: number
  readonly plan: Plan
  readonly runSetup: RunSetup | null
  readonly inputSchema: Json | null
  /** What its runs do unless their start says otherwise. */
  readonly recording: boolean
  /** Its graph knows a webhook's payload also by its older name (contract C-2), under which it is stored only then. */
  readonly readsWebhookPayload: boolean
}

interface Compiled {
  readonly plan: Plan
  readonly readsWebhookPayload: boolean
  readonly tools: PinnedTools | null
}

export class WorkflowService implements PlanSource {
  readonly #plans = new Map<string, Compiled>()
  readonly #starts = new Recent<StartRow>(STARTS_MAX, STARTS_MAX_AGE_MS)

  constructor(private readonly deps: WorkflowServiceDeps) {}

  async list(caller: Caller, page: Page) {
    const { items, total } = await this.deps.store.list(caller, page)
    return { workflows: items.map(workflowBody), total, ...page }
  }

  async get(caller: Caller, id: string): Promise<WorkflowBody> {
    return workflowBody(await this.row(caller, id))
  }

  async create(caller: Caller, draft: WorkflowDraft): Promise<WorkflowBody> {
    const now = this.deps.clock.now()
    const row: WorkflowRow = {
      id: this.deps.ids.uuid(),
      tenantId: caller.tenantId,
      projectId: caller.projectId,
      name: draft.name,
      description: draft.description ?? "",
      status: "draft",
      graph: this.#checkedDraft(draft.graph),
      runSetup: draft.run_setup ?? null,
      inputSchema: checkedSchema(draft.input_schema) ?? null,
      recording: draft.recording ?? false,
      latestVersion: null,
      createdBy: caller.userId,
      updatedBy: caller.userId,
      createdAt: now,
      updatedAt: now,
      archivedAt: null,
      archivedBy: null,
    }
    await this.deps.store.insert(row)
    return workflowBody(row)
  }

  /** Replaces each given field whole (contract G-5). */
  async patch(caller: Caller, id: string, changes: Partial<WorkflowDraft>): Promise<WorkflowBody> {
    const done = await this.deps.store.patch(caller, id, {
      ...(changes.name !== undefined && { name: changes.name }),
      ...(changes.description !== undefined && { description: changes.description }),
      ...(changes.graph !== undefined && { graph: this.#checkedDraft(changes.graph) }),
      ...(changes.run_setup !== undefined && { runSetup: changes.run_setup }),
      ...(changes.input_schema !== undefined && { inputSchema: checkedSchema(changes.input_schema) }),
      ...(changes.recording !== undefined && { recording: changes.recording }),
      updatedBy: caller.userId,
      updatedAt: this.deps.clock.now(),
    })
    this.#starts.clear()
    if (!done) throw await this.#whyNot(caller, id)
    return await this.get(caller, id)
  }

  async archive(caller: Caller, id: string): Promise<void> {
    const done = await this.deps.store.archive(caller, id, caller.userId, this.deps.clock.now())
    this.#starts.clear()
    if (!done) await this.row(caller, id) // archived already is fine; unknown is not
  }

  async publish(caller: Caller, id: string, body: { changelog?: string; input_schema?: unknown } | null): Promise<VersionBody> {
    const draft = await this.row(caller, id)
    const row = await this.deps.store.publish(caller, id, {
      tools: await this.deps.pinTools(caller, draft.graph),
      changelog: body?.changelog ?? "",
      inputSchema: checkedSchema(body?.input_schema as Json | undefined), // it came as JSON
      by: caller.userId,
      at: this.deps.clock.now(),
      check: graph => void this.#checkedDraft(graph),
    })
    this.#starts.clear()
    if (!row) throw await this.#whyNot(caller, id)
    return versionBody(row)
  }

  async versions(caller: Caller, id: string, page: Page) {
    await this.row(caller, id)
    const { items, total } = await this.deps.store.versions(id, page)
    return { versions: items.map(versionBody), total, ...page }
  }

  async row(caller: Pick<Caller, "tenantId" | "projectId">, id: string): Promise<WorkflowRow> {
    const row = await this.deps.store.find(caller, id)
    if (!row) throw noSuchWorkflow()
    return row
  }

  /** `version` undefined: the newest (contract G-8). Throws `not_found` for a workflow that is not there. */
  async startRow(place: Place, id: string, version: number | undefined): Promise<StartRow> {
    const key = `${place.tenantId}/${place.projectId}/${id}/${version ?? ""}`
    const load = () => this.deps.store.startRow(place, id, version ?? null)
    const row = await this.#starts.read(key, this.deps.clock.now(), load)
    if (!row) throw noSuchWorkflow()
    return row
  }

  /** Refuses a workflow that cannot be started, or not with the version `asked` for. */
  async versionToRun(row: StartRow, asked: number | undefined): Promise<VersionToRun> {
    if (row.status === "archived") throw archived()
    if (row.latestVersion === null) {
      throw new AppError("invalid", "the workflow has no published version; publish one with POST /v1/workflows/{id}/versions", {
        code: "WORKFLOW_NOT_PUBLISHED",
      })
    }
    if (row.version === null) {
      throw new AppError("not_found", `the workflow has no version ${asked}; its newest is ${row.latestVersion}`)
    }
    const { plan, readsWebhookPayload } = await this.#compiled(row.id, row.version)
    const { runSetup, inputSchema, recording } = row
    return { version: row.version, plan, runSetup, inputSchema, recording: recording === true, readsWebhookPayload }
  }

  /** Null: nobody looked at its tools when it was published. */
  async pinnedTools(workflowId: string, version: number): Promise<PinnedTools | null> {
    return (await this.#compiled(workflowId, version)).tools
  }

  async planOf(workflowId: string, version: number): Promise<Plan> {
    return (await this.#compiled(workflowId, version)).plan
  }

  /** Of a graph that is no version. Throws `invalid` for one that could not be published or run. */
  draftPlan(graph: unknown): Plan {
    return compilePlan(this.#checkedDraft(graph), this.deps.types)
  }

  async #compiled(workflowId: string, version: number): Promise<Compiled> {
    const key = `${workflowId}/${version}`
    const known = this.#plans.get(key)
    if (known) return known
    const row = await this.deps.store.version(workflowId, version)
    if (!row) throw new AppError("not_found", `the workflow has no version ${version}`)
    const readsWebhookPayload = JSON.stringify(row.graph).includes("webhook_payload")
    const plan = compilePlan(this.#checked(row.graph), this.deps.types)
    const made = { plan, readsWebhookPayload, tools: row.tools }
    const oldest = this.#plans.size >= PLANS_MAX ? this.#plans.keys().next().value : undefined
    if (oldest !== undefined) this.#plans.delete(oldest)
    this.#plans.set(key, made)
    return made
  }

  #checkedDraft(graph: unknown): JsonObject {
    const checked = this.#checked(graph)
    checkedSchema(checked.input_schema)
    return checked
  }

  #checked(graph: unknown): JsonObject {
    const issues = checkStructure(graph, this.deps.types)
    if (issues.length === 0 && isJsonObject(graph)) return graph
    const first = issues[0]
    const more = issues.length > 1 ? ` (and ${issues.length - 1} more, see issues)` : ""
    throw new AppError("invalid", `invalid graph: ${first?.json_path ?? "$"}: ${first?.message ?? "not a graph"}${more}`, {
      fields: { issues: issues.map(i => ({ ...i })) },
    })
  }

  /** Why a change found no row: archived, or not there. */
  async #whyNot(caller: Caller, id: string): Promise<AppError> {
    await this.row(caller, id)
    return archived()
  }
}

/** Throws `invalid` for what is neither an object's schema nor a list of fields (contract §3.7). */
function checkedSchema<Schema extends Json | undefined>(schema: Schema): Schema {
  const refused = refusedInputSchema(schema)
  if (refused === null) return schema
  const issue = { severity: "error", code: "input_schema_invalid", message: refused, json_path: "$.input_schema" }
  throw new AppError("invalid", refused, { fields: { issues: [issue] } })
}

function noSuchWorkflow(): AppError {
  return new AppError("not_found", "there is no such workflow in this project")
}

function archived(): AppError {
  return new AppError("conflict", "the workflow is archived", { code: "WORKFLOW_ARCHIVED" })
}

function workflowBody(row: WorkflowRow): WorkflowBody {
  return {
    id: row.id,
    name: row.name,
    description: row.description,
    tenant_id: row.tenantId,
    project_id: row.projectId,
    status: row.status,
    graph: row.graph,
    run_setup: row.runSetup,
    input_schema: row.inputSchema,
    recording: row.recording === true,
    latest_version: row.latestVersion,
    created_by: row.createdBy,
    updated_by: row.updatedBy,
    created_at: rfc3339(row.createdAt),
    updated_at: rfc3339(row.updatedAt),
    archived_at: rfc3339OrNull(row.archivedAt),
    archived_by: row.archivedBy,
  }
}

function versionBody(row: VersionRow): VersionBody {
  return {
    version: row.version,
    workflow_id: row.workflowId,
    changelog: row.changelog,
    published_at: rfc3339(row.publishedAt),
    published_by: row.publishedBy,
    graph_snapshot: row.graph,
    input_schema: row.inputSchema,
    run_setup: row.runSetup,
  }
}
