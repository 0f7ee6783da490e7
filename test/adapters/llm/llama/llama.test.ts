import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { findLocalModel } from "../../../../dist-config/local-model.ts"
import type { ModelTarget, ModelTool } from "../../../../src/adapters/llm/llm.ts"
import { ask, failureFrom, models, options, target } from "../calling.ts"
import { CONTEXT, tinyLlama } from "./gguf.ts"

const folder = findLocalModel()
if (folder === null)
  console.log("skipped: node-llama-cpp is not here; the test script fetches it on Linux x64 with a package registry")

const LAMP: ModelTool = {
  name: "set_lamp",
  description: "Turns the lamp on or off.",
  inputSchema: {
    type: "object",
    properties: { on: { type: "boolean" }, color: { enum: ["red", "green"] } },
    required: ["on", "color"],
    additionalProperties: false,
  },
}

describe.skipIf(folder === null)("a real local server, llama.cpp with a model of noise", () => {
  const data = mkdtempSync(join(tmpdir(), "llama-"))
  let child: Bun.Subprocess<"ignore", "pipe", "inherit">
  let at: ModelTarget

  beforeAll(async () => {
    const model = join(data, "tiny.gguf")
    writeFileSync(model, tinyLlama(7))
    child = Bun.spawn([process.execPath, "run", join(import.meta.dir, "server.ts"), folder ?? "", model], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "inherit",
    })
    const { value } = await child.stdout.getReader().read()
    const { port } = JSON.parse(new TextDecoder().decode(value))
    at = target({ vendor: "local", model: "tiny.gguf", baseUrl: `http://127.0.0.1:${port}` })
  }, 60_000)
  afterAll(() => {
    child?.kill()
    rmSync(data, { recursive: true })
  })

  test("lists its model", async () => {
    const { model: _, ...there } = at

    expect(await models().list(there, options())).toEqual([{ model: "tiny.gguf", contextWindow: CONTEXT }])
  })

  test("streams what it says, and counts its tokens", async () => {
    const heard: string[] = []

    const answer = await models().complete(
      at,
      ask("hi", { params: { max_tokens: 40 } }),
      options({ onText: delta => heard.push(delta) }),
    )

    expect(answer.message.text).toBe(heard.join(""))
    expect(heard.length).toBeGreaterThan(1)
    expect(answer.usage.input).toBeGreaterThan(10)
    expect(answer.usage.output).toBeGreaterThan(0)
  })

  test("answers with JSON of a schema", async () => {
    const output = {
      type: "object",
      properties: { ok: { type: "boolean" }, kind: { enum: ["alpha", "beta"] } },
      required: ["ok", "kind"],
    }

    for (const seed of [1, 2, 3]) {
      const answer = await models().complete(at, ask("hi", { output, params: { seed } }), options())
      expect(JSON.parse(answer.message.text)).toEqual({ ok: expect.any(Boolean), kind: expect.stringMatching(/^(alpha|beta)$/) })
    }
  })

  test("calls a tool, and goes on with its answer", async () => {
    const first = ask("Switch the lamp on.", { tools: [LAMP], params: { max_tokens: 300 } })
    const calling = await models().complete(at, first, options({ onText: () => {} }))

    expect(calling.finish).toBe("tool_calls")
    expect(calling.message.toolCalls).toMatchObject([{ name: "set_lamp", args: { on: expect.any(Boolean) }, problem: null }])

    const results = calling.message.toolCalls.map(({ id, name }) => ({ id, name, text: "done", isError: false }))
    const told = await models().complete(
      at,
      { ...first, messages: [...first.messages, calling.message, { role: "tool", results }] },
      options(),
    )
    expect(told.message.toolCalls).toEqual([])
  })

  test("refuses what does not fit into its context", async () => {
    const failure = await failureFrom(models().complete(at, ask("too much ".repeat(500)), options()))

    expect([failure.problem, failure.more.retryable]).toEqual(["context_length", false])
  })

  test("is stopped in the middle", async () => {
    const stop = new AbortController()
    const work = models().complete(
      at,
      ask("hi", { params: { max_tokens: 900 } }),
      options({ signal: stop.signal, onText: () => stop.abort(new Error("enough")) }),
    )

    expect(await work.catch(error => error.message)).toBe("enough")
  })
})
