import type { Config } from "../config.ts"
import { AppError } from "../kernel/errors.ts"
import { type Instance, openInstance } from "./instance.ts"

/** The way back in for an admin who lost the password: whoever may read the data directory may also make a link. */
export async function signInLink(config: Config, options: { workspace?: string }): Promise<number> {
  const instance = await openInstance(config)
  try {
    const token = await instance.app.auth.createSetupLink(options.workspace ?? (await onlyWorkspace(instance)))
    const url = config.public_url || `http://${config.host}:${config.port}`
    console.log(`Start the server, then open this once within 30 minutes:\n${url}/setup?token=${token}`)
    return 0
  } finally {
    await instance.close()
  }
}

async function onlyWorkspace({ app }: Instance): Promise<string> {
  const known = await app.auth.workspaces()
  if (known.length === 1) return known[0]!
  throw new AppError(
    "bad_request",
    known.length === 0 ? "there is no workspace yet; start the server once" : `name one with --workspace: ${known.join(", ")}`,
  )
}
