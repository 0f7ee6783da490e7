import { lstatSync, realpathSync, type Stats, statSync } from "node:fs"
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from "node:path"
import { PATH_MAX_CHARS } from "./limits.ts"
import { type Place, Refused } from "./protocol.ts"

/** A database file that a call may open. */
export interface DatabaseFile {
  /** Absolute, without symbolic links. */
  readonly path: string
  /** As the caller spelled it, for messages. */
  readonly spelling: string
  /** Device and inode; null when the file does not exist. */
  readonly identity: string | null
}

/**
 * The file behind a spelling. Throws Refused for whatever is outside of the data root or is no plain file: `..`, links
 * that lead out, URIs, devices, the side files of a database, and everything of the runtime's own.
 */
export function locateDatabase(place: Place, spelling: string): DatabaseFile {
  checkSpelling(spelling, "database_path")
  if (spelling.endsWith("/")) throw new Refused(`database_path ${quoted(spelling)} is a folder`)
  const root = dataRoot(place)
  const path = realPath(resolve(root, spelling), spelling)
  if (!isInside(root, path)) throw new Refused(`database_path ${quoted(spelling)} is outside of the data root`)
  if (isReserved(place, path)) throw new Refused(`database_path ${quoted(spelling)} belongs to the runtime itself`)
  const stats = statIfThere(path)
  if (stats) checkPlainFile(stats, spelling)
  for (const suffix of SIDE_FILES) checkSideFile(path + suffix, spelling)
  return { path, spelling, identity: stats ? `${stats.dev}:${stats.ino}` : null }
}

/** The real path of the data root, which need not exist yet. Throws Refused for a root that the operator does not allow. */
export function dataRoot(place: Place): string {
  const own = realPath(place.defaultRoot, "the data root")
  if (place.configuredRoot === "") return own
  checkSpelling(place.configuredRoot, "sqlite_data_root")
  const root = realPath(resolve(own, place.configuredRoot), place.configuredRoot)
  const allowed = [own, ...place.allowedRoots.map(r => realPath(r, "an allowed root"))]
  if (allowed.some(a => a === root || isInside(a, root)) && !isReserved(place, root)) return root
  throw new Refused(
    `sqlite_data_root ${quoted(place.configuredRoot)} is not a folder that the operator allows: leave it empty, or have the folder ` +
      "added to the SQLite roots of the runtime's configuration",
  )
}

/** Also matches `x.db-mj0123abcd`, SQLite's super-journals. */
const SIDE_FILE_NAME = /-(wal|shm|journal|mj[0-9a-f]*)$/i
const SIDE_FILES = ["-wal", "-shm", "-journal"]

// Control characters, and what is special to Windows, to URIs or to a shell. Spelled out so that one rule holds everywhere.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
const FORBIDDEN_CHARS = /[\u0000-\u001f\u007f\\:*?"<>|#%]/
const WINDOWS_DEVICE = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i

function checkSpelling(spelling: string, what: string): void {
  if (spelling.trim() === "") throw new Refused(`${what} is empty`)
  if (spelling.length > PATH_MAX_CHARS) throw new Refused(`${what} is longer than ${PATH_MAX_CHARS} characters`)
  if (FORBIDDEN_CHARS.test(spelling)) {
    throw new Refused(
      `${what} ${quoted(spelling)} is not a plain file path: no URIs, no control characters, none of \\ : * ? " < > | # %`,
    )
  }
  if (spelling.startsWith("~")) throw new Refused(`${what} ${quoted(spelling)} starts with ~, which names no folder here`)
  if (SIDE_FILE_NAME.test(spelling)) throw new Refused(`${what} ${quoted(spelling)} is a side file of a database, not a database`)
  for (const segment of spelling.split("/")) {
    if (segment === "..") throw new Refused(`${what} ${quoted(spelling)} may not hold ".."`)
    if (segment !== "." && /[. ]$/.test(segment))
      throw new Refused(`${what} ${quoted(spelling)} has a name that ends in a dot or a blank`)
    if (process.platform === "win32" && WINDOWS_DEVICE.test(segment))
      throw new Refused(`${what} ${quoted(spelling)} names a device`)
  }
}

/** Every existing part with its links followed; what does not exist yet is kept as spelled. */
function realPath(path: string, spelling: string): string {
  try {
    return realpathSync.native(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT")
      throw new Refused(`${quoted(spelling)} cannot be reached: ${reason(error)}`)
  }
  // A link that leads nowhere would be followed when the file is made.
  if (lstatSync(path, { throwIfNoEntry: false })) throw new Refused(`${quoted(spelling)} is a symbolic link that leads nowhere`)
  const parent = dirname(path)
  if (parent === path) return path
  return join(realPath(parent, spelling), basename(path))
}

function isInside(root: string, path: string): boolean {
  const way = relative(root, path)
  return way !== "" && way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way)
}

/** In a folder of the runtime, and not in the part of it that is this project's. */
function isReserved(place: Place, path: string): boolean {
  const own = realPath(place.defaultRoot, "the data root")
  if (path === own || isInside(own, path)) return false
  return place.forbiddenRoots.some(forbidden => {
    const root = realPath(forbidden, "the data directory")
    return path === root || isInside(root, path)
  })
}

function statIfThere(path: string): Stats | undefined {
  return statSync(path, { throwIfNoEntry: false })
}

function checkPlainFile(stats: Stats, spelling: string): void {
  if (!stats.isFile()) throw new Refused(`database_path ${quoted(spelling)} is not a file`)
  // A second name could be one outside of the root; SQLite's locks and journals do not hold across names either.
  if (stats.nlink > 1) throw new Refused(`database_path ${quoted(spelling)} has a second name (hard link)`)
}

function checkSideFile(path: string, spelling: string): void {
  const stats = lstatSync(path, { throwIfNoEntry: false })
  if (stats && !stats.isFile()) throw new Refused(`a side file of database_path ${quoted(spelling)} is not a plain file`)
}

function reason(error: unknown): string {
  switch ((error as NodeJS.ErrnoException).code) {
    case "ENOTDIR":
      return "a part of the path is not a folder"
    case "ELOOP":
      return "its symbolic links go in circles"
    case "EACCES":
    case "EPERM":
      return "the runtime may not read a part of the path"
    case "ENAMETOOLONG":
      return "a name is too long"
    default:
      return "the file system refuses the path"
  }
}

export function quoted(spelling: string): string {
  return JSON.stringify(spelling.length > 120 ? `${spelling.slice(0, 120)}…` : spelling)
}
