import { expect, test } from "bun:test"
import { InTurn } from "../../src/storage/in-turn.ts"

test("who asks for the same in one turn shares one read; the next turn, and who asks for something else, reads anew", async () => {
  let reads = 0
  const inTurn = new InTurn<number>()
  const read = (key: string) => inTurn.read(key, async () => ++reads)

  expect(await Promise.all([read("a"), read("a"), read("b")])).toEqual([1, 1, 2])
  await new Promise(resolve => setImmediate(resolve))
  expect(await read("a")).toBe(3)
})

test("what was changed in the same turn is read anew, and a read that failed is not shared any longer than its turn", async () => {
  let value = 1
  const inTurn = new InTurn<number>()
  const read = () => inTurn.read("a", async () => value)
  expect(await read()).toBe(1)
  value = 2
  inTurn.clear()
  expect(await read()).toBe(2)

  await new Promise(resolve => setImmediate(resolve))
  await expect(inTurn.read("a", () => Promise.reject(new Error("no")))).rejects.toThrow("no")
  await new Promise(resolve => setImmediate(resolve))
  expect(await read()).toBe(2)
})
