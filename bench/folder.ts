import { mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { join } from "node:path"

const repository = join(import.meta.dir, "..")

export const migrationsFolder = join(repository, "migrations", "sqlite")

/**
 * A fresh folder on the repository's disk, gone with the process. Not the system's temporary folder: where that is held in
 * memory, a sync costs nothing and every figure is a lie.
 */
export function benchFolder(): string {
  const parent = join(repository, ".cache")
  mkdirSync(parent, { recursive: true })
  const folder = mkdtempSync(join(parent, "bench-"))
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }))
  return folder
}
