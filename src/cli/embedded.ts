import { existsSync } from "node:fs"
import { join } from "node:path"

/**
 * Where `migrations/` and `assets/` are: inside the executable, whose modules all say that they live at its root, or in
 * the repository when run from source.
 */
export function embeddedRoot(): string {
  const inExecutable = import.meta.dir
  return existsSync(join(inExecutable, "migrations")) ? inExecutable : join(import.meta.dir, "..", "..")
}
