import { describe, expect, test } from "bun:test"
import { REPLAY_DIFFERENCES_MAX } from "../../../src/kernel/limits.ts"
import { bounded, differencesOf } from "../../../src/modules/replay/difference.ts"

describe("the differences of two values", () => {
  test("are named by their paths, with what was and is there", () => {
    const was = { a: [1, { b: "x" }], "odd key": 1, same: { deep: [1] } }
    const now = { a: [1, { b: "y" }, 3], more: null, same: { deep: [1] } }

    expect(differencesOf(was, now, "$")).toEqual([
      { path: "$.a[1].b", was: "x", now: "y" },
      { path: "$.a[2]", was: null, now: 3 },
      { path: '$["odd key"]', was: 1, now: null },
      { path: "$.more", was: null, now: null },
    ])
  })

  test("of names that every object inherits are those of the values alone", () => {
    expect(differencesOf({}, { constructor: 1 }, "$")).toEqual([{ path: "$.constructor", was: null, now: 1 }])
  })

  test("of long texts show what is around them", () => {
    const [before, behind] = ["a".repeat(500), "z".repeat(500)]
    const [only] = differencesOf(`${before}cat${behind}`, `${before}doge${behind}`, "$.prompt")

    expect(only?.was).toBe(`…${"a".repeat(60)}cat${"z".repeat(60)}…`)
    expect(only?.now).toBe(`…${"a".repeat(60)}doge${"z".repeat(60)}…`)
  })

  test("are bounded in number and size", () => {
    const many = (of: number) => Array.from({ length: 10_000 }, () => of)
    expect(differencesOf(many(1), many(2), "$")).toHaveLength(REPLAY_DIFFERENCES_MAX)
    expect(bounded({ text: "x".repeat(1_000_000) })).toMatchObject({ truncated: true })
  })
})
