import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { isFinal, type RunStatus } from "../engine/state.ts"
import { AppError } from "../kernel/errors.ts"
import { connect } from "../storage/sqlite/driver.ts"
import { embeddedRoot } from "./embedded.ts"
import { AGENT_MODEL, AGENT_NAME, AGENT_TOOLS, exampleGraph, INSTANCE_NAME, WORKFLOW_NAME } from "./example-graph.ts"
import { DEFAULT_PROJECT, DEFAULT_WORKSPACE, type Instance } from "./instance.ts"

const POLL_MS = 100
const SCOPES = ["workflow:read", "workflow:run", "mcp:execute"]

/** Only what the example reads of the API's answers. */
interface RunAnswer {
  readonly run_id: string
  readonly status: RunStatus
  readonly pause_reason: string | null
}
interface EventAnswer {
  readonly seq: number
  readonly event_type: string
  readonly step_id: string | null
  readonly created_at: string
  readonly data: { readonly [key: string]: unknown }
}

/**
 * Loads the example into the default project, starts it once, and prints what happens. Everything after the token goes
 * through the API, as a user's program would. A second time it changes nothing and shows where the run stands.
 */
export async function runExample(instance: Instance, url: string, stop: AbortSignal): Promise<void> {
  const { token, tokenFile, projectId } = await exampleToken(instance)
  loadWeather(join(instance.directory.sqliteRoot, projectId))
  const call = client(instance, url, token)
  const workflowId = await ensureWorkflow(call)
  const { runs } = await call<{ runs: readonly RunAnswer[] }>("GET", `/v1/workflows/${workflowId}/runs?limit=1`)
  const runId = runs[0]?.run_id ?? (await startRun(call, workflowId))
  console.log(`Example "${WORKFLOW_NAME}", run ${runId}${runs[0] ? " (started earlier)" : ""}:`)
  await tellOfModels(call)
  await follow(call, { workflowId, runId, url, tokenFile }, stop)
}

type Call = <T>(method: string, path: string, body?: object) => Promise<T>

function client({ app }: Instance, url: string, token: string): Call {
  return async <T>(method: string, path: string, body?: object) => {
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" }
    const init = body ? { method, headers, body: JSON.stringify(body) } : { method, headers }
    const response = await app.http.handle(new Request(url + path, init))
    const answer = await response.json()
    if (response.ok) return answer as T
    throw new AppError("unavailable", `the example could not ${method} ${path}: ${JSON.stringify(answer)}`)
  }
}

/** The example acts as an account that cannot sign in; its token is kept beside the data, for the person's commands. */
async function exampleToken({ app, directory }: Instance) {
  const { tenantId, projectId } = await app.auth.ensureWorkspace({
    tenantId: DEFAULT_WORKSPACE,
    name: "Default",
    projectSlug: DEFAULT_PROJECT,
  })
  const { userId } = await app.auth.ensureServiceAccount({ email: "example@localhost", name: "Example", tenantId, projectId })
  const tokenFile = join(directory.path, "example.pat")
  const pat = await app.pats.ensure({ tenantId, projectId, userId }, { displayName: "example", scopes: SCOPES })
  if (pat.token !== null) writeFileSync(tokenFile, pat.token, { mode: 0o600 })
  if (!existsSync(tokenFile)) {
    throw new AppError(
      "unavailable",
      `the example's token ${tokenFile} is gone; use another data directory to see the example again`,
    )
  }
  return { token: readFileSync(tokenFile, "utf8"), tokenFile, projectId }
}

/** Daily observations of NOAA, Seattle 2012–2015, as a SQLite file where the connector looks for it. */
function loadWeather(folder: string): void {
  const path = join(folder, "weather.db")
  if (existsSync(path)) return
  mkdirSync(folder, { recursive: true })
  const [, ...lines] = readFileSync(join(embeddedRoot(), "assets", "example", "seattle-weather.csv"), "utf8")
    .trim()
    .split("\n")
  const database = connect(path)
  database.exec(`
    CREATE TABLE weather (date TEXT PRIMARY KEY, precipitation REAL, temp_max REAL, temp_min REAL, wind REAL, weather TEXT);
    CREATE TABLE reports (id INTEGER PRIMARY KEY, created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP, year TEXT NOT NULL, text TEXT NOT NULL);
  `)
  const insert = database.prepare("INSERT INTO weather VALUES (?, ?, ?, ?, ?, ?)")
  database.transaction(() => {
    for (const line of lines) {
      const [date = "", rain, max, min, wind, weather = ""] = line.trim().split(",")
      insert.run(date, Number(rain), Number(max), Number(min), Number(wind), weather)
    }
  })()
  database.close()
}

async function ensureWorkflow(call: Call): Promise<string> {
  const { workflows } = await call<{ workflows: readonly { id: string; name: string }[] }>("GET", "/v1/workflows?limit=100")
  const known = workflows.find(w => w.name === WORKFLOW_NAME)
  if (known) return known.id
  const instance = await call<{ id: string }>("POST", "/v1/mcp/instances", {
    server_id: "sqlite",
    name: INSTANCE_NAME,
    config: { sqlite_default_database_path: "weather.db", sqlite_allow_write: true },
  })
  const agent = await call<{ id: string }>("POST", "/v1/agents", {
    name: AGENT_NAME,
    description: "Answers questions about the weather with the database of the example.",
    instructions:
      "You answer questions about the weather in Seattle. The table is weather(date, precipitation, temp_max, temp_min, wind, weather).",
    model_ref: AGENT_MODEL,
    tools: [{ instance_id: instance.id, tool_names: AGENT_TOOLS }],
  })
  const description = "Reads real weather, summarises it in Lua, asks an agent and a person, writes the report."
  const graph = exampleGraph(instance.id, agent.id)
  const workflow = await call<{ id: string }>("POST", "/v1/workflows", { name: WORKFLOW_NAME, description, graph })
  await call("POST", `/v1/workflows/${workflow.id}/versions`, { changelog: "the example as shipped" })
  return workflow.id
}

async function startRun(call: Call, workflowId: string): Promise<string> {
  const params = { trigger_type: "manual", trigger_payload: { year: "2014" } }
  return (await call<{ run_id: string }>("POST", `/v1/workflows/${workflowId}/command`, { command: "start", params })).run_id
}

/** In one line: the agent is the same with any model. */
async function tellOfModels(call: Call): Promise<void> {
  const { agents } = await call<{ agents: readonly { id: string; name: string; model_ref: string }[] }>(
    "GET",
    "/v1/agents?limit=100",
  )
  const agent = agents.find(({ name }) => name === AGENT_NAME)
  if (agent?.model_ref !== AGENT_MODEL) return
  const other = `PATCH /v1/agents/${agent.id} {"model_ref":"local.ollama.llama3.2"} or {"model_ref":"direct.openai.gpt-4o"}`
  console.log(`  (its agent works with the built-in model ${AGENT_MODEL}; for Ollama or a vendor: docs/models.md, then ${other})`)
}

interface Followed {
  readonly workflowId: string
  readonly runId: string
  readonly url: string
  readonly tokenFile: string
}

async function follow(call: Call, run: Followed, stop: AbortSignal): Promise<void> {
  const path = `/v1/workflows/${run.workflowId}/runs/${run.runId}`
  let seq = 0
  let told = false
  while (!stop.aborted) {
    // The status first: what it says is then in the events that follow.
    const { status, pause_reason } = await call<RunAnswer>("GET", path)
    const { events } = await call<{ events: readonly EventAnswer[] }>("GET", `${path}/events?after_seq=${seq}`)
    for (const event of events) console.log(`  ${event.created_at.slice(11, 23)}  ${describe(event)}`)
    seq = events.at(-1)?.seq ?? seq
    if (isFinal(status)) {
      console.log(`The run is ${status}. Look at it in ${run.url}/docs, or stop with Ctrl-C.`)
      return
    }
    if (status === "paused" && pause_reason === "human_task" && !told) {
      told = true
      console.log(`\nIt waits for a person. Approve it from another terminal:\n\n  ${approveCommand(run, path)}\n`)
    }
    await Bun.sleep(POLL_MS)
  }
}

function approveCommand({ url, tokenFile }: Followed, path: string): string {
  return `curl -X POST ${url}${path}/tasks/approve/complete -H "Authorization: Bearer $(cat '${tokenFile}')" -d '{"approved":true}'`
}

function describe({ event_type, step_id, data }: EventAnswer): string {
  const name = `${event_type.padEnd(22)} ${step_id ?? ""}`.trimEnd()
  if (event_type.startsWith("agent_turn")) return `${name} ${turnPart(data)}`
  if (event_type === "state_changed") return `${name} ${String(data.from)} → ${String(data.to)}`
  if (event_type === "step_completed" && data.skipped !== true) return `${name} in ${String(data.duration_ms)} ms`
  if (event_type === "step_completed") return `${name} skipped: ${String(data.reason)}`
  if (event_type === "step_failed") return `${name}: ${String(data.error)}`
  return name
}

function turnPart({ phase, tool_calls, tool, ok }: EventAnswer["data"]): string {
  if (phase === "calling") return "calls what the model asked for"
  if (phase === "called") return `${String(tool)} ${ok === true ? "answered" : "failed"}`
  return Array.isArray(tool_calls) && tool_calls.length > 0
    ? `the model wants ${tool_calls.length} tool call(s)`
    : "the model has answered"
}
