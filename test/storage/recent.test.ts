import { expect, test } from "bun:test"
import { Recent } from "../../src/storage/recent.ts"

const never = async () => {
  throw new Error("read again")
}

test("a value read lately is not read again, until it is too old", async () => {
  const recent = new Recent<string>(10, 1_000)

  expect(await recent.read("a", 0, async () => "first")).toBe("first")
  expect(await recent.read("a", 999, never)).toBe("first")
  expect(await recent.read("a", 1_000, async () => "second")).toBe("second")
})

test("a change empties it, and what was read before the change is not kept", async () => {
  const recent = new Recent<string>(10, 1_000)
  const late = Promise.withResolvers<string>()
  const reading = recent.read("a", 0, () => late.promise)

  recent.clear()
  late.resolve("from before")

  expect(await reading).toBe("from before")
  expect(await recent.read("a", 1, async () => "from behind")).toBe("from behind")
  recent.forget("a")
  expect(recent.get("a", 1)).toBeUndefined()
})

test("what is not there is asked for every time, and the oldest gives way", async () => {
  const recent = new Recent<string>(2, 1_000)

  expect(await recent.read("none", 0, async () => null)).toBeNull()
  expect(await recent.read("none", 0, async () => "there now")).toBe("there now")
  for (const key of ["b", "c"]) await recent.read(key, 0, async () => key)
  expect([recent.get("none", 0), recent.get("b", 0), recent.get("c", 0)]).toEqual([undefined, "b", "c"])
})
