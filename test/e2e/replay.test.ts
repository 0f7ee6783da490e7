import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { type Client, Home, type Server, type Wire } from "./server.ts"

const RUNS = Number(process.env.AGENTRUNTIME_TEST_REPLAYS ?? "50")
const SEED = Number(process.env.AGENTRUNTIME_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31))
const server_url = (slug: string) => `https://router.agentruntime.io/${slug}/mcp`

/** Small and seeded (mulberry32): a failure names its seed. */
class Dice {
  constructor(private seed: number) {}

  below(n: number): number {
    this.seed = (this.seed + 0x6d2b79f5) | 0
    let t = Math.imul(this.seed ^ (this.seed >>> 15), 1 | this.seed)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * n)
  }

  pick<T>(of: readonly T[]): T {
    return of[this.below(of.length)]!
  }
}

type Step = Record<string, unknown> & { id: string; type: string }

interface Made {
  readonly id: string
  readonly runId: string
  readonly steps: readonly Step[]
  readonly status: string
}

describe(`recorded runs of varied graphs (seed ${SEED})`, () => {
  const home = new Home()
  const dice = new Dice(SEED)
  let server: Server
  let client: Client
  let database: string
  let agent: string
  let child: string
  const made: Made[] = []

  const call = (id: string, slug: string, tool_name: string, tool_args: object): Step => ({
    ...{ id, type: "mcp_call", server_url: server_url(slug), tool_name, tool_args },
  })
  const query = (id: string, sql: string): Step => ({
    ...{ id, type: "mcp_call", instance_id: database, tool_name: "sqlite_query", tool_args: { sql } },
  })
  const lua = (id: string, script: string): Step => ({ id, type: "lua_script", script })

  const kinds: readonly ((id: string) => Step)[] = [
    id => call(id, "time", "time_parse", { time: `2026-0${1 + dice.below(9)}-01T00:00:00Z` }),
    id => call(id, "time", "time_now", {}),
    id => call(id, "healthcare", "patient.lookup", { patient_id: `P-${100 + dice.below(5)}` }),
    id => call(id, "files", "files_list", {}),
    id => query(id, `SELECT ${dice.below(1000)} AS n, random() AS r`),
    id => ({ id, type: "llm_call", model_ref: "local.builtin.echo-1", prompt: `Say ${dice.below(1000)} for {{input.name}}` }),
    id => ({
      id,
      type: "agent_call",
      agent_id: agent,
      prompt: `For {{input.name}} call sqlite_query {"sql": "SELECT ${dice.below(1000)} AS n, random() AS r"}`,
    }),
    id => ({ ...lua(id, `return { n = ${dice.below(100)}, name = input.name }`), condition: `{{input.flag${dice.below(2)}}}` }),
    id => ({ id, type: "human_task", task_type: "approval", task_payload: { title: `Is {{input.name}} ${dice.below(9)}?` } }),
    id => ({ id, type: "workflow_call", workflow_id: child, input: { n: dice.below(100) } }),
    id => ({
      ...{ id, type: "for_each", for_each_items: "{{input.list}}", for_each_error_policy: "continue_on_error" },
      for_each_body_steps: [
        call("one", "time", "time_parse", { time: "{{item}}" }),
        { ...lua("two", "return { i = index }"), depends_on: ["one"] },
      ],
    }),
    id => ({
      ...{ id, type: "while", while_mode: "while", while_condition: "{{body.check.more}}", while_max_iterations: 4 },
      while_body_steps: [lua("check", `return { more = loop.iteration < ${1 + dice.below(3)} }`)],
    }),
  ]

  function graph(n: number): readonly Step[] {
    const count = 3 + dice.below(5)
    const steps = Array.from({ length: count }, (_, i): Step => {
      // Every kind comes, whatever the seed.
      const step = i === 0 ? kinds[n % kinds.length]!(`s${i}`) : dice.pick(kinds)(`s${i}`)
      return i > 0 && dice.below(3) > 0 ? { ...step, depends_on: [`s${dice.below(i)}`] } : step
    })
    // Some fail at their end, some after another try.
    return n % 7 === 6 ? [...steps, { ...lua("bad", "error('no')"), depends_on: [`s${count - 1}`], retry_count: n % 2 }] : steps
  }

  async function live(n: number): Promise<Made> {
    const steps = graph(n)
    const id = await client.publish(`graph ${n}`, steps)
    const input = { name: `N${n}`, flag0: false, flag1: true, list: ["2026-01-01T00:00:00Z", "never"].slice(0, dice.below(3)) }
    const runId = await client.start(id, { ...input, record: true })
    const until = performance.now() + 60_000
    for (;;) {
      const { status } = await client.run(id, runId)
      if (status === "completed" || status === "failed") return { id, runId, steps, status }
      const { tasks } = await client.get(`/v1/workflows/${id}/runs/${runId}/tasks/pending`)
      for (const task of tasks) {
        const path = `/v1/workflows/${id}/runs/${runId}/tasks/${task.task_id}/complete`
        // The run may have failed meanwhile, and its tasks with it.
        await client.call("POST", path, { approved: n % 5 !== 4, result: { by: n } })
      }
      if (performance.now() > until) throw new Error(`run ${n} is ${status}`)
      await Bun.sleep(10)
    }
  }

  const replay = async (one: Made, graph?: object): Promise<Wire> => {
    const body = { run_ids: [one.runId], ...(graph && { graph }) }
    return (await client.ok("POST", `/v1/workflows/${one.id}/replay`, body)).runs[0]
  }
  const changesOf = (run: Wire): readonly string[] =>
    run.steps.filter((s: Wire) => s.change !== "same").map((s: Wire) => `${s.step_id} ${s.change}`)

  beforeAll(async () => {
    const token = await home.token()
    server = await home.serve()
    client = server.client(token)
    database = await client.sqlite("facts.db")
    const { id } = await client.ok("POST", "/v1/agents", {
      ...{ name: "teller", instructions: "Be brief.", model_ref: "local.builtin.echo-1" },
      tools: [{ instance_id: database, tool_names: ["sqlite_query"] }],
    })
    agent = id
    child = await client.publish("child", [lua("twice", "return { n = input.n * 2 }")])
    for (let n = 0; n < RUNS; n++) made.push(await live(n))
  }, 600_000)
  afterAll(() => home.remove())

  test(`${RUNS} of them, replayed, are what they were`, async () => {
    const different: unknown[] = []
    for (const one of made) {
      const run = await replay(one)
      if (!run.identical) different.push({ ...one, problem: run.problem, outcome: run.outcome, changes: changesOf(run) })
    }
    expect(different).toEqual([])
    expect(new Set(made.map(one => one.status))).toEqual(new Set(["completed", "failed"]))
  })

  test("a changed prompt, tool argument and condition are told, each where it is, and nothing else", async () => {
    const told = { prompt: 0, argument: 0, condition: 0 }
    for (const one of made) {
      const ran = new Set((await replay(one)).steps.filter((s: Wire) => s.change === "same").map((s: Wire) => s.step_id))
      const context = await client.get(`/v1/workflows/${one.id}/runs/${one.runId}/context`)
      const started = (step: Step) => ran.has(step.id) && context.steps[step.id].attempt > 0
      const withChange = (at: Step, change: object) => ({ steps: one.steps.map(s => (s === at ? { ...s, ...change } : s)) })

      const prompt = one.steps.find(s => (s.type === "llm_call" || s.type === "agent_call") && started(s))
      if (prompt) {
        const run = await replay(one, withChange(prompt, { prompt: `${prompt.prompt}, please` }))
        expect(changesOf(run)).toEqual([`${prompt.id} request_changed`])
        expect(run.steps.find((s: Wire) => s.step_id === prompt.id).diff[0].path).toBe("$.request.prompt")
        told.prompt++
      }
      const argument = one.steps.find(s => s.tool_name === "time_parse" && started(s))
      if (argument) {
        const run = await replay(
          one,
          withChange(argument, { tool_args: { ...(argument.tool_args as object), timezone: "Asia/Tokyo" } }),
        )
        expect(changesOf(run)).toEqual([`${argument.id} request_changed`])
        told.argument++
      }
      const leaf = one.steps.find(s => s.type === "lua_script" && "condition" in s && started(s) && !isAwaited(one, s))
      if (leaf && one.status === "completed") {
        const run = await replay(one, withChange(leaf, { condition: "{{input.flag0}}" }))
        expect(changesOf(run)).toEqual([`${leaf.id} not_run_any_more`])
        told.condition++
      }
    }
    console.log(`told: ${JSON.stringify(told)}`)
    expect(Object.values(told).every(n => n > 0)).toBe(true)
  })

  const isAwaited = (one: Made, step: Step) => one.steps.some(s => (s.depends_on as string[] | undefined)?.includes(step.id))
})
