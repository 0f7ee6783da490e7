import { lstatSync, type Stats, statSync } from "node:fs"
import { checkSpelling, type Place, pathInRoot, quoted, Refused, type RootNames, rootOf } from "../file-root.ts"

/** A database file that a call may open. */
export interface DatabaseFile {
  /** Absolute, without symbolic links. */
  readonly path: string
  /** As the caller spelled it, for messages. */
  readonly spelling: string
  /** Device and inode; null when the file does not exist. */
  readonly identity: string | null
}

const NAMES: RootNames = { key: "sqlite_data_root", setting: "sqlite.roots", root: "the data root" }

/**
 * The file behind a spelling. Throws Refused for whatever is outside of the data root or is no plain file: `..`, links
 * that lead out, URIs, devices, the side files of a database, and everything of the runtime's own.
 */
export function locateDatabase(place: Place, spelling: string): DatabaseFile {
  checkDatabaseSpelling(spelling)
  const { root, path } = pathInRoot(place, spelling, "database_path", NAMES)
  if (path === root) throw new Refused(`database_path ${quoted(spelling)} is outside of the data root`)
  const stats = statSync(path, { throwIfNoEntry: false })
  if (stats) checkPlainFile(stats, spelling)
  for (const suffix of SIDE_FILES) checkSideFile(path + suffix, spelling)
  return { path, spelling, identity: stats ? `${stats.dev}:${stats.ino}` : null }
}

/** The real path of the data root, which need not exist yet. Throws Refused for a root that the operator does not allow. */
export function dataRoot(place: Place): string {
  return rootOf(place, NAMES)
}

/** Also matches `x.db-mj0123abcd`, SQLite's super-journals. */
const SIDE_FILE_NAME = /-(wal|shm|journal|mj[0-9a-f]*)$/i
const SIDE_FILES = ["-wal", "-shm", "-journal"]
/** Of URIs, which SQLite may take a name for. */
const URI_CHARS = /[#%]/

function checkDatabaseSpelling(spelling: string): void {
  checkSpelling(spelling, "database_path")
  if (URI_CHARS.test(spelling)) throw new Refused(`database_path ${quoted(spelling)} may not hold # or %`)
  if (SIDE_FILE_NAME.test(spelling))
    throw new Refused(`database_path ${quoted(spelling)} is a side file of a database, not a database`)
  if (spelling.endsWith("/")) throw new Refused(`database_path ${quoted(spelling)} is a folder`)
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
