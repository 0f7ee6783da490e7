import { createHmac, randomBytes } from "node:crypto"
import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs"
import { dirname } from "node:path"
import { AppError } from "../../kernel/errors.ts"
import { KEY_BYTES } from "./seal.ts"

export interface MasterKey {
  readonly bytes: Uint8Array
  /** Tells keys apart without giving anything away; stored in the database and beside every data key. */
  readonly fingerprint: string
}

/**
 * The key of the instance. Made where there is none, but only while the database has never known one: a fresh key
 * beside old secrets would open nothing and hide what is wrong.
 */
export function openMasterKey(path: string, expectedFingerprint: string | null): MasterKey {
  if (!existsSync(path)) {
    if (expectedFingerprint !== null)
      throw refusal(
        `the master key ${path} is missing, and the secrets of this database cannot be read without it. ` +
          "Put the file back (from where you keep its copy) and start again.",
        "MASTER_KEY_MISSING",
      )
    return createMasterKey(path)
  }
  const key = readMasterKey(path)
  if (expectedFingerprint !== null && key.fingerprint !== expectedFingerprint)
    throw refusal(
      `${path} is not the master key of this database: its fingerprint is ${key.fingerprint}, expected ${expectedFingerprint}. ` +
        "Put the right file there, or the database that belongs to this one, and start again; nothing was changed.",
      "MASTER_KEY_WRONG",
    )
  return key
}

export function readMasterKey(path: string): MasterKey {
  const { mode } = statSync(path)
  // Windows has no such bits: Node invents them.
  if (process.platform !== "win32" && (mode & 0o077) !== 0)
    throw refusal(
      `the master key ${path} can be read by others (mode ${(mode & 0o777).toString(8)}). Run: chmod 600 '${path}'`,
      "MASTER_KEY_EXPOSED",
    )
  const bytes = decode(readFileSync(path, "utf8").trim())
  if (!bytes)
    throw refusal(
      `the master key ${path} is damaged: it must hold ${KEY_BYTES} bytes as hex or base64. Put the right file back and start again.`,
      "MASTER_KEY_DAMAGED",
    )
  return masterKeyOf(bytes)
}

/**
 * Complete or not there at all: written and synced under another name, then linked, which fails when somebody else was
 * first; then theirs counts.
 */
export function createMasterKey(path: string): MasterKey {
  const draft = `${path}.${randomBytes(6).toString("hex")}.tmp`
  const file = openSync(draft, "wx", 0o600)
  try {
    writeSync(file, `${randomBytes(KEY_BYTES).toString("hex")}\n`)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  try {
    publish(draft, path)
  } finally {
    rmSync(draft, { force: true })
  }
  syncFolder(dirname(path))
  return readMasterKey(path)
}

/** Puts `next` in the place of `path`; a crash leaves one or the other. */
export function replaceMasterKey(path: string, next: string): void {
  renameSync(next, path)
  syncFolder(dirname(path))
}

export function masterKeyOf(bytes: Uint8Array): MasterKey {
  const fingerprint = createHmac("sha256", bytes).update("agentruntime/master-key/fingerprint").digest("hex").slice(0, 32)
  return { bytes, fingerprint }
}

function publish(draft: string, path: string): void {
  try {
    linkSync(draft, path)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === "EEXIST") return
    // A file system without hard links; the data directory's lock keeps others away.
    if (!existsSync(path)) renameSync(draft, path)
  }
}

function decode(text: string): Uint8Array | null {
  if (/^[0-9a-f]{64}$/i.test(text)) return Buffer.from(text, "hex")
  if (!/^[A-Za-z0-9+/_-]{43}=?$/.test(text)) return null
  return Buffer.from(text, "base64")
}

/** So that the name, too, survives a power failure. Windows cannot open a folder. */
function syncFolder(path: string): void {
  if (process.platform === "win32") return
  const folder = openSync(path, "r")
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}

function refusal(sentence: string, code: string): AppError {
  return new AppError("unavailable", sentence, { code })
}
