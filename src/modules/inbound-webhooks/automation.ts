import type { Caller } from "../../http/permission.ts"
import { AppError } from "../../kernel/errors.ts"
import type { Actors } from "../auth/actors.ts"
import type { PatService } from "../pats/service.ts"

export interface Automation {
  readonly automation_pat_id?: string | undefined
  readonly automation_bearer?: string | undefined
}

export interface AutomationDeps {
  readonly pats: Pick<PatService, "lend">
  readonly actors: Actors
}

/**
 * The token by which a subscription shall act, after its setter has shown the right to it: its own one, by id, or whichever it
 * holds. A caller that came with a token means that one unless it says otherwise.
 */
export async function automationPat(deps: AutomationDeps, caller: Caller, wish: Automation): Promise<string> {
  const patId = wish.automation_pat_id ?? (wish.automation_bearer === undefined ? caller.patId : null)
  if (wish.automation_bearer !== undefined) return await shown(deps.actors, caller, wish.automation_bearer, patId)
  if (patId === null) {
    throw refused("automation_pat_id is needed: the token as whose owner the runs act (POST /v1/pats makes one)")
  }
  if (patId !== caller.patId) await deps.pats.lend(caller, patId)
  if (!(await deps.actors.ofPatId(patId))) throw cannotRun()
  return patId
}

/** Whoever holds a token may act by it. It is looked at here and kept nowhere. */
async function shown(actors: Actors, caller: Caller, token: string, patId: string | null): Promise<string> {
  const actor = await actors.ofToken(token)
  if (!actor?.patId) throw refused("automation_bearer is not a token that is good and may start runs")
  if (patId !== null && actor.patId !== patId) throw refused("automation_bearer is not the token that automation_pat_id names")
  if (actor.tenantId === caller.tenantId && actor.projectId === caller.projectId) return actor.patId
  throw refused("automation_bearer is a token of another project; it must be one of this project")
}

function cannotRun(): AppError {
  return refused("the token may not start runs: it needs the scope workflow:run, and its owner the role project_contributor here")
}

function refused(sentence: string): AppError {
  return new AppError("invalid", sentence, { code: "AUTOMATION_PAT" })
}
