import { afterAll, expect, test } from "bun:test"
import { SEED } from "../engine/seed.ts"
import { byRun, finalStatus, type JournalEvent, journalOf, journalProblems, lookAt, rowsOf, stepsOf } from "./journal.ts"
import { random } from "./random.ts"
import { type Client, Home, type Server, until, type Wire } from "./server.ts"

const KILLS = Number(process.env.AGENTRUNTIME_TEST_KILLS ?? 25)
/** Starts that are sent in one life of the server. */
const STARTS_PER_LIFE = 10
/** From the moment it is ready, or from the moment it is started. */
const LIFE_MAX_MS = 500
const CHILDHOOD_MAX_MS = 250
const BUDGET_MS = 60_000 + KILLS * 3_000

const home = new Home()
afterAll(() => home.remove())

const BUSY = "local n = 0 for i = 1, 100000 do n = n + i % 7 end return { n = n }"

/** Each `w…` leaves a row with its run and its name, so that one who works twice leaves two. */
function graphs(instance: string): Readonly<Record<string, readonly { id: string }[]>> {
  const write = (id: string, ...depends_on: string[]) => ({
    ...{ id, type: "mcp_call", name: id, depends_on, instance_id: instance, tool_name: "sqlite_execute" },
    tool_args: { sql: "INSERT INTO done (run, step) VALUES (?, ?)", args: ["{{run.run_id}}", id] },
  })
  const lua = (id: string, ...depends_on: string[]) => ({ id, type: "lua_script", name: id, depends_on, script: BUSY })
  const person = (id: string, ...depends_on: string[]) => ({ id, type: "human_task", name: id, depends_on })
  return {
    chain: [lua("a"), write("w1", "a"), lua("b", "w1"), write("w2", "b")],
    fan: [write("w1"), write("w2"), lua("a"), lua("b", "w1"), write("w3", "w1", "w2", "a", "b")],
    people: [write("w1"), person("p", "w1"), lua("a", "w1"), write("w2", "p"), write("w3", "a"), person("q", "w2", "w3")],
  }
}

/** One intent to start a run. A named one is repeated until it is acknowledged, under the same name. */
interface Start {
  readonly kind: string
  readonly params: { readonly run_id?: string }
  readonly headers: Readonly<Record<string, string>>
  readonly named: boolean
}

/** What the driver was promised, and what it saw while the server lived. */
class Driver {
  /** By run: the kind of its graph. */
  readonly acknowledged = new Map<string, string>()
  /** Run and task of every approval that was answered with 200. */
  readonly approved = new Set<string>()
  /** Every event that was read, by run and seq. */
  readonly read = new Map<string, string>()
  readonly unanswered: Start[] = []
  readonly broken: string[] = []
  repeated = 0
  /** Called in the moment in which something was acknowledged. */
  onAcknowledged: () => void = () => {}
  #named = new Map<string, string>()

  constructor(
    private readonly workflows: Readonly<Record<string, string>>,
    private readonly next: () => number,
  ) {}

  newStart(): Start {
    const kinds = Object.keys(this.workflows)
    const kind = kinds[Math.floor(this.next() * kinds.length)]!
    const name = uuid(this.next)
    const way = this.next()
    if (way < 1 / 3) return { kind, params: { run_id: name }, headers: {}, named: true }
    if (way < 2 / 3) return { kind, params: {}, headers: { "idempotency-key": `order ${name}` }, named: true }
    return { kind, params: {}, headers: {}, named: false }
  }

  /** False when the server died before it answered. */
  async start(client: Client, start: Start): Promise<boolean> {
    const path = `/v1/workflows/${this.workflows[start.kind]}/command`
    const answer = await attempt(client.call("POST", path, { command: "start", params: start.params }, start.headers))
    if (answer === null) {
      if (start.named) this.unanswered.push(start)
      return false
    }
    if (answer.status !== 200) {
      this.broken.push(`a start was answered with ${answer.status} ${JSON.stringify(answer.body)}`)
      return true
    }
    const runId: string = answer.body.run_id
    this.acknowledged.set(runId, start.kind)
    this.onAcknowledged()
    if (!start.named) return true
    const name = start.params.run_id ?? start.headers["idempotency-key"]!
    const earlier = this.#named.get(name) ?? runId
    if (earlier !== runId || (start.params.run_id ?? runId) !== runId)
      this.broken.push(`${name} names two runs: ${earlier} and ${runId}`)
    this.#named.set(name, runId)
    return true
  }

  /** Answers everything that waits for a person, and reads some run's events, until the server is gone. */
  async attend(client: Client, server: Server): Promise<void> {
    while (!server.ended) {
      const inbox = await attempt(client.get("/v1/tasks/pending?limit=100"))
      if (inbox === null) continue
      await Promise.all(inbox.tasks.map((task: Wire) => this.#approve(client, task)))
      const runs = [...this.acknowledged]
      const pick = runs[Math.floor(this.next() * runs.length)]
      if (pick !== undefined) await this.#read(client, ...pick)
      await Bun.sleep(10)
    }
  }

  async #approve(client: Client, task: Wire): Promise<void> {
    const path = `/v1/workflows/${task.workflow_id}/runs/${task.run_id}/tasks/${task.task_id}/complete`
    const answer = await attempt(client.call("POST", path, { approved: true }))
    if (answer?.status === 200) {
      const name = `${task.run_id} ${task.task_id}`
      if (this.approved.has(name)) this.broken.push(`the approval of ${name} was acknowledged, forgotten, and asked for again`)
      this.approved.add(name)
      this.onAcknowledged()
    } else if (answer !== null) this.broken.push(`an approval was answered with ${answer.status} ${JSON.stringify(answer.body)}`)
  }

  async #read(client: Client, runId: string, kind: string): Promise<void> {
    const events = (await attempt(client.events(this.workflows[kind]!, runId))) ?? []
    for (const { seq, event_type, step_id } of events) this.read.set(`${runId} ${seq}`, `${event_type} ${step_id}`)
  }
}

/** Null when the connection broke: the server is gone. */
async function attempt<T>(call: Promise<T>): Promise<T | null> {
  try {
    return await call
  } catch (error) {
    if (error instanceof Error && / answered \d{3}/.test(error.message)) throw error
    return null
  }
}

function uuid(next: () => number): string {
  const hex = Array.from({ length: 32 }, () => Math.floor(next() * 16).toString(16)).join("")
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20)}`
}

/** What the disk says, by `run step`. */
interface Snapshot {
  readonly ended: ReadonlySet<string>
  readonly underWay: ReadonlySet<string>
  readonly rows: ReadonlyMap<string, number>
}

function snapshot(rowsPath: string): Snapshot {
  const journal = lookAt(home.database, journalOf)
  const ended = new Set<string>()
  const underWay = new Set<string>()
  for (const [run, events] of byRun(journal)) {
    const steps = stepsOf(events)
    for (const step of steps.ended) ended.add(`${run} ${step}`)
    for (const step of steps.underWay) underWay.add(`${run} ${step}`)
  }
  const counts = lookAt(rowsPath, c =>
    rowsOf<{ name: string; n: number }>(c, "SELECT run || ' ' || step AS name, count(*) AS n FROM done GROUP BY run, step"),
  )
  return { ended, underWay, rows: new Map(counts.map(({ name, n }) => [name, n])) }
}

test(
  `no acknowledged run is lost and no finished step runs again over ${KILLS} kills (seed ${SEED})`,
  async () => {
    const began = performance.now()
    console.log(`crash: seed ${SEED}, ${KILLS} kills`)
    const next = random(SEED)
    const { project_id, pat } = await home.init()
    const rowsPath = `${home.data}/sqlite/${project_id}/rows.db`
    let server = await home.serve()
    const first = server.client(pat)
    const instance = await first.sqlite("rows.db")
    const kinds = graphs(instance)
    const workflows: Record<string, string> = {}
    for (const [kind, steps] of Object.entries(kinds)) workflows[kind] = await first.publish(kind, steps)
    const sql = "CREATE TABLE done (id INTEGER PRIMARY KEY, run TEXT NOT NULL, step TEXT NOT NULL)"
    const table = { id: "t", type: "mcp_call", name: "t", instance_id: instance, tool_name: "sqlite_execute", tool_args: { sql } }
    const prepare = await first.publish("prepare", [table])
    await first.reaches(prepare, await first.start(prepare), "completed")

    const driver = new Driver(workflows, next)
    const wrong: string[] = []
    const finished = new Map<string, number>()
    const chances = new Map<string, number>()
    let young = 0

    for (let kill = 1; kill <= KILLS; kill++) {
      const life = live(driver, server, server.client(pat))
      await Bun.sleep(next() * LIFE_MAX_MS)
      if (next() < 0.5) await acknowledgement(driver, server)
      await server.kill()
      driver.onAcknowledged = () => {}
      await life
      wrong.push(...server.complaints.map(line => `the log of life ${kill} says ${JSON.stringify(line)}`))
      look(kill)
      server = home.spawn()
      if (next() < 0.2 && kill < KILLS) {
        kill++
        young++
        await Bun.sleep(next() * CHILDHOOD_MAX_MS)
        await server.kill()
        look(kill)
        server = home.spawn()
      }
      await until("the server says where it is", 30_000, () => server.address !== null || server.ended)
    }
    await server.ready()
    const client = server.client(pat)
    const attending = driver.attend(client, server)
    for (const start of driver.unanswered.splice(0)) await driver.start(client, start)
    const open = async () => (await client.get("/v1/runs?limit=1&status=running,paused,draining")).total
    await until("every run has ended", 60_000, async () => (await open()) === 0)
    wrong.push(...server.complaints.map(line => `the last log says ${JSON.stringify(line)}`))
    expect(await server.stop()).toBe(0)
    await attending

    /** What was finished at this kill has as many rows for ever; what was under way may come to work once more. */
    function look(kill: number): void {
      const { ended, underWay, rows } = snapshot(rowsPath)
      for (const name of ended) {
        const count = rows.get(name) ?? 0
        const before = finished.get(name) ?? count
        if (count !== before) wrong.push(`${name} had finished, and worked again before kill ${kill}`)
        finished.set(name, count)
      }
      for (const name of underWay) chances.set(name, (chances.get(name) ?? 0) + 1)
    }
    look(KILLS + 1)

    const journal = lookAt(home.database, c => {
      expect(rowsOf(c, "PRAGMA integrity_check")).toEqual([{ integrity_check: "ok" }])
      return journalOf(c)
    })
    lookAt(rowsPath, c => expect(rowsOf(c, "PRAGMA integrity_check")).toEqual([{ integrity_check: "ok" }]))
    const runs = byRun(journal)
    const { rows } = snapshot(rowsPath)
    const again = [...rows].filter(([, n]) => n > 1)
    for (const [name, n] of again) {
      const allowed = 1 + (chances.get(name) ?? 0)
      if (n > allowed) wrong.push(`${name} worked ${n} times, and was under way at ${allowed - 1} kills`)
    }
    for (const [runId, kind] of driver.acknowledged) {
      const events = runs.get(runId)
      if (!events) wrong.push(`run ${runId} was acknowledged and is gone`)
      else
        wrong.push(
          ...problemsOf(
            runId,
            events,
            kinds[kind]!.map(s => s.id),
            rows,
          ),
        )
    }
    wrong.push(...driver.broken, ...forgotten(driver, runs))

    const seconds = (performance.now() - began) / 1000
    console.log(
      `crash: ${KILLS} kills (${young} during the start), ${driver.acknowledged.size} runs acknowledged, ${driver.repeated} starts repeated, ` +
        `${driver.approved.size} approvals, ${journal.length} events, ${rows.size} writing steps, ${again.length} of them under way at a kill ` +
        `and done again, ${seconds.toFixed(1)} s`,
    )
    expect(wrong).toEqual([])
    expect(driver.acknowledged.size).toBeGreaterThan(KILLS)
    expect(driver.approved.size).toBeGreaterThan(0)
    expect(driver.read.size).toBeGreaterThan(0)
  },
  BUDGET_MS,
)

/** The moment in which a promise was just given is the worst one to die in. */
async function acknowledgement(driver: Driver, server: Server): Promise<void> {
  await new Promise<void>(resolve => {
    setTimeout(resolve, LIFE_MAX_MS)
    driver.onAcknowledged = () => {
      server.signal("SIGKILL")
      resolve()
    }
  })
}

/** Until the server is gone: starts runs, some of them twice and at any moment, and attends to what they need. */
async function live(driver: Driver, server: Server, client: Client): Promise<void> {
  const starts = [...driver.unanswered.splice(0), ...Array.from({ length: STARTS_PER_LIFE }, () => driver.newStart())]
  const starting = starts.map(async (start, i) => {
    await Bun.sleep(i * 15)
    if (!(await driver.start(client, start)) || !start.named || i % 2 === 0) return
    driver.repeated++
    await driver.start(client, start)
  })
  await Promise.all([...starting, driver.attend(client, server)])
}

function problemsOf(run: string, events: readonly JournalEvent[], steps: readonly string[], rows: ReadonlyMap<string, number>) {
  const problems = [...journalProblems(events, steps)]
  const status = finalStatus(events.at(-1)!)
  if (status !== "completed") problems.push(`it is ${status}`)
  for (const step of steps) {
    if (step.startsWith("w") && !rows.has(`${run} ${step}`)) problems.push(`${step} is finished and has left no row`)
  }
  return problems.map(problem => `run ${run}: ${problem}`)
}

/** What was answered or read, and is not what the journal says at the end. */
function forgotten(driver: Driver, runs: ReadonlyMap<string, readonly JournalEvent[]>): readonly string[] {
  const problems: string[] = []
  for (const name of driver.approved) {
    const [run = "", task = ""] = name.split(" ")
    const times = (runs.get(run) ?? []).filter(e => e.type === "human_task_completed" && e.step === task).length
    if (times !== 1) problems.push(`the approval of ${name} is in the journal ${times} times`)
  }
  for (const [name, was] of driver.read) {
    const [run = "", seq = ""] = name.split(" ")
    const event = runs.get(run)?.[Number(seq) - 1]
    if (`${event?.type} ${event?.step}` !== was)
      problems.push(`event ${name} was read as ${was}, and is ${event?.type} ${event?.step}`)
  }
  return problems
}
