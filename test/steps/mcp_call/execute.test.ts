import { describe, expect, test } from "bun:test"
import type { CallContext, Connector, ToolResult } from "../../../src/connectors/connector.ts"
import type { InstanceReference, ResolveForRun } from "../../../src/connectors/resolve.ts"
import type { JsonObject } from "../../../src/kernel/json.ts"
import type { StepJob, StepOutcome } from "../../../src/runtime/ports.ts"
import type { Exchange, RecordedAttempt, Recorder } from "../../../src/runtime/recorder.ts"
import { createMcpCallExecutor, type ToolDrift } from "../../../src/steps/mcp_call/execute.ts"
import { mcpCall } from "../../../src/steps/mcp_call/step.ts"

const job = (config: JsonObject, change: Partial<StepJob> = {}): StepJob => ({
  tenantId: "acme",
  projectId: "p1",
  workflowId: "w",
  version: 1,
  runId: "r",
  userId: "u",
  depth: 0,
  stepId: "s",
  item: null,
  stepType: "mcp_call",
  round: 0,
  attempt: 1,
  recording: false,
  idempotencyKey: "r:s:0",
  config: { server_url: "https://router.agentruntime.io/demo/mcp", tool_name: "echo", ...config },
  scope: () => ({}),
  timeoutMs: 5_000,
  answers: [],
  resumed: false,
  onCrash: "retry",
  notes: [],
  record: async () => {},
  progress: () => {},
  ...change,
})

/** A connector with one tool whose answer the test gives, and what it was asked. */
function setUp(
  answer: (args: JsonObject, context: CallContext) => Promise<ToolResult> | ToolResult,
  queued: string[] = [],
  drift: ToolDrift | null = null,
) {
  const asked: { args: JsonObject; context: CallContext }[] = []
  const references: InstanceReference[] = []
  const demo: Connector = {
    slug: "demo",
    name: "Demo",
    description: "",
    category: "",
    authKind: "none",
    status: "ga",
    configSchema: {},
    tools: [
      {
        name: "echo",
        description: "",
        inputSchema: {
          type: "object",
          properties: { n: { type: "integer", default: 7 }, text: { type: "string" } },
          additionalProperties: false,
        },
      },
    ],
    async call(_tool, args, context) {
      asked.push({ args, context })
      return await answer(args, context)
    },
  }
  const resolve: ResolveForRun = async reference => {
    references.push(reference)
    if (reference.serverUrl?.includes("unknown"))
      return { ok: false, reason: "unknown_server", message: "server_url names no server" }
    return { ok: true, instanceId: "i1", slug: "demo", server: demo, config: { key: "value" }, connectionId: null }
  }
  const recorded: (RecordedAttempt & Exchange)[] = []
  const recorder: Recorder = { keep: async (attempt, exchange) => void recorded.push({ ...attempt, ...exchange }) }
  const executor = createMcpCallExecutor({ resolve, queued: new Set(queued), driftOf: async () => drift, recorder })
  const run = (config: JsonObject, change?: Partial<StepJob>, signal = new AbortController().signal) =>
    executor.execute(job(config, change), signal)
  return { run, asked, references, recorded }
}

const echo = () => setUp(args => ({ ok: true, value: { rows: [args] } }))
const failed = (message: string, retryable: boolean): StepOutcome => ({
  ok: false,
  failure: { code: "MCP_TOOL_FAILED", message, retryable },
})

describe("the executor of mcp_call", () => {
  test("gives the tool's JSON object as the step's result", async () => {
    expect(await echo().run({ tool_args: { n: 1 } })).toEqual({ ok: true, result: { rows: [{ n: 1 }] } })
  })

  test("fills in defaults and reads numbers out of text", async () => {
    const { run, asked } = echo()
    await run({})
    await run({ tool_args: { n: "3" } })
    expect(asked.map(a => a.args)).toEqual([{ n: 7 }, { n: 3 }])
  })

  test("records what was asked as the step says it, and what came of it, before it answers", async () => {
    const { run, recorded } = echo()
    await run({ tool_args: { n: "3" } }, { recording: true, item: 2, round: 1, attempt: 4 })
    await run({ tool_args: { n: "3" } })
    expect(recorded).toHaveLength(1)
    expect(recorded[0]).toMatchObject({
      ...{ runId: "r", stepId: "s", item: 2, round: 1, attempt: 4, kind: "tool" },
      request: { server: "https://router.agentruntime.io/demo/mcp", tool: "echo", args: { n: "3" } },
      response: { ok: true, value: { rows: [{ n: 3 }] } },
    })
  })

  test("hands on configuration, project and the same idempotency key on every attempt", async () => {
    const { run, asked, references } = echo()
    await run({ instance_id: "i1" }, { attempt: 1 })
    await run({ instance_id: "i1" }, { attempt: 2, timeoutMs: null })
    expect(asked.map(a => a.context.idempotencyKey)).toEqual(["r:s:0", "r:s:0"])
    expect(asked[0]?.context).toMatchObject({ config: { key: "value" }, scope: { tenantId: "acme", projectId: "p1" } })
    expect(asked[1]?.context.timeoutMs).toBeGreaterThan(59_000)
    expect(references[0]).toEqual({
      workflowId: "w",
      tenantId: "acme",
      projectId: "p1",
      instanceId: "i1",
      serverUrl: "https://router.agentruntime.io/demo/mcp",
    })
  })

  test("shows how far a long call is", async () => {
    const shown: JsonObject[] = []
    const { run } = setUp((_, { onProgress }) => {
      onProgress?.({ progress: 1, total: 2, message: "half" })
      return { ok: true, value: {} }
    })
    await run({}, { progress: data => void shown.push(data) })
    expect(shown).toEqual([{ progress: 1, total: 2, message: "half" }])
  })

  test("does not retry what only a change of the workflow can repair", async () => {
    const { run, asked } = echo()
    expect(await run({ server_url: "unknown" })).toEqual(failed("server_url names no server", false))
    expect(await run({ tool_name: "ecko" })).toEqual(failed('Demo has no tool "ecko"; it has echo', false))
    expect(await run({ tool_args: { m: 1 } })).toEqual(failed(expect.stringContaining("m"), false))
    expect(await run({ tool_args: "n=1" })).toEqual(failed("tool_args is not an object", false))
    expect(asked).toEqual([])
  })

  test("a tool's own failure keeps its text and whether another try may help", async () => {
    for (const retryable of [true, false]) {
      expect(await setUp(() => ({ ok: false, message: "no such table: x", retryable })).run({})).toEqual(
        failed("no such table: x", retryable),
      )
    }
  })

  test("a time-out says so", async () => {
    const own = await setUp(() => ({ ok: false, message: "took longer", retryable: true, timeout: true })).run({})
    expect(own).toMatchObject({ failure: { timeout: true, retryable: true, code: "MCP_TOOL_FAILED" } })
  })

  test("a connector that does not answer cannot hold the attempt", async () => {
    const { run, asked } = setUp(() => new Promise<never>(() => {}))
    const started = performance.now()
    expect(await run({}, { timeoutMs: 100 })).toMatchObject({ ok: false, failure: { timeout: true, retryable: true } })
    expect(performance.now() - started).toBeLessThan(2_000)
    expect(asked[0]?.context.signal.aborted).toBe(true)
  })

  test("a connector whose calls wait in a queue keeps the limit itself, and is still cancelled", async () => {
    const { run, asked } = setUp(async () => {
      await Bun.sleep(300)
      return { ok: true, value: {} }
    }, ["demo"])
    expect(await run({}, { timeoutMs: 50 })).toEqual({ ok: true, result: {} })
    expect(asked[0]?.context.timeoutMs).toBe(50)
    await run({}, {}, AbortSignal.abort())
    expect(asked[1]?.context.signal.aborted).toBe(true)
  })

  test("a stop reaches the tool and ends the attempt at once", async () => {
    const { run, asked } = setUp(() => new Promise<never>(() => {}))
    const controller = new AbortController()
    const outcome = run({}, {}, controller.signal)
    await Bun.sleep(5)
    controller.abort()
    expect(await outcome).toEqual(failed("the call was cancelled", false))
    expect(asked[0]?.context.signal.aborted).toBe(true)
    expect(await run({}, {}, controller.signal)).toEqual(failed("the call was cancelled", false))
    expect(asked).toHaveLength(1)
  })
})

test("the step type asks for a tool and for one way to its server", () => {
  expect(mcpCall).toMatchObject({
    type: "mcp_call",
    runs: "outside",
    oneOf: [["server_url", "instance_id"]],
    timeoutDefaultMs: 60_000,
  })
  expect(mcpCall.fields.tool_name?.required).toBe(true)
  expect(mcpCall.fields.tool_args?.templated).toBe(true)
})

describe("a tool that has changed since the workflow was published", () => {
  const changed = (policy: ToolDrift["policy"]) =>
    setUp(args => ({ ok: true, value: { rows: [args] } }), [], {
      policy,
      message: "the tool echo is not what it was",
      was: "a",
      now: "b",
    })
  const done = { ok: true, result: { rows: [{ n: 1 }] } } as const
  const warnings = [{ code: "mcp_tool_changed", message: "the tool echo is not what it was" }]

  test("is called, and its result says so, where the project lets it", async () => {
    const { run } = changed("run")
    expect(await run({ tool_args: { n: 1 } })).toEqual({ ...done, warnings })
  })

  test("is not called where it does not", async () => {
    const { run, asked } = changed("fail")
    expect(await run({ tool_args: { n: 1 } })).toEqual(failed(expect.stringContaining("publish the workflow again"), false))
    expect(asked).toEqual([])
  })

  test("is shown to a person with the arguments, and called when they approve", async () => {
    const { run, asked } = changed("ask")
    const config = { tool_args: { n: 1 } }
    expect(await run(config)).toMatchObject({
      ok: true,
      ask: { taskType: "tool_changed", payload: { tool: { name: "echo" }, arguments: { n: 1 }, was: "a", now: "b" } },
    })
    expect(asked).toEqual([])
    const said = (approved: boolean, now: string) => ({ approved, result: {}, asked: { now }, taskType: "tool_changed" })
    const no = await run(config, { answers: [said(false, "b")] })
    expect(no).toEqual(failed(expect.stringContaining("the call was rejected"), false))
    expect(asked).toEqual([])
    expect(await run(config, { answers: [said(true, "b")] })).toEqual({ ...done, warnings })
  })

  test("is shown whole or by its beginning and hash, so that what was asked can be told from what is", async () => {
    const { run, asked } = changed("ask")
    const config = { tool_args: { n: 1, text: "x".repeat(2_000_000) } }
    const question = await run(config)
    const payload = "ask" in question ? question.ask.payload : null
    expect(JSON.stringify(payload).length).toBeLessThan(300_000)
    expect(payload).toMatchObject({ arguments: { truncated: true, sha256: expect.any(String) }, now: "b" })
    const cut = { approved: true, result: {}, asked: { truncated: true, preview: "" }, taskType: "tool_changed" }
    expect(await run(config, { answers: [cut] })).toMatchObject({ ask: { taskType: "tool_changed" } })
    expect(asked).toEqual([])
  })

  test("is shown again when it has changed once more since a person looked at it", async () => {
    const { run, asked } = changed("ask")
    const earlier = { approved: true, result: {}, asked: { now: "a third" }, taskType: "tool_changed" }
    expect(await run({ tool_args: { n: 1 } }, { answers: [earlier] })).toMatchObject({ ok: true, ask: { payload: { now: "b" } } })
    expect(asked).toEqual([])
  })
})
