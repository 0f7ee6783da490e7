import { describe, expect, test } from "bun:test"
import { limited } from "../../../src/connectors/database/call.ts"
import { parseDocument } from "../../../src/connectors/database/values.ts"
import { ToolFailure } from "../../../src/connectors/kit.ts"
import { callContext } from "../call.ts"

describe("JSON text of a database", () => {
  test.each([
    ["1", 1],
    ["1.10", 1.1],
    ["1e2", 100],
    ["-0", -0],
    ["0.0", 0],
    ["9007199254740993", "9007199254740993"],
    ["0.1234567890123456789", "0.1234567890123456789"],
    ["1e400", "1e400"],
    ["100000000000000000000", 100_000_000_000_000_000_000],
    ['"9007199254740993"', "9007199254740993"],
    ['{"a":[1,{"b":12345678901234567891}]}', { a: [1, { b: "12345678901234567891" }] }],
    ["no json", "no json"],
  ])("%s loses nothing", (text, expected) => {
    expect(parseDocument(text)).toEqual(expected)
  })

  test("that is nested without end comes as text", () => {
    const deep = "[".repeat(1_000_000) + "]".repeat(1_000_000)
    expect(parseDocument(deep)).toBe(deep)
  })

  test("may have a key called __proto__", () => {
    expect(JSON.stringify(parseDocument('{"__proto__":{"a":1}}'))).toBe('{"__proto__":{"a":1}}')
  })
})

describe("a call with a limit", () => {
  const failure = async (work: () => Promise<never>, timeoutMs = 1_000, repeatable = true) =>
    await limited({
      ...{ call: callContext({ timeoutMs }), seconds: 0, secrets: ["pa$$ word"] },
      ...{ work, repeatable: () => repeatable, translate: () => null },
    }).catch(error => error)

  test("masks what is secret in every spelling", async () => {
    for (const spelling of [
      ...["pa$$ word", "pa%24%24%20word", Buffer.from("pa$$ word").toString("base64"), Buffer.from("pa$$ word").toString("hex")],
    ]) {
      const { message } = await failure(() => Promise.reject(new ToolFailure(`before ${spelling} after`)))
      expect(message).toBe("before *** after")
    }
  })

  test("says what the world did, and whether it helps to try again", async () => {
    const late = new DOMException("late", "TimeoutError")
    expect(await failure(() => Promise.reject(late))).toMatchObject({
      retryable: true,
      message: expect.stringContaining("no connection within"),
    })
    const slow = () => Bun.sleep(40).then(() => Promise.reject(new Error("closed")))
    expect(await failure(slow, 10)).toMatchObject({ timeout: true, retryable: true })
    expect(await failure(slow, 10, false)).toMatchObject({ timeout: true, retryable: false })
  })
})
