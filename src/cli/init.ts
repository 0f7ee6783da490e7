import type { Config } from "../config.ts"
import { AppError } from "../kernel/errors.ts"
import { openInstance } from "./instance.ts"

export interface InitOptions {
  readonly email: string
  readonly passwordStdin?: boolean
  readonly workspace: string
  readonly project: string
  readonly patScopes: string
  readonly json?: boolean
}

/** Makes workspace, project, admin and token unattended (S-3). Idempotent; a secret is printed once. */
export async function init(config: Config, options: InitOptions): Promise<number> {
  const password = await readPassword(options)
  const scopes = options.patScopes.split(",").map(s => s.trim())
  const instance = await openInstance(config)
  try {
    const { auth, pats } = instance.app
    const { tenantId, projectId } = await auth.ensureWorkspace({
      tenantId: options.workspace,
      name: options.workspace,
      projectSlug: options.project,
    })
    const { userId } = await auth.ensureAdmin({ email: options.email, password, tenantId, projectId })
    const pat = await pats.ensure({ tenantId, projectId, userId }, { displayName: "init", scopes })
    report(options, { tenant: tenantId, project_id: projectId, user_id: userId, pat: pat.token })
    return 0
  } finally {
    await instance.close()
  }
}

async function readPassword(options: InitOptions): Promise<string> {
  if (!options.passwordStdin) {
    throw new AppError("bad_request", "init needs a password: pass --password-stdin and write it to standard input")
  }
  return (await Bun.stdin.text()).replace(/\r?\n$/, "")
}

interface Made {
  readonly tenant: string
  readonly project_id: string
  readonly user_id: string
  /** Null when it was made by an earlier init. */
  readonly pat: string | null
}

function report(options: InitOptions, made: Made): void {
  if (options.json) {
    console.log(JSON.stringify(made))
    return
  }
  console.log(`workspace  ${made.tenant}\nproject    ${made.project_id}\nadmin      ${options.email}`)
  console.log(
    `token      ${made.pat ?? "made by an earlier init; a token is shown once (make another in the API: POST /v1/pats)"}`,
  )
}
