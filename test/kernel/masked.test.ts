import { describe, expect, test } from "bun:test"
import { createMask, masked } from "../../src/kernel/masked.ts"

const SECRET = 'p@ss/wörd+&"x='
const bytes = Buffer.from(SECRET)

describe("a mask", () => {
  test("takes a secret out in every form in which it may be echoed", () => {
    for (const form of [
      SECRET,
      encodeURIComponent(SECRET),
      encodeURIComponent(SECRET).replaceAll(/%../g, code => code.toLowerCase()),
      new URLSearchParams({ s: SECRET }).toString().slice(2),
      JSON.stringify(SECRET).slice(1, -1),
      bytes.toString("hex"),
      bytes.toString("hex").toUpperCase(),
    ]) {
      expect(masked(`before ${form} after`, [SECRET])).toBe("before *** after")
    }
  })

  test("takes out what base64 makes of it, wherever in a longer text it stands", () => {
    for (const before of ["", "a", "ab", "abc", "user:", "Some User:"]) {
      for (const encoding of ["base64", "base64url"] as const) {
        const echoed = Buffer.concat([Buffer.from(before), bytes, Buffer.from(":after")]).toString(encoding)
        const left = masked(echoed, [SECRET])
        expect(left).toContain("***")
        // At most its first and last byte are left, as they share a character with their neighbours.
        const taken = echoed.length - left.replace("***", "").length
        expect(taken).toBeGreaterThanOrEqual(Math.floor(((bytes.length - 2) * 4) / 3))
      }
    }
  })

  test("works through keys and strings of JSON at any depth, and leaves everything else", () => {
    const { json } = createMask(["secret-1", "secret-2"])

    expect(json({ a: ["x secret-1 y", 1, null, true, { "secret-2": "fine" }] })).toEqual({
      a: ["x *** y", 1, null, true, { "***": "fine" }],
    })
  })

  test("with no secrets, or with ones so short that they would blot out words, changes nothing", () => {
    expect(masked("an answer", [])).toBe("an answer")
    expect(masked("an answer", ["", "an"])).toBe("an answer")
  })

  test("takes a secret out that has the signs of a pattern in it, or half a character", () => {
    expect(masked("x.*(y)[z]$^ x", [".*(y)[z]$^"])).toBe("x*** x")
    expect(masked("a\ud800bcd!", ["a\ud800bcd"])).toBe("***!")
  })
})
