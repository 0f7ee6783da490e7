import { runChild } from "../../../src/cli/child.ts"

/** What `agentruntime __child feeds` does, without the rest of the program. */
process.exit(await runChild("feeds"))
