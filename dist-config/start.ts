// `npm start`: builds the executable if the sources changed, then serves with the example. More flags may follow `--`.
import { buildExecutable } from "./build.ts"

const { path } = await buildExecutable()
const server = Bun.spawn([path, "serve", "--example", ...process.argv.slice(2)], { stdio: ["inherit", "inherit", "inherit"] })
// Both get the terminal's Ctrl-C; the server decides when it is done.
process.on("SIGINT", () => {})
process.on("SIGTERM", () => server.kill("SIGTERM"))
process.exit(await server.exited)
