/** The executable. `__child <kind>` is this program as a sandbox child of itself and must not load the server. */
const [verb, kind] = process.argv.slice(2)
if (verb === "__child") {
  const { runChild } = await import("./cli/child.ts")
  process.exit(await runChild(kind))
}
const { runProgram } = await import("./cli/program.ts")
process.exit(await runProgram(process.argv.slice(2)))

export {}
