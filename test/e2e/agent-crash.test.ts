import { afterAll, beforeAll, expect, test } from "bun:test"
import { IDEMPOTENCY_META } from "../../src/adapters/mcp/mcp.ts"
import { npmServer } from "../adapters/mcp/peers.ts"
import { SEED } from "../engine/seed.ts"
import { freePort } from "../helpers/free-port.ts"
import { type Peer, startPeer, text } from "../modules/mcp/tool-peer.ts"
import { byRun, finalStatus, type JournalEvent, journalOf, lookAt, rowsOf } from "./journal.ts"
import { random } from "./random.ts"
import { type Client, Home, until } from "./server.ts"

const KILLS = Number(process.env.AGENTRUNTIME_TEST_KILLS ?? 6)
/** From the start of a turn to the kill; a turn takes about a quarter of a second, and longer where all is busy. */
const LIFE_MAX_MS = 400
const ROUNDS = 8

/** What the server of this test was asked to do, and under which key; it outlives every kill. */
interface Recorded {
  readonly entry: string
  readonly key: string
}

const home = new Home()
const recorded: Recorded[] = []
let peer: Peer
let everything: Bun.Subprocess
let everythingUrl: string

beforeAll(async () => {
  const entry = { type: "object", properties: { entry: { type: "string" } }, required: ["entry"] }
  peer = startPeer({
    tools: [
      {
        ...{ name: "record", description: "Records an entry.", inputSchema: entry },
        async give(args, _, meta) {
          await Bun.sleep(25)
          recorded.push({ entry: String(args.entry), key: String(meta[IDEMPOTENCY_META]) })
          return text(JSON.stringify({ recorded: args.entry ?? null }))
        },
      },
    ],
  })
  const port = await freePort()
  everythingUrl = `http://127.0.0.1:${port}/mcp`
  const { command } = npmServer("server-everything", ["streamableHttp"])
  everything = Bun.spawn([...command], { env: { PORT: String(port) }, stdio: ["ignore", "ignore", "ignore"] })
  await until("server-everything listens", 20_000, async () => (await fetch(everythingUrl).catch(() => null)) !== null)
})
afterAll(async () => {
  everything.kill("SIGKILL")
  await peer.close()
  await home.remove()
})

/** Registers, discovers and publishes a tool server, and makes an instance of it. */
async function instanceOf(client: Client, name: string, canonical_url: string): Promise<string> {
  const { id } = await client.ok("POST", "/v1/mcp/servers", { name, canonical_url, auth_mode: "none" })
  await client.ok("POST", `/v1/mcp/servers/${id}/discover`)
  await client.ok("POST", `/v1/mcp/servers/${id}/versions`, {})
  return (await client.ok("POST", "/v1/mcp/instances", { server_id: id, name })).id
}

/** The turn of a model without chance: eight rounds, of three servers in turn. */
function prompt(): string {
  const calls = Array.from({ length: ROUNDS }, (_, n) => {
    const name = `{{run.run_id}} ${n}`
    if (n % 3 === 0) return `record with ${JSON.stringify({ entry: name })}`
    if (n % 3 === 1) return `echo with ${JSON.stringify({ message: name })}`
    return `sqlite_execute with ${JSON.stringify({ sql: "INSERT INTO done (name) VALUES (?)", args: [name] })}`
  })
  return `Call ${calls.join(", then ")}.`
}

interface Made {
  readonly call: string
  readonly idempotency_key: string
  readonly repeated?: true
}

const phasesOf = (events: readonly JournalEvent[], phase: string) =>
  events
    .filter(({ type }) => type.startsWith("agent_turn"))
    .flatMap(event => {
      const data = JSON.parse(event.data)
      return data.phase === phase ? [data] : []
    })

const begunOf = (events: readonly JournalEvent[]): readonly Made[] =>
  phasesOf(events, "calling").flatMap(({ round, calls }) => calls.map((c: Made) => ({ ...c, call: `${round}:${c.call}` })))

const endedOf = (events: readonly JournalEvent[]): readonly string[] =>
  phasesOf(events, "called").map(({ round, call }) => `${round}:${call}`)

test(
  `an agent's turn that is killed goes on where it was, over ${KILLS} kills (seed ${SEED})`,
  async () => {
    const next = random(SEED)
    const { project_id, pat } = await home.init()
    const allowed = [new URL(peer.url).host, new URL(everythingUrl).host].join(",")
    const serve = () => home.spawn(["--egress-allow", allowed])
    let server = serve()
    await server.ready()
    const client = server.client(pat)
    const sqlite = await client.sqlite("done.db")
    const instances = [
      sqlite,
      await instanceOf(client, "Recorder", peer.url),
      await instanceOf(client, "Everything", everythingUrl),
    ]
    const table = { instance_id: sqlite, tool_name: "sqlite_execute", tool_args: { sql: "CREATE TABLE done (name TEXT)" } }
    const made = await client.publish("prepare", [{ id: "t", type: "mcp_call", ...table }])
    await client.reaches(made, await client.start(made), "completed")
    const agent = await client.ok("POST", "/v1/agents", {
      ...{ name: "Clerk", model_ref: "local.builtin.echo-1", max_tool_rounds: ROUNDS + 1 },
      tools: [["sqlite_execute"], ["record"], ["echo"]].map((tool_names, i) => ({ instance_id: instances[i], tool_names })),
    })
    const workflow = await client.publish("turn", [{ id: "ask", type: "agent_call", agent_id: agent.id, prompt: prompt() }])

    const runs: string[] = []
    /** Calls that had ended at a kill, and those whose end nobody had written. */
    const finished = new Set<string>()
    const interrupted = new Set<string>()
    for (let kill = 0; kill < KILLS; kill++) {
      runs.push(await server.client(pat).start(workflow))
      await Bun.sleep(next() * LIFE_MAX_MS)
      await server.kill()
      for (const [run, events] of byRun(lookAt(home.database, journalOf))) {
        const ended = endedOf(events)
        for (const call of ended) finished.add(`${run} ${call}`)
        for (const { call } of begunOf(events)) if (!ended.includes(call)) interrupted.add(`${run} ${call}`)
      }
      server = serve()
      await server.ready()
    }
    for (const run of runs) await server.client(pat).reaches(workflow, run, "completed", "failed")
    expect(await server.stop()).toBe(0)

    const journal = byRun(lookAt(home.database, journalOf))
    const rows = lookAt(`${home.data}/sqlite/${project_id}/done.db`, c => rowsOf<{ name: string }>(c, "SELECT name FROM done"))
    const wrong: string[] = []
    let again = 0
    for (const run of runs) {
      const events = journal.get(run) ?? []
      const begun = begunOf(events)
      const ended = endedOf(events)
      if (finalStatus(events.at(-1)!) !== "completed") wrong.push(`${run} ended with ${events.at(-1)?.data}`)
      if (ended.length !== ROUNDS || new Set(ended).size !== ROUNDS) wrong.push(`${run} ended ${ended.length} calls: ${ended}`)
      if (phasesOf(events, "answered").length !== ROUNDS + 1) wrong.push(`${run} has another number of answers`)
      const keys = Map.groupBy(begun, ({ call }) => call)
      for (const [call, times] of keys) {
        const name = `${run} ${call}`
        if (new Set(times.map(one => one.idempotency_key)).size !== 1) wrong.push(`${name} had several keys`)
        if (times.slice(1).some(one => one.repeated !== true)) wrong.push(`${name} was made again without a mark`)
        if (times[0]?.repeated) wrong.push(`${name} was marked the first time`)
        if (times.length > 1 && !interrupted.has(name)) wrong.push(`${name} was made again, and was not under way at a kill`)
        if (times.length > 1) again++
      }
      for (let n = 0; n < ROUNDS; n++) {
        if (n % 3 === 1) continue
        const entry = `${run} ${n}`
        const records = recorded.filter(one => one.entry === entry)
        const count = n % 3 === 0 ? records.length : rows.filter(({ name }) => name === entry).length
        const most = keys.get(`${n + 1}:0`)?.length ?? 0
        if (count < 1 || count > most) wrong.push(`${entry} was done ${count} times, and begun ${most} times`)
        const key = keys.get(`${n + 1}:0`)?.[0]?.idempotency_key
        if (records.some(one => one.key !== key)) wrong.push(`${entry} came with another key than the journal's`)
      }
    }
    console.log(
      `agent crash: ${KILLS} kills, ${runs.length} turns of ${ROUNDS} rounds, ${finished.size} calls finished before a kill, ` +
        `${interrupted.size} under way at one, ${again} made again`,
    )
    expect(wrong).toEqual([])
  },
  60_000 + KILLS * 5_000,
)
