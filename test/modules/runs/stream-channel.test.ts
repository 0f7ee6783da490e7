import { describe, expect, test } from "bun:test"
import { STREAM_BUFFER_MAX_BYTES } from "../../../src/kernel/limits.ts"
import { Channel, type Frame, type Reader } from "../../../src/modules/runs/stream-channel.ts"
import { StreamPump } from "../../../src/modules/runs/stream-pump.ts"

const KIB = 1024

/** A reader that keeps what it gets; one that takes nothing has it all in its buffer. */
function reader(takes: "everything" | "nothing" = "everything") {
  const texts: string[] = []
  let untaken = 0
  let closed: number | null = null
  const own: Reader = {
    send: more => {
      texts.push(...more)
      if (takes === "nothing") untaken += more.reduce((sum, text) => sum + text.length, 0)
    },
    buffered: () => untaken,
    close: code => {
      closed = code
    },
  }
  return {
    ...own,
    texts,
    closed: () => closed,
    take: () => {
      untaken = 0
    },
  }
}

const frames = (from: number, count: number, chars = 0): Frame[] =>
  Array.from({ length: count }, (_, i) => ({ seq: from + i, text: `${from + i}`.padEnd(chars, ".") }))
const numbers = (texts: readonly string[]) => texts.map(text => Number.parseInt(text, 10))
const upTo = (last: number, from = 1) => Array.from({ length: last - from + 1 }, (_, i) => from + i)

async function until(holds: () => boolean): Promise<void> {
  for (let i = 0; i < 2_000 && !holds(); i++) await Bun.sleep(1)
  expect(holds()).toBe(true)
}

describe("a reader of the past", () => {
  test("is waited for as long as it takes something, and closed when it takes nothing", async () => {
    const own = reader("nothing")
    const joined = new Channel(new StreamPump()).join(own)
    own.send(["x".repeat(300 * KIB)])
    let done = false
    const waiting = joined.taken().then(() => {
      done = true
    })
    await Bun.sleep(50)
    expect(done).toBe(false)
    own.take()
    await waiting
    expect(own.closed()).toBeNull()

    own.send(["x".repeat(300 * KIB)])
    await joined.taken(50)
    expect([own.closed(), joined.ended]).toEqual([1013, true])
  })
})

describe("a channel", () => {
  test("closes nobody for what may be left out, and keeps room for events", async () => {
    const channel = new Channel(new StreamPump())
    const slow = reader("nothing")
    channel.begin(channel.join(slow))
    channel.append(frames(1, 1))
    for (let n = 0; n < 5_000; n++) channel.appendIfThereIsRoom({ seq: 1.5, text: `1.5 ${"x".repeat(8 * KIB)}` })
    await Bun.sleep(20)
    expect(channel.fill).toBeLessThan(0.2)
    channel.append(frames(2, 1))
    slow.take()
    await until(() => {
      slow.take()
      return slow.texts.at(-1) === "2"
    })
    expect(slow.closed()).toBeNull()
  })

  test("gives each reader what came since it joined, once and in order", async () => {
    const channel = new Channel(new StreamPump())
    const [early, late] = [reader(), reader()]
    channel.begin(channel.join(early))
    channel.append(frames(1, 500, 1_000))
    channel.begin(channel.join(late))
    channel.append(frames(501, 100))
    await until(() => early.texts.length === 600 && late.texts.length === 100)
    expect(numbers(early.texts)).toEqual(upTo(600))
    expect(numbers(late.texts)).toEqual(upTo(600, 501))
  })

  test("leaves out what a reader was sent from the journal before it was live", async () => {
    const channel = new Channel(new StreamPump())
    const own = reader()
    const joined = channel.join(own)
    channel.append(frames(4, 3))
    joined.replayedTo = 8
    channel.begin(joined)
    channel.append(frames(7, 5))
    await until(() => own.texts.length === 3)
    await Bun.sleep(5)
    expect(numbers(own.texts)).toEqual([9, 10, 11])
  })

  test("closes a reader that takes nothing with 1013, keeps little for it, and the others miss nothing", async () => {
    const channel = new Channel(new StreamPump())
    const [slow, fast] = [reader("nothing"), reader()]
    channel.begin(channel.join(slow))
    channel.begin(channel.join(fast))
    const count = (3 * 2 * STREAM_BUFFER_MAX_BYTES) / (64 * KIB)
    for (let i = 0; i < count; i++) {
      channel.append(frames(i + 1, 1, 64 * KIB))
      expect(channel.fill).toBeLessThanOrEqual(1)
      await new Promise(resolve => setImmediate(resolve))
    }
    await until(() => fast.texts.length === count)
    expect(slow.closed()).toBe(1013)
    expect(slow.texts.length * 64 * KIB).toBeLessThanOrEqual(2 * STREAM_BUFFER_MAX_BYTES)
    expect(fast.closed()).toBe(null)
    expect(numbers(fast.texts)).toEqual(upTo(count))
    expect(channel.size).toBe(1)
  })

  test("goes on with a reader that has caught up, where it was", async () => {
    const channel = new Channel(new StreamPump())
    const own = reader("nothing")
    channel.begin(channel.join(own))
    channel.append(frames(1, 30, 64 * KIB))
    await until(() => own.texts.length > 0)
    await Bun.sleep(50)
    expect(own.texts.length).toBeLessThan(30)
    while (own.texts.length < 30) {
      own.take()
      await Bun.sleep(5)
    }
    expect(numbers(own.texts)).toEqual(upTo(30))
    expect(own.closed()).toBe(null)
  })

  test("does not close a quick reader because much came at once", async () => {
    const channel = new Channel(new StreamPump())
    const own = reader()
    channel.begin(channel.join(own))
    channel.append(frames(1, 20, STREAM_BUFFER_MAX_BYTES / 8))
    await until(() => own.texts.length === 20)
    expect(own.closed()).toBe(null)
  })

  test("gives nothing to a reader that has left", async () => {
    const channel = new Channel(new StreamPump())
    const [own, other] = [reader(), reader()]
    const joined = channel.join(own)
    channel.begin(joined)
    channel.begin(channel.join(other))
    channel.append(frames(1, 3))
    channel.leave(joined)
    await until(() => other.texts.length === 3)
    expect(own.texts).toEqual([])
  })
})

test("readers with much to get leave most of the event loop to others, and have all of it when nobody wants it", async () => {
  let clock = 1_000
  let servedMs = 0
  const channel = new Channel(new StreamPump(() => clock))
  const takesTime = {
    ...reader(),
    send: () => {
      clock += 0.25
      servedMs += 0.25
    },
  }
  for (let i = 0; i < 1_000; i++) channel.begin(channel.join(takesTime))
  channel.append(frames(1, 5_000, 400))
  await new Promise(resolve => setImmediate(resolve))
  servedMs = 0
  for (let turn = 0; turn < 50; turn++) {
    clock += 6 // the server's own work
    await new Promise(resolve => setImmediate(resolve))
  }
  expect(servedMs / (servedMs + 50 * 6)).toBeWithin(0.05, 0.15)

  servedMs = 0
  for (let turn = 0; turn < 50; turn++) {
    clock += 0.01
    await new Promise(resolve => setImmediate(resolve))
  }
  expect(servedMs).toBeGreaterThanOrEqual(50 * 0.3)
})
