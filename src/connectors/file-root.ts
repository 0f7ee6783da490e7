import { lstatSync, realpathSync } from "node:fs"
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from "node:path"
import { cut } from "../kernel/cut.ts"

export const PATH_MAX_CHARS = 1_024

/** Where the files of a connector may be. All but `configuredRoot` come from the operator, as absolute paths. */
export interface Place {
  /** The project's own folder: made by the first write, and the root unless the configuration names another. */
  readonly defaultRoot: string
  /** The folder that the configuration names; empty: none. */
  readonly configuredRoot: string
  /** Further folders that the operator lets projects name as root. */
  readonly allowedRoots: readonly string[]
  /** Folders of the runtime itself: nothing in them is for anybody, but for `defaultRoot`. */
  readonly forbiddenRoots: readonly string[]
}

/** How a connector's configuration and the operator's settings call the root. */
export interface RootNames {
  /** Key of the configuration, e.g. `files_root`. */
  readonly key: string
  readonly setting: string
  /** In sentences. */
  readonly root: string
}

/** A call that is refused, with the sentence for the caller. Trying again does not help. */
export class Refused extends Error {
  override readonly name = "Refused"
}

/** The real path of the root, which need not exist yet. Throws Refused for a root that the operator does not allow. */
export function rootOf(place: Place, names: RootNames): string {
  const own = realPath(place.defaultRoot, names.root)
  if (place.configuredRoot === "") return own
  checkSpelling(place.configuredRoot, names.key)
  const root = realPath(resolve(own, place.configuredRoot), place.configuredRoot)
  const allowed = [own, ...place.allowedRoots.map(r => realPath(r, "an allowed root"))]
  if (allowed.some(a => a === root || isInside(a, root)) && !isReserved(place, root)) return root
  throw new Refused(
    `${names.key} ${quoted(place.configuredRoot)} is not a folder that the operator allows: leave it empty, or have the folder ` +
      `added to ${names.setting} of the runtime's settings`,
  )
}

/**
 * The real path behind a checked spelling, and the root that it is in. Throws Refused for whatever is outside: `..`, links
 * that lead out, and everything of the runtime's own.
 */
export function pathInRoot(
  place: Place,
  spelling: string,
  what: string,
  names: RootNames,
): { readonly root: string; readonly path: string } {
  const root = rootOf(place, names)
  const path = realPath(resolve(root, spelling), spelling)
  if (path !== root && !isInside(root, path)) throw new Refused(`${what} ${quoted(spelling)} is outside of ${names.root}`)
  if (isReserved(place, path)) throw new Refused(`${what} ${quoted(spelling)} belongs to the runtime itself`)
  return { root, path }
}

// Control characters, and what is special to Windows. Spelled out so that one rule holds everywhere.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
const FORBIDDEN_CHARS = /[\u0000-\u001f\u007f\\:*?"<>|]/
const WINDOWS_DEVICE = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i

export function checkSpelling(spelling: string, what: string): void {
  if (spelling.trim() === "") throw new Refused(`${what} is empty`)
  if (spelling.length > PATH_MAX_CHARS) throw new Refused(`${what} is longer than ${PATH_MAX_CHARS} characters`)
  if (FORBIDDEN_CHARS.test(spelling)) {
    throw new Refused(
      `${what} ${quoted(spelling)} is not a plain file path: no URIs, no control characters, none of \\ : * ? " < > |`,
    )
  }
  if (spelling.startsWith("~")) throw new Refused(`${what} ${quoted(spelling)} starts with ~, which names no folder here`)
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
      throw new Refused(`${quoted(spelling)} cannot be reached: ${pathTrouble(error)}`)
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
  const own = realPath(place.defaultRoot, "the project's folder")
  if (path === own || isInside(own, path)) return false
  return place.forbiddenRoots.some(forbidden => {
    const root = realPath(forbidden, "the data directory")
    return path === root || isInside(root, path)
  })
}

/** What a system error on a path means, without the path. */
export function pathTrouble(error: unknown): string {
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
  return JSON.stringify(cut(spelling, 120))
}
