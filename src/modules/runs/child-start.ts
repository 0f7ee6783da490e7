import { buildInput } from "../../engine/start-input.ts"
import type { RunFacts } from "../../engine/state.ts"
import type { Clock } from "../../kernel/clock.ts"
import { RunExists } from "../../runtime/ports.ts"
import type { Runs } from "../../runtime/runs.ts"
import type { StartChild } from "../../steps/workflow_call/execute.ts"
import type { WorkflowService } from "../workflows/service.ts"
import { uuidOf } from "./derived-id.ts"

/** Starts the runs that `workflow_call` steps ask for. Their ids come from the call, so a repeated call starts nothing new. */
export function createChildStart(deps: { runs: Runs; workflows: WorkflowService; clock: Clock }): StartChild {
  return async ({ workflowId, version: asked, input, outputFrom, caller }) => {
    const { tenantId, projectId, userId } = caller
    const workflow = await deps.workflows.startRow({ tenantId, projectId }, workflowId, asked ?? undefined)
    const { version, plan, runSetup, inputSchema, recording } = await deps.workflows.versionToRun(workflow, asked ?? undefined)
    const facts: RunFacts = {
      ...{ tenantId, projectId, workflowId, userId },
      runId: uuidOf(caller.idempotencyKey),
      version,
      triggerType: "workflow_call",
      startedAt: deps.clock.now(),
      input: buildInput({ trigger_payload: input }, runSetup, inputSchema),
      excludedStepIds: [],
      parent: {
        runId: caller.runId,
        workflowId: caller.workflowId,
        stepId: caller.stepId,
        item: caller.item,
        depth: caller.depth + 1,
        outputFrom,
      },
    }
    try {
      const recorded = caller.recording || recording ? { recording: true as const } : {}
      await deps.runs.start({ facts, workflowName: workflow.name, idempotency: null, ...recorded }, plan)
    } catch (error) {
      if (!(error instanceof RunExists)) throw error
    }
    return facts.runId
  }
}
