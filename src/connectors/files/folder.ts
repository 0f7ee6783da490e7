import { constants, existsSync } from "node:fs"
import { type FileHandle, mkdir, open, readlink, realpath } from "node:fs/promises"
import { join } from "node:path"
import { quoted, Refused } from "../file-root.ts"

/** On Linux a name can be looked up in the folder that is open, wherever its path leads by now. */
const BY_DESCRIPTOR = process.platform === "linux" && existsSync("/proc/self/fd")
/** Windows cannot open a folder; it has no such flags either. */
const FLAGS = constants.O_RDONLY | (constants.O_DIRECTORY ?? 0) | (constants.O_NOFOLLOW ?? 0)

/**
 * A folder that was vetted and is held open. Somebody who replaces a part of its path by a link in between gains nothing: on
 * Linux names are looked up in what is open, elsewhere the path is looked at once more.
 */
export class Folder {
  private constructor(
    private readonly handle: FileHandle | null,
    private readonly path: string,
  ) {}

  /** `path`: absolute and without links. Throws Refused when it is not exactly that any more, and system errors. */
  static async open(path: string): Promise<Folder> {
    if (process.platform === "win32") return await new Folder(null, path).#checked(path)
    return await new Folder(await open(path, FLAGS), path).#checked(path)
  }

  /** Where the system finds a name of this folder. */
  at(name: string): string {
    return BY_DESCRIPTOR && this.handle ? `/proc/self/fd/${this.handle.fd}/${name}` : join(this.path, name)
  }

  async enter(name: string): Promise<Folder> {
    const path = join(this.path, name)
    if (!this.handle) return await Folder.open(path)
    return await new Folder(await open(this.at(name), FLAGS), path).#checked(path)
  }

  /** Its folder of this name, made when it is not there. */
  async make(name: string): Promise<Folder> {
    await mkdir(this.at(name), { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error
    })
    return await this.enter(name)
  }

  /** What was made, renamed or removed in it is durable. */
  async sync(): Promise<void> {
    await this.handle?.sync()
  }

  async close(): Promise<void> {
    await this.handle?.close()
  }

  async #checked(path: string): Promise<this> {
    const now = BY_DESCRIPTOR && this.handle ? await readlink(`/proc/self/fd/${this.handle.fd}`) : await realpath(path)
    if (now === path) return this
    await this.close()
    throw new Refused(`${quoted(path.split(/[\\/]/).at(-1) ?? "")} was moved or replaced in the middle of the call`)
  }
}
