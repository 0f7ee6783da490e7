import { type Caller, type Permission, RUN_WORKFLOWS } from "../../http/permission.ts"
import { isPat } from "../../http/tokens.ts"
import { AppError } from "../../kernel/errors.ts"
import type { Access, Answer } from "./access.ts"
import { permit } from "./authorizer.ts"

const RUN: Permission = { access: "project", role: "project_contributor", scopes: RUN_WORKFLOWS }
const NO_HEADERS = new Headers()

/** As whom something starts runs that holds a token, or knows one by its id: the token's owner, in the token's own project. */
export class Actors {
  constructor(private readonly access: Pick<Access, "ofPat" | "ofPatId">) {}

  /** Null when the token is not good, or may not run workflows any more. */
  async ofToken(token: string): Promise<Caller | null> {
    return isPat(token) ? await mayRun(this.access.ofPat(token)) : null
  }

  async ofPatId(patId: string): Promise<Caller | null> {
    return await mayRun(this.access.ofPatId(patId))
  }
}

async function mayRun(answer: Answer): Promise<Caller | null> {
  const identity = await answer
  if (!identity) return null
  try {
    return permit(identity, RUN, NO_HEADERS)
  } catch (error) {
    if (error instanceof AppError) return null
    throw error
  }
}
