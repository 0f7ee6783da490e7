import { constants, type Stats } from "node:fs"
import { type FileHandle, lstat, mkdir, open, readdir, rename, unlink } from "node:fs/promises"
import { basename, relative, sep } from "node:path"
import { checkSpelling, type Place, pathInRoot, pathTrouble, quoted, Refused, type RootNames, rootOf } from "../file-root.ts"
import { ToolFailure } from "../kit.ts"
import { Folder } from "./folder.ts"
import { WALK_MAX_DEPTH, WALK_MAX_ENTRIES } from "./limits.ts"
import type { FolderUsage } from "./usage.ts"

const NAMES: RootNames = { key: "files_root", setting: "files.roots", root: "the root" }
const { O_RDONLY, O_WRONLY, O_CREAT, O_EXCL, O_APPEND } = constants
/** A link is no file, and a pipe without anybody at its other end does not hold the call up. */
const GUARDED = (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)

export type WriteMode = "create" | "overwrite" | "append"

export interface Entry {
  /** From the root, with `/`. */
  readonly path: string
  readonly type: "file" | "folder" | "link" | "other"
  readonly size_bytes: number
  readonly modified_at: string
}

/** Reads a part of a plain file. */
export async function readPart(place: Place, spelling: string, offset: number, maxBytes: number) {
  return await within(spelling, async () => {
    await using spot = await findSpot(place, spelling, "must be there")
    const file = await open(spot.folder.at(spot.name), O_RDONLY | GUARDED)
    try {
      const stats = plainFile(await file.stat(), spelling)
      const size = Math.max(0, Math.min(maxBytes, stats.size - offset))
      return { bytes: await bytesAt(file, offset, size), sizeBytes: stats.size, modifiedAt: stats.mtime, path: spot.path }
    } finally {
      await file.close()
    }
  })
}

/** `overwrite` and `create`: the file is there whole or not at all. Durable when it resolves. */
export async function writeWhole(place: Place, spelling: string, bytes: Uint8Array, mode: WriteMode, usage: FolderUsage) {
  return await within(spelling, async () => {
    await using spot = await findSpot(place, spelling, "may be made")
    const target = spot.folder.at(spot.name)
    const before = await lstatIfThere(target)
    if (before) plainFile(before, spelling)
    if (before && mode === "create") throw new Refused(`${quoted(spelling)} is there already; mode overwrite replaces it`)
    const grown = mode === "append" || !before ? bytes.length : bytes.length - before.size
    const giveBack = spot.isOwn ? await usage.reserve(place.defaultRoot, before ? 0 : 1, grown) : () => {}
    try {
      if (mode === "append") await appendTo(target, bytes, spelling)
      else await putInPlace(spot.folder, spot.name, bytes, mode, before)
      await spot.folder.sync()
      return {
        path: spot.path,
        sizeBytes: mode === "append" ? (before?.size ?? 0) + bytes.length : bytes.length,
        created: !before,
      }
    } catch (error) {
      giveBack()
      throw error
    }
  })
}

/** A plain file, no folder. Of a link within the root, the file that it leads to. */
export async function deleteFile(place: Place, spelling: string, usage: FolderUsage): Promise<string> {
  return await within(spelling, async () => {
    await using spot = await findSpot(place, spelling, "must be there")
    const target = spot.folder.at(spot.name)
    const stats = plainFile(await lstat(target), spelling)
    await unlink(target)
    await spot.folder.sync()
    if (spot.isOwn) await usage.reserve(place.defaultRoot, -1, -stats.size)
    return spot.path
  })
}

export interface Walk {
  readonly recursive: boolean
  readonly limit: number
  readonly matches: (path: string) => boolean
}

/** Entries of a folder by name; links are named and not followed. */
export async function listFolder(place: Place, spelling: string, walk: Walk) {
  return await within(spelling, async () => {
    const { root, path } = spelling === "" ? atRoot(place) : located(place, spelling)
    const entries: Entry[] = []
    let seen = 0
    let isCut = false
    const visit = async (folder: Folder, prefix: string, depth: number): Promise<void> => {
      for (const name of (await readdir(folder.at("."))).toSorted()) {
        if (entries.length >= walk.limit || seen++ >= WALK_MAX_ENTRIES) {
          isCut = true
          return
        }
        const entry = await entryOf(folder, name, prefix)
        if (!entry) continue
        if (walk.matches(entry.path)) entries.push(entry)
        if (entry.type !== "folder" || !walk.recursive) continue
        if (depth >= WALK_MAX_DEPTH) isCut = true
        else await inFolder(await folder.enter(name), below => visit(below, `${entry.path}/`, depth + 1))
      }
    }
    const start = await Folder.open(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT" && path === root) return null // made by the first write
      throw error
    })
    const prefix = path === root ? "" : `${wire(root, path)}/`
    if (start) await inFolder(start, folder => visit(folder, prefix, 0))
    return { path: wire(root, path), entries, truncated: isCut }
  })
}

/** Whether the root may be used. Throws `ToolFailure`. */
export async function probeRoot(place: Place): Promise<void> {
  await within("", async () => atRoot(place))
}

interface Spot extends AsyncDisposable {
  readonly folder: Folder
  readonly name: string
  /** From the root, with `/`. */
  readonly path: string
  /** In the project's own folder, which has a quota. */
  readonly isOwn: boolean
}

async function findSpot(place: Place, spelling: string, wish: "must be there" | "may be made"): Promise<Spot> {
  const { root, path } = located(place, spelling)
  if (path === root || spelling.endsWith("/")) throw new Refused(`${quoted(spelling)} is a folder`)
  const folders = relative(root, path).split(sep).slice(0, -1)
  const own = rootOf({ ...place, configuredRoot: "" }, NAMES)
  const isOwn = root === own || root.startsWith(own + sep)
  if (wish === "may be made" && isOwn) await mkdir(root, { recursive: true, mode: 0o700 })
  let folder = await Folder.open(root)
  for (const name of folders) {
    const outer = folder
    try {
      folder = wish === "may be made" ? await outer.make(name) : await outer.enter(name)
    } finally {
      await outer.close()
    }
  }
  return { folder, name: basename(path), path: wire(root, path), isOwn, [Symbol.asyncDispose]: () => folder.close() }
}

function located(place: Place, spelling: string) {
  checkSpelling(spelling, "path")
  return pathInRoot(place, spelling, "path", NAMES)
}

function atRoot(place: Place) {
  const root = rootOf(place, NAMES)
  return { root, path: root }
}

function wire(root: string, path: string): string {
  return relative(root, path).replaceAll(sep, "/")
}

function plainFile(stats: Stats, spelling: string): Stats {
  if (stats.isDirectory()) throw new Refused(`${quoted(spelling)} is a folder`)
  if (!stats.isFile()) throw new Refused(`${quoted(spelling)} is not a plain file`)
  // A second name could be one outside of the root.
  if (stats.nlink > 1) throw new Refused(`${quoted(spelling)} has a second name (hard link)`)
  return stats
}

async function bytesAt(file: FileHandle, offset: number, size: number): Promise<Uint8Array> {
  const into = Buffer.alloc(size)
  let got = 0
  while (got < size) {
    const { bytesRead } = await file.read(into, got, size - got, offset + got)
    if (bytesRead === 0) break // it became shorter
    got += bytesRead
  }
  return into.subarray(0, got)
}

async function appendTo(target: string, bytes: Uint8Array, spelling: string): Promise<void> {
  const file = await open(target, O_WRONLY | O_APPEND | O_CREAT | GUARDED, 0o600)
  try {
    plainFile(await file.stat(), spelling)
    await file.writeFile(bytes)
    await file.sync()
  } finally {
    await file.close()
  }
}

async function putInPlace(folder: Folder, name: string, bytes: Uint8Array, mode: WriteMode, before: Stats | null): Promise<void> {
  const part = folder.at(`.${crypto.randomUUID()}.part`)
  const file = await open(part, O_WRONLY | O_CREAT | O_EXCL | GUARDED, before ? before.mode & 0o777 : 0o600)
  try {
    try {
      await file.writeFile(bytes)
      await file.sync()
    } finally {
      await file.close()
    }
    // Takes the name, which somebody else may have taken meanwhile; then the content takes its place.
    if (mode === "create") await (await open(folder.at(name), O_WRONLY | O_CREAT | O_EXCL | GUARDED, 0o600)).close()
    await rename(part, folder.at(name))
  } catch (error) {
    await unlink(part).catch(() => {})
    throw error
  }
}

async function entryOf(folder: Folder, name: string, prefix: string): Promise<Entry | null> {
  const stats = await lstatIfThere(folder.at(name))
  if (!stats) return null
  const type = stats.isFile() ? "file" : stats.isDirectory() ? "folder" : stats.isSymbolicLink() ? "link" : "other"
  return { path: prefix + name, type, size_bytes: stats.isFile() ? stats.size : 0, modified_at: stats.mtime.toISOString() }
}

async function lstatIfThere(path: string): Promise<Stats | null> {
  return await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null
    throw error
  })
}

async function inFolder(folder: Folder, work: (folder: Folder) => Promise<void>): Promise<void> {
  try {
    await work(folder)
  } finally {
    await folder.close()
  }
}

/** What goes wrong, as the caller's sentence: never with a path of this machine. */
async function within<T>(spelling: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof Refused) throw new ToolFailure(error.message)
    const code = error instanceof Error && "code" in error ? String(error.code) : ""
    switch (code) {
      case "":
        throw error
      case "ENOENT":
        throw new ToolFailure(`${quoted(spelling)} does not exist`)
      case "EEXIST":
        throw new ToolFailure(`${quoted(spelling)} is there already; mode overwrite replaces it`)
      case "ENXIO":
        throw new ToolFailure(`${quoted(spelling)} is not a plain file`)
      case "ENOSPC":
      case "EDQUOT":
        throw new ToolFailure("the disk is full; nothing was written", { retryable: true })
      default:
        throw new ToolFailure(`${quoted(spelling)} cannot be used: ${pathTrouble(error)}`)
    }
  }
}
