import { type Caller, insufficientScope, roleAtLeast } from "../../http/permission.ts"
import { AppError } from "../../kernel/errors.ts"
import type { Access } from "../auth/access.ts"
import type { CronConfig, EventConfig } from "./config.ts"
import { invalidField } from "./fields.ts"
import { mayStart } from "./fire-start.ts"

export interface ActingDeps {
  readonly access: Pick<Access, "tenancies">
  /** Of the project, and not revoked; else null. */
  readonly findPat: (
    place: { tenantId: string; projectId: string },
    patId: string,
  ) => Promise<{ readonly userId: string; readonly scopes: readonly string[] } | null>
}

/** As whom the runs of a trigger act. `scopes` null: only the role limits them. */
export interface Acting {
  readonly userId: string
  readonly scopes: string[] | null
}

/** As whom they act when the caller saves this. Throws `forbidden`, or `invalid` with the field's name. */
export async function actingFor(
  deps: ActingDeps,
  caller: Caller,
  creator: string,
  config: CronConfig | EventConfig,
): Promise<Acting> {
  const own = { userId: config.automation_user_id ?? creator, scopes: caller.scopes && [...caller.scopes] }
  const patId = "automation_pat_id" in config ? config.automation_pat_id : null
  const acting = patId === null ? own : await ofPat(deps, caller, patId, config.automation_user_id)
  const isAdmin = caller.role !== null && roleAtLeast(caller.role, "project_admin")
  if (acting.userId !== caller.userId && acting.userId !== creator && !isAdmin) {
    throw new AppError("forbidden", "only an admin of the project may let runs act as somebody else")
  }
  if (!mayStart(await deps.access.tenancies(acting.userId), caller)) {
    const field = patId === null ? "config.automation_user_id" : "config.automation_pat_id"
    throw invalidField(field, "that person may not start runs in this project (project_contributor is needed)")
  }
  return acting
}

async function ofPat({ findPat }: ActingDeps, caller: Caller, patId: string, userId: string | null): Promise<Acting> {
  const pat = await findPat(caller, patId)
  if (!pat) throw invalidField("config.automation_pat_id", "there is no such token in this project")
  if (userId !== null && userId !== pat.userId) throw invalidField("config.automation_user_id", "is not the owner of the token")
  if (!pat.scopes.includes("workflow:run"))
    throw invalidField("config.automation_pat_id", "the token needs the scope workflow:run")
  // A token must not get scopes by way of another one.
  const held = caller.scopes
  const beyond = held === null ? undefined : pat.scopes.find(scope => !held.some(own => own === scope))
  if (beyond !== undefined) throw insufficientScope(beyond)
  return { userId: pat.userId, scopes: [...pat.scopes] }
}
