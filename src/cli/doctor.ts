import { accessSync, constants, existsSync, statfsSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { readMasterKey } from "../adapters/vault/master-key.ts"
import type { Config } from "../config.ts"
import { rfc3339 } from "../kernel/clock.ts"
import { messageOf } from "../kernel/errors.ts"
import { type DataDirectory, dataDirectory, lockHolder, networkFileSystem } from "../storage/data-directory.ts"
import { inspectSqlite } from "../storage/inspect.ts"
import { embeddedRoot } from "./embedded.ts"
import { sqliteVersion } from "./version.ts"

interface Finding {
  readonly check: string
  readonly verdict: "ok" | "warning" | "failed"
  /** What was found, and what to do when it is not ok. */
  readonly message: string
}

const GIB = 1024 ** 3
/** Below these a warning, a failure. */
const DISK_LOW_BYTES = 2 * GIB
const DISK_MIN_BYTES = GIB / 8
/** SQLite before this one can lose data in WAL mode after a rare race. */
const SQLITE_MIN = [3, 51, 3] as const
/** No clock of a working machine says less: it is older than this program. */
const CLOCK_MIN_MS = Date.UTC(2026, 0, 1)

/** Looks at everything an instance needs here; changes nothing. Exit code 1 when something failed. */
export async function doctor(config: Config, options: { json?: boolean }): Promise<number> {
  const directory = dataDirectory(config.data)
  const findings = [
    dataDirectoryCheck(directory),
    fileSystemCheck(directory),
    diskCheck(directory),
    ownerCheck(directory),
    keyCheck(directory),
    sqliteCheck(),
    databaseCheck(directory),
    clockCheck(directory),
    temporaryCheck(),
    await portCheck(config, directory),
  ]
  const failed = findings.some(f => f.verdict === "failed")
  if (options.json) console.log(JSON.stringify({ ok: !failed, findings }))
  else for (const f of findings) console.log(`${f.verdict.padEnd(8)} ${f.check.padEnd(15)} ${f.message}`)
  return failed ? 1 : 0
}

/** The nearest folder that exists, for an instance that was never started. */
function existing(path: string): string {
  let at = path
  while (!existsSync(at) && dirname(at) !== at) at = dirname(at)
  return at
}

function dataDirectoryCheck({ path }: DataDirectory): Finding {
  const check = "data directory"
  const folder = existing(path)
  try {
    accessSync(folder, constants.W_OK)
    if (!statSync(folder).isDirectory()) throw new Error("a file is in the way")
  } catch {
    return {
      check,
      verdict: "failed",
      message: `${folder} is no folder that can be written; give this user the right to, or choose another with --data`,
    }
  }
  return { check, verdict: "ok", message: folder === path ? path : `${path} will be made at the first start` }
}

function fileSystemCheck({ path }: DataDirectory): Finding {
  const network = networkFileSystem(existing(path))
  if (!network) return { check: "file system", verdict: "ok", message: "local" }
  return {
    check: "file system",
    verdict: "failed",
    message: `${network}: SQLite can lose data there; choose a local disk with --data`,
  }
}

function diskCheck({ path }: DataDirectory): Finding {
  const { bavail, bsize } = statfsSync(existing(path))
  const free = Number(bavail) * Number(bsize)
  const message = `${(free / GIB).toFixed(1)} GiB free`
  if (free < DISK_MIN_BYTES) return { check: "disk", verdict: "failed", message: `${message}; free some space before you start` }
  if (free < DISK_LOW_BYTES) return { check: "disk", verdict: "warning", message: `${message}; make room soon` }
  return { check: "disk", verdict: "ok", message }
}

function ownerCheck(directory: DataDirectory): Finding {
  const pid = lockHolder(directory)
  return {
    check: "owner",
    verdict: "ok",
    message: pid === null ? "no process uses the data directory" : `process ${pid} is running on it`,
  }
}

function keyCheck(directory: DataDirectory): Finding {
  const check = "master key"
  if (!existsSync(directory.masterKey)) {
    if (!existsSync(directory.database)) return { check, verdict: "ok", message: "will be made at the first start" }
    const message = `${directory.masterKey} is missing: restore it from a backup, the stored secrets cannot be read without it`
    return { check, verdict: "failed", message }
  }
  try {
    const { fingerprint } = readMasterKey(directory.masterKey)
    const expected = existsSync(directory.database) ? inspectSqlite(directory.database).masterKeyFingerprint : null
    if (expected === null || expected === fingerprint)
      return { check, verdict: "ok", message: `fingerprint ${fingerprint.slice(0, 12)}` }
    return { check, verdict: "failed", message: "is not the key that the stored secrets are sealed with; restore that one" }
  } catch (error) {
    return { check, verdict: "failed", message: messageOf(error) }
  }
}

function sqliteCheck(): Finding {
  const found = sqliteVersion()
  const [major = 0, minor = 0, patch = 0] = found.split(".").map(Number)
  const [a, b, c] = SQLITE_MIN
  const good = major > a || (major === a && (minor > b || (minor === b && patch >= c)))
  return {
    check: "SQLite",
    verdict: good ? "ok" : "warning",
    message: good ? found : `${found} is older than ${SQLITE_MIN.join(".")}`,
  }
}

function databaseCheck({ database }: DataDirectory): Finding {
  const check = "database"
  if (!existsSync(database)) return { check, verdict: "ok", message: "will be made at the first start" }
  try {
    const { integrity, migrations, sizeBytes } = inspectSqlite(database)
    if (integrity !== "ok") {
      const message = `damaged (${integrity}); stop the server and restore the newest copy from backups/`
      return { check, verdict: "failed", message }
    }
    return { check, verdict: "ok", message: `sound, ${migrations} migrations, ${(sizeBytes / 1024 ** 2).toFixed(1)} MiB` }
  } catch (error) {
    return { check, verdict: "failed", message: `cannot be read: ${messageOf(error)}` }
  }
}

function clockCheck({ database }: DataDirectory): Finding {
  const check = "clock"
  const now = Date.now()
  const newest = existsSync(database) ? newestEvent(database) : null
  if (now < CLOCK_MIN_MS) return { check, verdict: "failed", message: `says ${rfc3339(now)}; set it (NTP)` }
  if (newest !== null && newest > now + 60_000) {
    const message = `says ${rfc3339(now)}, but the newest event is of ${rfc3339(newest)}: it was set back; check NTP`
    return { check, verdict: "warning", message }
  }
  return { check, verdict: "ok", message: rfc3339(now) }
}

function newestEvent(database: string): number | null {
  try {
    return inspectSqlite(database).newestRunAt
  } catch {
    return null // databaseCheck says why
  }
}

/** The SQLite addon is unpacked into the temporary directory at every start. */
function temporaryCheck(): Finding {
  const folder = tmpdir()
  try {
    accessSync(folder, constants.W_OK)
    statSync(join(embeddedRoot(), "migrations"))
    return { check: "temporary", verdict: "ok", message: folder }
  } catch {
    return { check: "temporary", verdict: "failed", message: `${folder} cannot be written; set BUN_TMPDIR to a folder that can` }
  }
}

async function portCheck(config: Config, directory: DataDirectory): Promise<Finding> {
  const where = `${config.host}:${config.port}`
  try {
    const server = Bun.serve({ hostname: config.host, port: config.port, fetch: () => new Response() })
    await server.stop(true)
    return { check: "port", verdict: "ok", message: `${where} is free` }
  } catch {
    const own = lockHolder(directory) !== null
    if (own) return { check: "port", verdict: "ok", message: `${where} is in use, probably by the running instance` }
    return { check: "port", verdict: "failed", message: `${where} is in use by another program; choose another with --port` }
  }
}
