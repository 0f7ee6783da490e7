import { describe, expect, test } from "bun:test"
import { expose, type KeepFile } from "../../../src/adapters/mcp/exposure.ts"
import type { RemoteResult } from "../../../src/adapters/mcp/mcp.ts"
import type { JsonObject } from "../../../src/kernel/json.ts"
import { MCP_FILES_MAX } from "../../../src/kernel/limits.ts"

function given(...content: readonly JsonObject[]): RemoteResult {
  return { content, structuredContent: null, isError: false }
}

const text = (value: string): JsonObject => ({ type: "text", text: value })
const base64 = (bytes: string) => Buffer.from(bytes).toString("base64")

function keeper(): { readonly kept: [string, string, string][]; readonly keep: KeepFile } {
  const kept: [string, string, string][] = []
  const keep: KeepFile = async (bytes, { mimeType, name }) => {
    kept.push([Buffer.from(bytes).toString(), mimeType, name])
    return { artifact_id: `a${kept.length}`, url: `/artifacts/a${kept.length}`, size_bytes: bytes.length }
  }
  return { kept, keep }
}

describe("a tool's result becomes a step's result:", () => {
  const { keep } = keeper()

  test("the properties of the JSON object that its text is", async () => {
    expect(await expose(given(text('{"rows":[1,2]}')), keep)).toEqual({ ok: true, value: { rows: [1, 2] } })
  })

  test("these rather than the structured content", async () => {
    const both = { ...given(text('{"a":1}')), structuredContent: { b: 2 } }

    expect(await expose(both, keep)).toEqual({ ok: true, value: { a: 1 } })
  })

  test("the structured content, where the text is no object with properties", async () => {
    for (const said of ["two rows", "{}", "[1]", "null", "{broken"])
      expect(await expose({ ...given(text(said)), structuredContent: { b: 2 } }, keep)).toEqual({ ok: true, value: { b: 2 } })
  })

  test("else what came, with its text in one", async () => {
    const content = [text("one"), text("two")]

    expect(await expose(given(...content), keep)).toEqual({ ok: true, value: { content, text: "one\ntwo" } })
    expect(await expose(given(), keep)).toEqual({ ok: true, value: { content: [] } })
  })

  test("an error is a failure with the tool's text, which is cut when it is long", async () => {
    expect(await expose({ ...given(text("no such table")), isError: true }, keep)).toEqual({
      ok: false,
      message: "no such table",
    })
    expect(await expose({ ...given(), isError: true }, keep)).toMatchObject({
      ok: false,
      message: "the tool failed without saying why",
    })
    const long = await expose({ ...given(text("x".repeat(100_000))), isError: true }, keep)
    expect(long.ok ? "" : long.message).toHaveLength(4_001)
  })
})

describe("files of a result", () => {
  test("are kept, and their bytes replaced by a reference", async () => {
    const { kept, keep } = keeper()
    const resource = { uri: "file:///reports/2026/march%20.pdf?x=1", mimeType: "application/pdf", blob: base64("pdf") }

    const exposed = await expose(
      given(
        text("here you are"),
        { type: "image", mimeType: "image/png", data: base64("png") },
        { type: "audio", mimeType: "audio/wav", data: base64("wav") },
        { type: "resource", resource },
        { type: "resource", resource: { uri: "file:///a.txt", text: "stays" } },
      ),
      keep,
    )

    expect(kept).toEqual([
      ["png", "image/png", "image.png"],
      ["wav", "audio/wav", "audio.wav"],
      ["pdf", "application/pdf", "march_20.pdf"],
    ])
    const { uri, mimeType } = resource
    const reference = (n: number) => ({ artifact_id: `a${n}`, url: `/artifacts/a${n}`, size_bytes: 3 })
    const content = [
      text("here you are"),
      { type: "image", mimeType: "image/png", ...reference(1) },
      { type: "audio", mimeType: "audio/wav", ...reference(2) },
      { type: "resource", resource: { uri, mimeType, ...reference(3) } },
      { type: "resource", resource: { uri: "file:///a.txt", text: "stays" } },
    ]
    expect(exposed).toEqual({ ok: true, value: { content, text: "here you are" } })
  })

  test("stay beside the JSON they came with", async () => {
    const { keep } = keeper()
    const image = { type: "image", mimeType: "image/png", data: base64("png") }

    const exposed = await expose(given(text('{"width":3}'), image), keep)

    expect(exposed).toMatchObject({ ok: true, value: { width: 3, content: [{}, { type: "image", artifact_id: "a1" }] } })
    expect(JSON.stringify(exposed)).not.toContain(image.data)
  })

  test("beyond a number of them are left out, and said to be", async () => {
    const { kept, keep } = keeper()
    const images = Array.from({ length: MCP_FILES_MAX + 1 }, () => ({
      type: "image",
      mimeType: "image/png",
      data: base64("png"),
    }))

    const exposed = await expose(given(...images), keep)

    expect(kept).toHaveLength(MCP_FILES_MAX)
    expect(JSON.stringify(exposed)).toContain('"omitted":"more than 100 files"')
  })
})
