// The least that a route can cost: `bun run bench/bare.ts` answers one JSON body of the size of a run's.
import { Elysia } from "elysia"

const body = JSON.parse(process.argv[2] ?? "{}")
const app = new Elysia().get("/", () => body).listen({ hostname: "127.0.0.1", port: 0 })
process.stderr.write(`${JSON.stringify({ url: `http://127.0.0.1:${app.server?.port}`, msg: "ready" })}\n`)
process.on("SIGTERM", () => process.exit(0))
