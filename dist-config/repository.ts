import { join } from "node:path"

/** The folder that everything here is named from. */
export const repository = join(import.meta.dir, "..")
