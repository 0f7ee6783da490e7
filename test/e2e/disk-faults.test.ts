import { afterAll, expect, test } from "bun:test"
import { cpSync, rmSync } from "node:fs"
import { Random } from "../engine/random.ts"
import { SEED } from "../engine/seed.ts"
import { type DiskFault, DiskWatch, faultName, whyNoFaults } from "./disk-faults.ts"
import { byRun, finalStatus, journalOf, journalProblems, lookAt, rowsOf, stepsOf } from "./journal.ts"
import { type Client, Home, type Server, until, type Wire } from "./server.ts"

/** With a number: a fault at each of so many calls. Without: at a few of them, other ones with every seed. */
const SPAN = Number(process.env.AGENTRUNTIME_TEST_DISK_FAULTS ?? 0)
const SAMPLES = 24
const LIFE_MAX_MS = 30_000
/** Calls in a row that fail when the disk is full for a while; one run alone asks for one in a second. */
const SPELL = 10
/** `EX_IOERR`: the file can no longer be trusted. */
const EXIT_STORAGE = 74

const KINDS: readonly Omit<DiskFault, "first">[] = [
  { call: "pwrite64", error: "ENOSPC", count: 1 },
  { call: "pwrite64", error: "ENOSPC", count: SPELL },
  { call: "pwrite64", error: "EIO", count: 1 },
  { call: "fsync", error: "EIO", count: 1 },
  { call: "pread64", error: "EIO", count: 1 },
]

const impossible = whyNoFaults()
if (impossible !== null) console.log(`skipped: ${impossible}`)

const home = new Home()
const pristine = home.path("pristine")
afterAll(() => home.remove())

/** Every step named `w…` leaves a row each time it works. */
function graphs(instance: string): Readonly<Record<string, readonly Wire[]>> {
  const step = (id: string, type: string, depends_on: readonly string[], more: object) => ({
    ...{ id, type, name: id, depends_on },
    ...more,
  })
  const insert = (args: readonly string[]) => ({
    ...{ instance_id: instance, tool_name: "sqlite_execute" },
    tool_args: { sql: "INSERT INTO done (run, step) VALUES (?, ?)", args: ["{{run.run_id}}", ...args] },
  })
  const rows = { sql: "SELECT 1 AS n UNION SELECT 2 UNION SELECT 3" }
  const inner = { id: "w", type: "mcp_call", name: "w", ...insert(["w2 {{item.n}}"]) }
  return {
    everything: [
      step("a", "lua_script", [], { script: "return { n = 1 }" }),
      step("w1", "mcp_call", ["a"], insert(["w1"])),
      step("person", "human_task", ["w1"], {}),
      step("rows", "mcp_call", ["person"], { instance_id: instance, tool_name: "sqlite_query", tool_args: rows }),
      step("each", "for_each", ["rows"], { for_each_items: "{{steps.rows.result.rows}}", for_each_body_steps: [inner] }),
      step("w3", "mcp_call", ["each"], insert(["w3"])),
    ],
    failing: [
      step("w1", "mcp_call", [], insert(["w1"])),
      step("bad", "lua_script", ["w1"], { script: "error('no')" }),
      step("w2", "mcp_call", ["bad"], insert(["w2"])),
    ],
  }
}

const WRITES: Readonly<Record<string, readonly string[]>> = {
  everything: ["w1", "w2 1", "w2 2", "w2 3", "w3"],
  failing: ["w1"],
}
const STARTS = ["everything", "failing", "everything", "failing", "everything"] as const

/** One life through, or as many as it takes: what was acknowledged, and what was wrong on the way. */
class Story {
  readonly wrong: string[] = []
  /** Runs by the name of their start. */
  readonly acknowledged = new Map<string, string>()
  refusals = 0

  constructor(
    readonly workflows: Readonly<Record<string, string>>,
    readonly token: string,
  ) {}

  /** Asks, approves and waits until every run has ended, or the server. */
  async live(server: Server): Promise<void> {
    const client = server.client(this.token)
    const end = performance.now() + LIFE_MAX_MS
    await Promise.all(STARTS.map((kind, i) => this.#start(server, client, kind, `start ${i}`)))
    while (!server.ended) {
      const inbox = await this.#ask(server, client, "GET", "/v1/tasks/pending?limit=100")
      for (const task of inbox?.tasks ?? []) {
        const path = `/v1/workflows/${task.workflow_id}/runs/${task.run_id}/tasks/${task.task_id}/complete`
        await this.#ask(server, client, "POST", path, { approved: true })
      }
      const open = await this.#ask(server, client, "GET", "/v1/runs?limit=1&status=running,paused,draining")
      if (open?.total === 0 && this.acknowledged.size === STARTS.length) return
      if (performance.now() > end) {
        this.wrong.push(`${open?.total} runs have not ended after ${LIFE_MAX_MS} ms`)
        return
      }
      await Bun.sleep(10)
    }
  }

  async #start(server: Server, client: Client, kind: string, name: string): Promise<void> {
    if (this.acknowledged.has(name)) return
    const path = `/v1/workflows/${this.workflows[kind]}/command`
    const body = { command: "start", params: {} }
    const answer = await this.#ask(server, client, "POST", path, body, { "idempotency-key": name })
    if (answer !== null) this.acknowledged.set(name, answer.run_id)
  }

  /** The body of a success; null when the server is gone. A full disk is asked again, as its answer says. */
  async #ask(server: Server, client: Client, method: string, path: string, body?: object, headers = {}): Promise<Wire | null> {
    while (!server.ended) {
      let answer: Awaited<ReturnType<Client["call"]>>
      try {
        answer = await client.call(method, path, body, headers)
      } catch {
        await Bun.sleep(5)
        continue
      }
      if (answer.status >= 200 && answer.status < 300) return answer.body
      const full = answer.status === 503 && answer.body.code === "DISK_FULL" && answer.headers.get("retry-after") === "5"
      if (!full) {
        this.wrong.push(`${method} ${path} answered ${answer.status} ${JSON.stringify(answer.body)}`)
        return null
      }
      this.refusals++
      await Bun.sleep(20)
    }
    return null
  }
}

interface Outcome {
  /** The end of each run, by the name of its start. */
  readonly ends: Readonly<Record<string, string>>
  readonly wrong: readonly string[]
}

/** What the disk says of every run, and what of it is wrong. A step under way at a death may have worked once more. */
function outcome({ story, deaths }: Lived, rowsPath: string, stepIds: (kind: string) => readonly string[]): Outcome {
  const wrong = [...story.wrong]
  const ends: Record<string, string> = {}
  const look = lookAt(home.database, c => ({ check: rowsOf(c, "PRAGMA integrity_check"), journal: journalOf(c) }))
  if (!Bun.deepEquals(look.check, [{ integrity_check: "ok" }])) wrong.push(`the database says ${JSON.stringify(look.check)}`)
  const runs = byRun(look.journal)
  const rows = countsOf(rowsPath)
  // And the one that made the table.
  if (runs.size !== STARTS.length + 1) wrong.push(`there are ${runs.size - 1} runs of ${STARTS.length} starts`)
  STARTS.forEach((kind, i) => {
    const run = story.acknowledged.get(`start ${i}`) ?? ""
    const events = runs.get(run) ?? []
    if (events.length === 0) {
      wrong.push(`run ${run} was acknowledged and is gone`)
      return
    }
    wrong.push(...journalProblems(events, stepIds(kind)).map(p => `run ${run}: ${p}`))
    ends[`start ${i}`] = `${finalStatus(events.at(-1)!)} ${[...stepsOf(events).ended].sort()}`
    for (const name of WRITES[kind]!) {
      const times = rows.get(`${run} ${name}`) ?? 0
      const chances = 1 + deaths.filter(underWay => underWay.has(`${run} ${name}`)).length
      if (times < 1 || times > chances)
        wrong.push(`run ${run}: ${name} worked ${times} times, and could at most ${chances} times`)
    }
  })
  return { ends, wrong }
}

function countsOf(rowsPath: string): ReadonlyMap<string, number> {
  const sql = "SELECT run || ' ' || step AS name, count(*) AS n FROM done GROUP BY run, step"
  return new Map(lookAt(rowsPath, c => rowsOf<{ name: string; n: number }>(c, sql)).map(({ name, n }) => [name, n]))
}

/** `run row` of every write that had been started, and had no end, when the server died. */
function underWayNow(): ReadonlySet<string> {
  const open = new Set<string>()
  for (const { run, type, step, data } of lookAt(home.database, journalOf)) {
    if (step === null) continue
    const { index } = JSON.parse(data) as { index?: number }
    const name = step === "each#body#w" ? `w2 ${(index ?? 0) + 1}` : step
    if (type === "step_started") open.add(`${run} ${name}`)
    else if (/^step_(completed|failed|cancelled)$/.test(type)) open.delete(`${run} ${name}`)
  }
  return open
}

const name = SPAN > 0 ? `the first ${SPAN} calls of each kind` : `${SAMPLES} calls (seed ${SEED})`

test.skipIf(impossible !== null)(
  `no fault of the disk loses, changes or repeats what was acknowledged: ${name}`,
  async () => {
    const began = performance.now()
    const { project_id, pat } = await home.init()
    const rowsPath = `${home.data}/sqlite/${project_id}/rows.db`
    const server = await home.serve()
    const client = server.client(pat)
    const instance = await client.sqlite("rows.db")
    const kinds = graphs(instance)
    const workflows: Record<string, string> = {}
    for (const [kind, steps] of Object.entries(kinds)) workflows[kind] = await client.publish(kind, steps)
    const sql = "CREATE TABLE done (id INTEGER PRIMARY KEY, run TEXT NOT NULL, step TEXT NOT NULL)"
    const table = { id: "t", type: "mcp_call", name: "t", instance_id: instance, tool_name: "sqlite_execute", tool_args: { sql } }
    const prepare = await client.publish("prepare", [table])
    await client.reaches(prepare, await client.start(prepare), "completed")
    expect(await server.stop()).toBe(0)
    cpSync(home.data, pristine, { recursive: true })

    const stepIds = (kind: string) => kinds[kind]!.map(s => s.id as string)
    const live = (fault: DiskFault | null) => lives(fault, workflows, pat!)
    const undisturbed = await live(null)
    const expected = outcome(undisturbed, rowsPath, stepIds)
    expect(expected.wrong).toEqual([])
    expect(undisturbed.codes).toEqual([0])

    const faults = SPAN > 0 ? everyFault(undisturbed.calls) : someFaults(undisturbed.calls, new Random(SEED))
    const wrong: string[] = []
    const told = { happened: 0, deaths: 0, refusals: 0, again: 0 }
    for (const fault of faults) {
      const lived = await live(fault)
      const { ends, wrong: problems } = outcome(lived, rowsPath, stepIds)
      const different = Bun.deepEquals(ends, expected.ends) ? [] : [`the runs ended as ${JSON.stringify(ends)}`]
      const found = [...problems, ...different, ...badEnds(fault, lived)]
      const named = found.map(problem => `${faultName(fault)}: ${problem}`)
      for (const problem of named) console.log(problem) // a whole span takes long
      wrong.push(...named)
      told.happened += Number(lived.happened)
      told.deaths += lived.deaths.length
      told.refusals += lived.story.refusals
      told.again += lived.deaths.reduce((sum, d) => sum + d.size, 0)
    }
    console.log(
      `disk faults: ${faults.length} lives (seed ${SEED}), ${told.happened} of them reached their fault, ${told.deaths} ended by it, ` +
        `${told.again} steps under way then, ${told.refusals} requests refused with DISK_FULL, ` +
        `${((performance.now() - began) / 1000).toFixed(1)} s`,
    )
    expect(wrong).toEqual([])
    expect(told.happened).toBeGreaterThan(faults.length / 2)
  },
  120_000 + SPAN * KINDS.length * LIFE_MAX_MS,
)

interface Lived {
  readonly story: Story
  /** Steps under way when the server died. */
  readonly deaths: readonly ReadonlySet<string>[]
  /** Exit codes, and what was said with them. */
  readonly codes: readonly number[]
  readonly stderr: string
  readonly happened: boolean
  readonly calls: Readonly<Record<DiskFault["call"], number>>
}

/** From the pristine data until all runs ended; a death is followed by a life without faults. */
async function lives(fault: DiskFault | null, workflows: Readonly<Record<string, string>>, token: string): Promise<Lived> {
  rmSync(home.data, { recursive: true, force: true })
  cpSync(pristine, home.data, { recursive: true })
  const watch = new DiskWatch(home, fault)
  const story = new Story(workflows, token)
  const deaths: ReadonlySet<string>[] = []
  const codes: number[] = []
  let stderr = ""
  for (const under of [watch.command, []]) {
    const server = home.spawn([], { under })
    await until("the server listens", 20_000, () => server.address !== null || server.ended)
    await story.live(server)
    codes.push(server.ended ? await server.exited() : await server.stop())
    if (codes.length === 1) stderr = server.stderr
    if (codes.at(-1) === 0) break
    deaths.push(underWayNow())
  }
  const calls = { pwrite64: watch.count("pwrite64"), fsync: watch.count("fsync"), pread64: watch.count("pread64") }
  return { story, deaths, codes, stderr, happened: watch.happened, calls }
}

/** A disk that fails ends the server, with its own code and a reason; one that is full does not, once the server is ready. */
function badEnds({ error }: DiskFault, { codes, stderr }: Lived): readonly string[] {
  if (codes[0] === 0) return []
  const refused = /^agentruntime: the (database cannot be used|disk is full)/m.test(stderr)
  const fatal = stderr.includes('"level":"fatal"') && stderr.includes("the database file cannot be trusted any more")
  const wrong: string[] = []
  if (codes[0] !== EXIT_STORAGE) wrong.push(`the server ended with ${codes[0]}: ${stderr}`)
  if (!refused && !fatal) wrong.push(`the server ended without a reason: ${stderr}`)
  if (error === "ENOSPC" && stderr.includes('"msg":"ready"')) wrong.push(`a full disk ended the server: ${stderr}`)
  if (codes.at(-1) !== 0) wrong.push(`the next server ended with ${codes.at(-1)}`)
  return wrong
}

function everyFault(calls: Lived["calls"]): readonly DiskFault[] {
  return KINDS.flatMap(kind =>
    Array.from({ length: Math.min(SPAN, calls[kind.call]) }, (_, i): DiskFault => ({ ...kind, first: i + 1 })),
  )
}

function someFaults(calls: Lived["calls"], random: Random): readonly DiskFault[] {
  return Array.from({ length: SAMPLES }, (_, i) => {
    const kind = KINDS[i % KINDS.length]!
    return { ...kind, first: 1 + random.below(calls[kind.call]) }
  })
}
