import { repository } from "./repository.ts"

/** How to run a program of our own Bun where there is no network but loopback, from the repository's folder; null, and why not, where that cannot be. */
export interface NoNetwork {
  readonly command: readonly string[] | null
  readonly why: string
}

/** Root may make a network namespace; others may in a user namespace of their own, where the system lets them. */
const WAYS = [
  ["unshare", "--net"],
  ["unshare", "--user", "--map-root-user", "--net"],
] as const
/** The shell gives its place to the program, so that whoever kills it kills the program. */
const START = '"$0" dist-config/loopback.ts && exec "$0" "$@"'

/** Tries it: whether a container or a hardened system allows it is written nowhere. */
export function findNoNetwork(): NoNetwork {
  if (process.platform !== "linux") return { command: null, why: "network namespaces are there on Linux only" }
  if (Bun.which("unshare") === null) return { command: null, why: "`unshare` (util-linux) is not installed" }
  let why = ""
  for (const way of WAYS) {
    const command = [...way, "sh", "-c", START, process.execPath]
    const { success, stderr } = Bun.spawnSync([...command, "--version"], { cwd: repository, stdout: "ignore" })
    if (success) return { command, why: "" }
    why = stderr.toString().trim().split("\n").at(-1) ?? ""
  }
  return { command: null, why: `no network namespace can be made here (${why})` }
}
