import type { Config } from "../config.ts"
import { rfc3339 } from "../kernel/clock.ts"
import { AppError, messageOf } from "../kernel/errors.ts"
import { runExample } from "./example.ts"
import { DEFAULT_PROJECT, DEFAULT_WORKSPACE, type Instance, openInstance } from "./instance.ts"
import { sqliteVersion, VERSION } from "./version.ts"

/** How long requests under way may still take once a stop was asked for. */
const ANSWER_GRACE_MS = 2_000

/** Serves until SIGTERM or SIGINT. Resolves with the exit code. */
export async function serve(config: Config, options: { example?: boolean }): Promise<number> {
  const instance = await openInstance(config)
  const { app, log } = instance
  const stopped = stopSignal()
  const workspace = await firstWorkspace(app)
  const url = await listen(instance, config)
  const resumed = await app.start()
  await banner(instance, config.public_url || url, workspace)
  log.info({ url, data: config.data, version: VERSION, resumed_runs: resumed, migration: instance.migration }, "ready")
  const example = options.example ? showExample(instance, url, stopped.signal) : Promise.resolve()

  await stopped.promise
  log.info({}, "stopping: no new requests are taken, steps under way may finish")
  app.drain()
  await closeServer(app)
  await example
  const inFlight = await instance.close()
  log.info({ runs_in_flight: inFlight }, inFlight === 0 ? "stopped" : "stopped; the runs in flight will resume at the next start")
  return 0
}

/** Only an empty data directory gets the default workspace (S-3): `init` may have made another. */
async function firstWorkspace(app: Instance["app"]): Promise<string> {
  const [known] = await app.auth.workspaces()
  if (known !== undefined) return known
  await app.auth.ensureWorkspace({ tenantId: DEFAULT_WORKSPACE, name: "Default", projectSlug: DEFAULT_PROJECT })
  return DEFAULT_WORKSPACE
}

/** Where the server is reached from this machine. The port is ours alone: shared, it would give every other request away. */
async function listen({ app, close }: Instance, config: Config): Promise<string> {
  try {
    app.http.listen({ hostname: config.host, port: config.port, reusePort: false })
  } catch (error) {
    await close()
    const sentence = `${config.host}:${config.port} cannot be listened on (${messageOf(error)}); stop the other server, or choose another port with --port`
    throw new AppError("unavailable", sentence)
  }
  return `http://${config.host}:${app.http.server?.port ?? config.port}`
}

/** The server goes on when its example cannot. */
async function showExample(instance: Instance, url: string, stop: AbortSignal): Promise<void> {
  try {
    await runExample(instance, url, stop)
  } catch (error) {
    console.error(`The example stopped: ${messageOf(error)}`)
  }
}

/** Answers what was asked already, then closes what is left: an idle connection must not hold up the end. */
async function closeServer(app: Instance["app"]): Promise<void> {
  const server = app.http.server
  await Promise.race([server?.stop(), Bun.sleep(ANSWER_GRACE_MS)])
  await server?.stop(true)
}

async function banner({ app, directory }: Instance, url: string, workspace: string): Promise<void> {
  console.log(`AgentRuntime ${VERSION} is at ${url} (API explorer: ${url}/docs)`)
  console.log(`Data: ${directory.path} (SQLite ${sqliteVersion()})`)
  console.log("Durability: every event is on disk before it is acknowledged (WAL, synchronous=FULL)")
  if (await app.auth.hasUsers()) return
  const token = await app.auth.createSetupLink(workspace)
  console.log(`\nSign in for the first time (until ${rfc3339(Date.now() + 30 * 60_000)}, once): ${url}/setup?token=${token}\n`)
}

/** The first signal asks for an orderly end; a second one ends at once. */
function stopSignal(): { readonly promise: Promise<void>; readonly signal: AbortSignal } {
  const abort = new AbortController()
  const promise = new Promise<void>(resolve => {
    const onSignal = () => {
      if (abort.signal.aborted) process.exit(130)
      abort.abort()
      resolve()
    }
    process.on("SIGTERM", onSignal)
    process.on("SIGINT", onSignal)
  })
  return { promise, signal: abort.signal }
}
