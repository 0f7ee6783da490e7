import { afterAll, describe, expect, test } from "bun:test"
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { MCP_ANSWER_MAX_BYTES } from "../../../src/kernel/limits.ts"
import { eventually, failure, options, program, stdio, testClients } from "./peers.ts"

const clients = testClients()
const folder = realpathSync(mkdtempSync(join(tmpdir(), "agentruntime-stdio-")))
afterAll(() => rmSync(folder, { recursive: true }))

/** A server of the older era in a few lines; `work` is what it does for a call, with `answer` and `args` at hand. */
const serverThat = (work: string, before = "") => `
const say = message => process.stdout.write(JSON.stringify({ jsonrpc: "2.0", ...message }) + "\\n")
${before}
for await (const line of console) {
  const { id, method, params } = JSON.parse(line)
  const answer = result => say({ id, result })
  const text = value => answer({ content: [{ type: "text", text: String(value) }] })
  if (method === "initialize") answer({ protocolVersion: "2025-06-18", capabilities: { tools: {} }, serverInfo: { name: "p", version: "1" } })
  else if (method === "tools/call") { const args = params.arguments; ${work} }
  else if (id !== undefined) say({ id, error: { code: -32601, message: "no" } })
}`

const said = async (...[target, args = {}]: [ReturnType<typeof program>, Record<string, string>?]) =>
  (await clients.callTool(target, "work", args, options())).content[0]?.text

const alive = (pid: number) => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

describe("a process", () => {
  test("has exactly the declared environment, arguments and folder, and never what makes Bun another program", async () => {
    const source = join(folder, "look.ts")
    const look = "text(JSON.stringify({ env: process.env, argv: process.argv.slice(2), cwd: process.cwd() }))"
    writeFileSync(source, serverThat(look))
    const args = ["a b", "$HOME", "`id`", "; exit"]
    const env = { ONLY: "this", BUN_OPTIONS: "--version", BUN_BE_BUN: "1" }

    const there = JSON.parse(String(await said(stdio("look", [source, ...args], { env, cwd: folder }))))

    expect(there).toEqual({ env: { ONLY: "this" }, argv: args, cwd: folder })
  })

  test("is asked for its versions without a second process, and called many times", async () => {
    const file = join(folder, "starts")
    const target = program("counts", serverThat("text(args.n)", `require("fs").appendFileSync(${JSON.stringify(file)}, "x")`))

    const answers = await Promise.all([1, 2, 3, 4, 5].map(n => said(target, { n: String(n) })))

    expect(answers).toEqual(["1", "2", "3", "4", "5"])
    expect(readFileSync(file, "utf8")).toBe("x")
  })

  test("that ends on the question for its versions is started once more, and greeted the older way from then on", async () => {
    const file = join(folder, "older")
    const start = `require("fs").appendFileSync(${JSON.stringify(file)}, "x")`
    const picky = serverThat("text('fine')", start).replace(
      "const answer",
      'if (method === "server/discover") process.exit(2)\n  const answer',
    )
    const target = program("picky", picky)

    expect(await said(target)).toBe("fine")
    await clients.callTool(target, "work", {}, options())
    expect(readFileSync(file, "utf8")).toBe("xx")
  })

  test("prints what is no message, and is understood all the same", async () => {
    expect(
      await said(program("chatty", serverThat("console.log('[info] working'); text('done')", "console.log('hello!')"))),
    ).toBe("done")
  })

  test("leaves nothing behind when it is forgotten: itself, what it started, what ignores signals", async () => {
    const start = `
      process.on("SIGTERM", () => {})
      setInterval(() => {}, 1000)
      const child = require("child_process").spawn("sleep", ["1000"], { stdio: "ignore" })`
    const target = program("stubborn", serverThat("text(process.pid + ' ' + child.pid)", start), {
      env: { PATH: "/usr/bin:/bin" },
    })
    const pids = String(await said(target))
      .split(" ")
      .map(Number)
    expect(pids.map(alive)).toEqual([true, true])

    await clients.forget(target.key)

    await eventually("both are gone", () => !pids.some(alive))
  })
})

describe("a process that", () => {
  test("dies in the middle of a call fails it with its last words, without its secrets, and is started anew for the next", async () => {
    const work = "if (args.die) { console.error('out of luck, key ' + process.env.KEY); process.exit(3) } text('alive')"
    const target = program("mortal", serverThat(work), { env: { KEY: "k-123456789" } })
    expect(await said(target)).toBe("alive")

    const error = await failure(said(target, { die: "now" }))

    expect(error.message).toBe("the MCP server mortal ended: it exited with code 3; it said: out of luck, key ***")
    expect(error).toMatchObject({ name: "McpFailure", retryable: true })
    expect(await said(target)).toBe("alive")
  })

  test("crashes at its start says why, and is started more and more seldom", async () => {
    const file = join(folder, "crashes")
    const source = `require("fs").appendFileSync(${JSON.stringify(file)}, "x"); console.error("no licence"); process.exit(1)`
    const target = program("broken", source)

    const first = await failure(said(target))
    expect(first.message).toBe("the MCP server broken ended: it exited with code 1; it said: no licence")

    const until = performance.now() + 1_500
    while (performance.now() < until) await failure(said(target))
    expect(readFileSync(file, "utf8").length).toBeLessThan(10)
  })

  test("is no program fails with that", async () => {
    const target = { ...program("missing", ""), command: ["/no/such/program"] as const }

    expect((await failure(said(target))).message).toBe(
      "the MCP server missing could not be started: there is no such program, or its cwd does not exist (ENOENT)",
    )
  })

  test("does not listen is given up in time, and can be closed", async () => {
    const target = program("deaf", "setInterval(() => {}, 1000)")

    const error = await failure(clients.callTool(target, "work", {}, options({ timeoutMs: 300 })))

    expect(error).toMatchObject({ message: "the MCP server deaf did not answer within 0.3 s", timeout: true })
    await clients.forget(target.key)
  })

  test("writes a line without end is ended", async () => {
    const target = program("endless", serverThat("process.stdout.write('x'.repeat(20 * 1024 * 1024))"))

    expect((await failure(said(target))).message).toBe(
      `the MCP server endless ended: it wrote a line of more than ${MCP_ANSWER_MAX_BYTES} bytes`,
    )
  })
})

test("a call that is given up is cancelled at the server, and leaves the process to the others", async () => {
  const work = "if (args.hang) return waiting.set(id, 1); text(cancelled.join())"
  const before = "const waiting = new Map(), cancelled = []"
  const server = serverThat(work.replace("return waiting.set(id, 1);", "{ waiting.set(id, 1); continue }"), before)
  const target = program(
    "patient",
    server.replace(
      "const answer",
      'if (method === "notifications/cancelled") { cancelled.push(waiting.has(params.requestId)); continue }\n  const answer',
    ),
  )
  await said(target)

  await failure(clients.callTool(target, "work", { hang: "yes" }, options({ timeoutMs: 200 })))

  expect(await said(target)).toBe("true")
})

test("processes of different keys are different ones", async () => {
  const target = program("kept", serverThat("text(process.pid)"))

  const pids = [await said(target), await said({ ...target, key: "of another project" }), await said(target)]

  expect(pids[0]).toBe(pids[2])
  expect(pids[0]).not.toBe(pids[1])
})
