import { describe, expect, test } from "bun:test"
import { parseJson, readBytes, readJson } from "../../src/http/body.ts"
import { AppError } from "../../src/kernel/errors.ts"
import { BODY_DRAIN_MAX_BYTES, JSON_MAX_DEPTH, JSON_MAX_KEYS } from "../../src/kernel/limits.ts"

const bytes = (text: string) => new TextEncoder().encode(text)
const post = (body: BodyInit | null, headers: Record<string, string> = {}) =>
  new Request("http://localhost/", { method: "POST", body, headers })

/** A body of unknown length, and how much of it was taken. */
function stream(chunks: readonly (string | Uint8Array)[], headers: Record<string, string> = {}) {
  let taken = 0
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const chunk = chunks[taken++]
        if (chunk === undefined) controller.close()
        else controller.enqueue(typeof chunk === "string" ? bytes(chunk) : chunk)
      },
    },
    { highWaterMark: 0 },
  )
  return { request: post(body, headers), taken: () => taken }
}

async function refusal(action: () => unknown): Promise<readonly [string, string | undefined, string]> {
  try {
    await action()
  } catch (error) {
    if (error instanceof AppError) return [error.kind, error.extras.code, error.message]
    throw error
  }
  throw new Error("it was not refused")
}

describe("the size of a body", () => {
  test("that is too large is read to its end and thrown away, so that the client hears the answer", async () => {
    const chunks = Array.from({ length: 10 }, () => new Uint8Array(1000))
    for (const headers of [{}, { "content-length": "10000" }]) {
      const { request, taken } = stream(chunks, headers)
      expect((await refusal(() => readBytes(request, 2500))).slice(0, 2)).toEqual(["too_large", "BODY_TOO_LARGE"])
      expect(taken()).toBe(11)
    }
  })

  test("that is far too large is not read to its end", async () => {
    const megabyte = new Uint8Array(1024 * 1024)
    const { request, taken } = stream(Array.from({ length: 1000 }, () => megabyte))
    expect((await refusal(() => readBytes(request, 2500)))[0]).toBe("too_large")
    expect(taken()).toBeLessThan(BODY_DRAIN_MAX_BYTES / megabyte.length + 5)
  })

  test("that ends before its time is the connection's fault, not ours", async () => {
    const body = new ReadableStream({
      pull: () => {
        throw new Error("the peer is gone")
      },
    })
    expect((await refusal(() => readBytes(post(body), 100))).slice(0, 2)).toEqual(["bad_request", "INVALID_BODY"])
  })

  test("may be exactly the limit, declared or not", async () => {
    const text = JSON.stringify("x".repeat(98))
    expect(text.length).toBe(100)
    expect(await readJson(post(text), 100)).toBe("x".repeat(98))
    expect(await readJson(stream([text.slice(0, 50), text.slice(50)]).request, 100)).toBe("x".repeat(98))
    for (const request of [post(`${text} `, { "content-length": "101" }), stream([text, " "]).request])
      expect((await refusal(() => readJson(request, 100)))[0]).toBe("too_large")
  })

  test("counts bytes, not characters", async () => {
    const { request } = stream([JSON.stringify("é".repeat(60))])
    expect((await refusal(() => readJson(request, 100)))[0]).toBe("too_large")
  })

  test("that is nonsense is not believed", async () => {
    for (const length of ["abc", "-5", "", "NaN"]) {
      const headers = { "content-length": length }
      expect(await readJson(stream(["[1]"], headers).request, 100)).toEqual([1])
      expect((await refusal(() => readJson(stream(["[1, 2, 3]"], headers).request, 5)))[0]).toBe("too_large")
    }
  })

  test("may be nothing at all", async () => {
    expect(await readJson(post(null))).toBeUndefined()
    expect(await readJson(post(""))).toBeUndefined()
    expect(await readJson(stream([]).request)).toBeUndefined()
    expect(await readJson(new Request("http://localhost/"))).toBeUndefined()
  })

  test("is the same whatever its content type says", async () => {
    for (const type of [
      "application/json",
      "text/plain",
      "application/x-www-form-urlencoded",
      "multipart/form-data; boundary=x",
      "",
    ])
      expect(await readJson(post('{"a":1}', { "content-type": type }))).toEqual({ a: 1 })
  })
})

describe("the depth of a body", () => {
  const nested = (levels: number, open = "[", close = "]") => bytes(open.repeat(levels) + close.repeat(levels))

  test("may be the limit, in lists and in objects", () => {
    expect(JSON.stringify(parseJson(nested(JSON_MAX_DEPTH)))).toHaveLength(2 * JSON_MAX_DEPTH)
    expect(parseJson(bytes(`${'{"a":'.repeat(JSON_MAX_DEPTH)}1${"}".repeat(JSON_MAX_DEPTH)}`))).toHaveProperty("a")
  })

  test("beyond it is refused, however deep, without overflowing anything", async () => {
    for (const levels of [JSON_MAX_DEPTH + 1, 10_000, 1_000_000])
      expect(await refusal(() => parseJson(bytes("[".repeat(levels))))).toEqual([
        "bad_request",
        "INVALID_BODY",
        `invalid request body: nested deeper than ${JSON_MAX_DEPTH} levels`,
      ])
    expect((await refusal(() => parseJson(nested(65, '{"a":', "}"))))[2]).toContain("nested deeper")
  })

  test("is not that of brackets within text", () => {
    const text = `${"[{".repeat(500)}"\\" : `
    expect(parseJson(bytes(JSON.stringify({ [text]: text })))).toEqual({ [text]: text })
    expect(parseJson(bytes(JSON.stringify(["\\", "[".repeat(100), '\\\\"[{'])))).toEqual(["\\", "[".repeat(100), '\\\\"[{'])
  })

  test("is counted side by side: many shallow lists are fine", () => {
    expect(parseJson(bytes(`[${"[],".repeat(50_000)}0]`))).toHaveLength(50_001)
  })

  test("cannot be hidden behind closing brackets", async () => {
    expect((await refusal(() => parseJson(bytes(`${"]".repeat(1000)}${"[".repeat(1000)}`))))[0]).toBe("bad_request")
  })
})

describe("the keys and elements of a body", () => {
  // In each element one colon outside of text, and a comma behind it.
  const elements = (count: number) => bytes(`[${Array.from({ length: count }, (_, i) => `{"k${i}":":,"}`).join(",")}]`)

  test("may be as many as the limit, all together; those within text do not count", () => {
    expect(parseJson(elements(JSON_MAX_KEYS / 2))).toHaveLength(JSON_MAX_KEYS / 2)
    expect(parseJson(bytes(JSON.stringify(",:".repeat(JSON_MAX_KEYS))))).toHaveLength(2 * JSON_MAX_KEYS)
  })

  test("beyond it are refused, be they keys or elements", async () => {
    for (const body of [elements(JSON_MAX_KEYS / 2 + 1), bytes(`[${"0,".repeat(JSON_MAX_KEYS + 1)}0]`)])
      expect(await refusal(() => parseJson(body))).toEqual([
        "bad_request",
        "INVALID_BODY",
        `invalid request body: more than ${JSON_MAX_KEYS} keys and elements`,
      ])
  })
})

describe("what is no JSON", () => {
  test.each([
    "{",
    "}",
    "[1,]",
    "{'a':1}",
    "{a:1}",
    "undefined",
    "NaN",
    "01",
    "1 2",
    '"open',
    '"\\',
    '"\\"',
    "\u0000",
    "{}x",
    "// comment",
    "\u00a0",
    " ",
  ])("%j is refused without repeating it", async text => {
    expect(await refusal(() => parseJson(bytes(text)))).toEqual([
      "bad_request",
      "INVALID_BODY",
      "invalid request body: it is not valid JSON",
    ])
  })

  test.each([[[0xff]], [[0xc3, 0x28]], [[0x22, 0xed, 0xa0, 0x80, 0x22]], [[0xfe, 0xff, 0x00, 0x7b]]])(
    "bytes %j are no UTF-8",
    async raw => {
      expect(await refusal(() => parseJson(new Uint8Array(raw)))).toEqual([
        "bad_request",
        "INVALID_BODY",
        "invalid request body: it is not UTF-8 text",
      ])
    },
  )
})

describe("what is JSON", () => {
  test.each([
    "null",
    "true",
    "0",
    "-0",
    "1e308",
    '""',
    '"\\ud83d\\ude42"',
    '"\\u0000"',
    "[]",
    "{}",
    " \t\r\n[1]\n",
    '{"a":{"a":{}}}',
  ])("%s is taken as the language takes it", text => {
    expect(parseJson(bytes(text))).toEqual(JSON.parse(text))
  })

  test("may begin with a byte order mark, as some editors write it", () => {
    expect(parseJson(new Uint8Array([0xef, 0xbb, 0xbf, ...bytes("[1]")]))).toEqual([1])
  })

  test("with __proto__ makes an ordinary key of it", () => {
    const parsed = parseJson(bytes('{"__proto__":{"polluted":true}}')) as object
    expect(Object.keys(parsed)).toEqual(["__proto__"])
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined()
  })
})
