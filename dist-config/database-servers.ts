import { chmodSync, existsSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"

/** The database servers that the tests of the database connectors start, and where Debian's packages put them. */
export interface DatabaseServers {
  /** The folder of initdb and postgres. */
  readonly postgres: string | null
  readonly mariadbd: string | null
  readonly mariadbInstall: string | null
  readonly redis: string | null
}

const PACKAGES = { postgres: "postgresql", mariadbd: "mariadb-server", mariadbInstall: "mariadb-server", redis: "redis-server" }
const INSTALL_LIMIT_MS = 15 * 60_000
/** Asked by every package before it starts a service; 101 means "do not". */
const POLICY = "/usr/sbin/policy-rc.d"

export function findDatabaseServers(): DatabaseServers {
  return {
    postgres: postgresFolder(),
    mariadbd: program("mariadbd"),
    mariadbInstall: program("mariadb-install-db"),
    redis: program("redis-server"),
  }
}

export function needsDatabaseServers(path: string): boolean {
  return /^test\/connectors\/(database|postgres|mysql|redis)\//.test(path)
}

/**
 * Installs what is missing, where that can be done without asking anybody: Linux with apt, as root. Elsewhere nothing
 * happens, and the tests say themselves what they lack.
 */
export async function provideDatabaseServers(print: (text: string) => void): Promise<void> {
  const found = findDatabaseServers()
  const missing = [...new Set(Object.entries(PACKAGES).flatMap(([name, of]) => (found[name as keyof typeof found] ? [] : [of])))]
  if (missing.length === 0 || process.platform !== "linux" || process.getuid?.() !== 0) return
  if (Bun.which("apt-get") === null) return
  print(`installing ${missing.join(", ")} for the tests of the database connectors`)
  const ownPolicy = !existsSync(POLICY)
  if (ownPolicy) {
    writeFileSync(POLICY, "#!/bin/sh\nexit 101\n")
    chmodSync(POLICY, 0o755)
  }
  try {
    // A list that cannot be renewed may still be good enough.
    await apt(["update"])
    const { code, output } = await apt(["install", "-y", "--no-install-recommends", ...missing])
    if (code !== 0) print(`apt-get could not install them (${code}):\n${output}`)
  } finally {
    if (ownPolicy) rmSync(POLICY, { force: true })
  }
}

async function apt(args: readonly string[]): Promise<{ code: number; output: string }> {
  const child = Bun.spawn(["apt-get", "-q", "-o", "DPkg::Lock::Timeout=300", ...args], {
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    timeout: INSTALL_LIMIT_MS,
    killSignal: "SIGKILL",
  })
  const [out, err, code] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text(), child.exited])
  return { code, output: out + err }
}

function program(name: string): string | null {
  return Bun.which(name) ?? ["/usr/sbin", "/usr/bin"].map(folder => join(folder, name)).find(existsSync) ?? null
}

/** The newest version's; the packages keep them off the PATH. */
function postgresFolder(): string | null {
  const root = "/usr/lib/postgresql"
  const versions = existsSync(root) ? readdirSync(root).sort((a, b) => Number(b) - Number(a)) : []
  const folder = versions.map(version => join(root, version, "bin")).find(bin => existsSync(join(bin, "initdb")))
  if (folder !== undefined) return folder
  const onPath = Bun.which("initdb")
  return onPath === null ? null : join(onPath, "..")
}
