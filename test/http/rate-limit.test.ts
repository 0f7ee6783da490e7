import { expect, test } from "bun:test"
import { RateLimit, rateLimited } from "../../src/http/rate-limit.ts"

test("so many requests a minute pass, then as many as the time that went by has given back", () => {
  const limit = new RateLimit()
  const passed = (at: number, n: number) =>
    Array.from({ length: n }, () => limit.take("a", 60, at)).filter(a => a !== null).length
  expect(passed(0, 100)).toBe(60)
  expect(passed(999, 5)).toBe(0)
  expect(passed(3_000, 5)).toBe(3)
  expect(passed(3_600_000, 100)).toBe(60)
})

test("one caller's requests are not another's, and a clock that is put back gives nothing", () => {
  const limit = new RateLimit()
  expect(limit.take("a", 1, 60_000)).toEqual({ limit: 1, remaining: 0, resetAt: 120 })
  expect(limit.take("a", 1, 0)).toBeNull()
  expect(limit.take("b", 1, 0)).not.toBeNull()
})

test("who is refused is told when the next one passes", () => {
  expect(rateLimited(3).extras.retryAfterS).toBe(20)
  expect(rateLimited(6_000).extras.retryAfterS).toBe(1)
})
