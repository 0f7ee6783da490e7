import type { Scope } from "../../connectors/connector.ts"
import type { Caller } from "../../http/permission.ts"
import { AppError } from "../../kernel/errors.ts"
import type { WorkflowService } from "../workflows/service.ts"
import type { OverrideBody } from "./override-contract.ts"
import type { OverrideStore } from "./override-store.ts"

export interface OverridesDeps {
  readonly store: OverrideStore
  readonly workflows: Pick<WorkflowService, "row">
}

/** Which connection an instance uses in the runs of one workflow, in place of its profile's (contract §7.4). */
export class ConnectionOverrides {
  readonly #listeners: ((workflowId: string) => void)[] = []

  constructor(private readonly deps: OverridesDeps) {}

  /** Called after the overrides of a workflow were replaced. */
  onChange(listener: (workflowId: string) => void): void {
    this.#listeners.push(listener)
  }

  /** Null: the instance uses its profile's connection. One that is gone is named all the same: another must not take its place. */
  async overrideOf(scope: Scope, workflowId: string, instanceId: string): Promise<string | null> {
    return await this.deps.store.connectionOf({ ...scope, workflowId }, instanceId)
  }

  async list(caller: Caller, workflowId: string) {
    await this.deps.workflows.row(caller, workflowId)
    const rows = await this.deps.store.list({ ...placeOf(caller), workflowId })
    return { overrides: rows.map(row => ({ instance_id: row.instanceId, connection_id: row.connectionId })) }
  }

  /** Replaces the whole map. Throws `invalid` for what is not an instance of the project or a connection of the workspace. */
  async replace(caller: Caller, workflowId: string, overrides: readonly OverrideBody[]): Promise<void> {
    const { store, workflows } = this.deps
    await workflows.row(caller, workflowId)
    const key = { ...placeOf(caller), workflowId }
    const rows = overrides.map(o => ({ ...key, instanceId: o.instance_id, connectionId: o.connection_id }))
    const instanceIds = rows.map(row => row.instanceId)
    if (new Set(instanceIds).size < rows.length) throw new AppError("invalid", "overrides name an instance twice")
    await store.replace(key, rows, async tx => {
      const instances = await store.instancesAmong(key, instanceIds, tx)
      const connectionIds = rows.map(row => row.connectionId)
      const connections = await store.connectionsAmong(key, connectionIds, tx)
      const issues = rows.flatMap(({ instanceId, connectionId }, n) => [
        ...(instances.has(instanceId) ? [] : [`overrides[${n}].instance_id is no MCP instance of this project`]),
        ...(connections.has(connectionId) ? [] : [`overrides[${n}].connection_id is no connection of this workspace`]),
      ])
      if (issues.length > 0) throw new AppError("invalid", issues.join("; "), { code: "OVERRIDE_INVALID" })
    })
    for (const listener of this.#listeners) listener(workflowId)
  }
}

function placeOf({ tenantId, projectId }: Caller) {
  return { tenantId, projectId }
}
