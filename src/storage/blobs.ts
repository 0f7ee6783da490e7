import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises"
import { join } from "node:path"
import { assert } from "../kernel/errors.ts"
import { StorageFull } from "./database.ts"
import { Mutex } from "./mutex.ts"

const SHA256 = /^[0-9a-f]{64}$/
const HALF_WRITTEN = ".part"
/** Contents that share a lock wait for each other. */
const LOCKS = 256

/**
 * Contents as files of the data directory, each once, named by its hash: `blobs/ab/ab12…`. A file is there whole or not at
 * all: it is written beside its place, synced, and renamed.
 */
export class Blobs {
  readonly #locks = Array.from({ length: LOCKS }, () => new Mutex())
  readonly #writing = new Set<string>()
  #written = 0

  constructor(private readonly folder: string) {}

  /**
   * Nobody else puts or drops this content meanwhile. Whoever names it in a row does so in here, and whoever drops it looks in
   * here for rows that name it: then no row is ever left without its file.
   */
  locked<T>(sha256: string, body: () => Promise<T>): Promise<T> {
    const lock = this.#locks[Number.parseInt(sha256.slice(0, 2), 16)]
    assert(lock && SHA256.test(sha256), "contents are named by their hash")
    return lock.run(body)
  }

  /** Throws `StorageFull`; then nothing of it is left. */
  async put(sha256: string, bytes: Uint8Array): Promise<void> {
    const path = this.#path(sha256)
    if ((await this.#size(path)) === bytes.length) return
    const folder = join(this.folder, sha256.slice(0, 2))
    const name = `${sha256}.${++this.#written}${HALF_WRITTEN}`
    const part = join(folder, name)
    this.#writing.add(name)
    try {
      await mkdir(folder, { recursive: true, mode: 0o700 })
      await written(part, bytes)
      await rename(part, path)
      await synced(folder)
    } catch (error) {
      await rm(part, { force: true })
      if (isFull(error)) throw new StorageFull("the disk is full")
      throw error
    } finally {
      this.#writing.delete(name)
    }
  }

  /** Where it lies; null when it is not there in its full size. */
  async find(sha256: string, sizeBytes: number): Promise<string | null> {
    const path = this.#path(sha256)
    return (await this.#size(path)) === sizeBytes ? path : null
  }

  async drop(sha256: string): Promise<void> {
    await rm(this.#path(sha256), { force: true })
  }

  /** The contents that are there, folder by folder. What a crash left half written is removed on the way. */
  async *list(): AsyncGenerator<readonly string[]> {
    for (const prefix of await names(this.folder)) {
      const folder = join(this.folder, prefix)
      const found = await names(folder)
      yield found.filter(name => SHA256.test(name) && name.startsWith(prefix))
      for (const name of found) {
        if (name.endsWith(HALF_WRITTEN) && !this.#writing.has(name)) await rm(join(folder, name), { force: true })
      }
    }
  }

  #path(sha256: string): string {
    assert(SHA256.test(sha256), "contents are named by their hash")
    return join(this.folder, sha256.slice(0, 2), sha256)
  }

  async #size(path: string): Promise<number | null> {
    const found = await stat(path).catch(absent)
    return found?.isFile() ? found.size : null
  }
}

async function written(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, "w", 0o600)
  await thenClosed(file, async () => {
    await file.writeFile(bytes)
    await file.sync()
  })
}

/** A new name is durable with its folder. Windows cannot open one, and needs no such sync. */
async function synced(folder: string): Promise<void> {
  if (process.platform === "win32") return
  const handle = await open(folder, "r")
  await thenClosed(handle, () => handle.sync())
}

async function thenClosed(file: FileHandle, body: () => Promise<void>): Promise<void> {
  try {
    await body()
  } finally {
    await file.close()
  }
}

async function names(folder: string): Promise<readonly string[]> {
  return (await readdir(folder).catch(absent)) ?? []
}

const ABSENT = new Set(["ENOENT", "ENOTDIR"])
const FULL = new Set(["ENOSPC", "EDQUOT", "EFBIG"])

function absent(error: unknown): null {
  if (ABSENT.has(codeOf(error))) return null
  throw error
}

function isFull(error: unknown): boolean {
  return FULL.has(codeOf(error))
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : ""
}
