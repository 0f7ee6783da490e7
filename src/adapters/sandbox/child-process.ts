import { type ChildProcess as NodeChild, spawn } from "node:child_process"
import { setPriority } from "node:os"
import { CHILD_ANSWER_MAX_BYTES, CHILD_START_MAX_MS, CHILD_STDERR_KEPT_BYTES } from "../../kernel/limits.ts"
import { MEMORY_EXCEEDED } from "./child-limits.ts"
import { HANDED_BACK, LAST_ANSWER, READY } from "./child-loop.ts"

export interface ChildCommand {
  readonly command: readonly string[]
  /** The child's whole environment. */
  readonly env: { readonly [name: string]: string }
}

/** What a child tells its owner. After `onExit` nothing follows. */
export interface ChildOwner {
  onReady(child: Child): void
  /** To the job in hand. */
  onAnswer(child: Child, answer: Answer): void
  /** The job in hand had to wait for those before it, and was not begun. */
  onHandedBack(child: Child): void
  /** The deadline of the job in hand has passed. The child is killed already. */
  onDeadline(child: Child): void
  /** It exited, or was killed for what `reason` says. */
  onExit(child: Child, reason: string): void
}

export interface Answer {
  readonly json: string
  readonly tookUs: number
  /** The child asks to be replaced. */
  readonly last: boolean
}

const NEWLINE = 10

/**
 * One child: starts it, writes lines, reads lines, kills it at the deadline. Spawned through `node:child_process`, because an
 * echoed line took about 100 µs through Bun.spawn's streams and about 23 through these (Bun 1.4.5, a shared machine).
 */
export class Child {
  ready = false
  /** Jobs it was given. */
  jobs = 0
  /** Those of them that it has answered or handed back. */
  #done = 0
  readonly #process: NodeChild
  readonly #owner: ChildOwner
  readonly exited: Promise<void>
  #parts: Buffer[] = []
  #partsBytes = 0
  #stderr: Buffer = Buffer.alloc(0)
  #fault: string | undefined
  #held = true
  #ended = false
  /** `performance.now()` at which the job in hand is over; 0 without one. */
  #deadline = 0
  /** One timer for many jobs: it is moved when it fires too early, not for each job. */
  #timer: ReturnType<typeof setTimeout> | undefined
  #timerAt = 0

  constructor({ command, env }: ChildCommand, owner: ChildOwner) {
    this.#owner = owner
    const [file = "", ...args] = command
    // The root as working directory: Bun reads `.env` and `bunfig.toml` of the directory it starts in when run from source.
    const child = spawn(file, args, { env: { ...env }, cwd: "/", stdio: ["pipe", "pipe", "pipe"], windowsHide: true })
    this.#process = child
    yieldToServer(child.pid)
    child.stdin.on("error", () => {}) // a child that is gone says so through its exit
    child.stdout.on("error", () => {})
    child.stderr.on("error", () => {})
    child.stdout.on("data", (chunk: Buffer) => this.#receive(chunk))
    child.stderr.on("data", (chunk: Buffer) => this.#keep(chunk))
    this.exited = new Promise(resolve => {
      child.once("error", error => this.#gone(`it could not be started: ${error.message}`, resolve))
      // "close" comes after the last byte of stdout, so an answer that was written before the end still counts.
      child.once("close", (code, signal) =>
        this.#gone(signal === null ? `it exited with code ${code}` : `it was ended by ${signal}`, resolve),
      )
    })
    this.#armFor(performance.now() + CHILD_START_MAX_MS)
  }

  get pid(): number | undefined {
    return this.#process.pid
  }

  /** Whether it may be given a job: it was not told to die. */
  get usable(): boolean {
    return this.#fault === undefined && !this.#ended
  }

  /** Whether it said that it ended itself for want of memory. */
  get outOfMemory(): boolean {
    return this.#stderr.toString("utf8").endsWith(MEMORY_EXCEEDED)
  }

  /** Gives it so many jobs, a line each, of which the first has so much time from now. */
  send(lines: string, jobs: number, deadlineMs: number): void {
    this.jobs += jobs
    this.allow(deadlineMs)
    this.#process.stdin?.write(lines)
  }

  /** The job in hand, which it begins now, has so much time. */
  allow(deadlineMs: number): void {
    this.#armFor(performance.now() + deadlineMs)
  }

  /** Ends it at once; `onExit` follows with the reason. */
  kill(reason: string): void {
    this.#fault ??= reason
    this.#process.kill("SIGKILL")
  }

  /** Whether it keeps this process alive. */
  hold(alive: boolean): void {
    if (alive === this.#held) return // Bun counts: a second ref() of a stream needs a second unref()
    this.#held = alive
    const { stdin, stdout, stderr } = this.#process
    for (const part of [this.#process, stdin, stdout, stderr] as readonly (Partial<Holdable> | null)[]) {
      if (alive) part?.ref?.()
      else part?.unref?.()
    }
  }

  #receive(chunk: Buffer): void {
    if (this.#fault !== undefined) return
    const end = chunk.lastIndexOf(NEWLINE)
    if (end === -1) {
      this.#keepPart(chunk)
      return
    }
    const whole = this.#parts.length > 0 ? Buffer.concat([...this.#parts, chunk.subarray(0, end)]) : chunk.subarray(0, end)
    this.#parts = []
    this.#partsBytes = 0
    if (end + 1 < chunk.length) this.#keepPart(chunk.subarray(end + 1))
    const lines = whole.toString("utf8").split("\n")
    // Before any of them is taken for an answer: the first would make room for another job, which the next must not answer.
    if (lines.length > (this.ready ? this.jobs - this.#done : 1)) {
      this.kill("it wrote more lines than it had jobs")
      return
    }
    for (const line of lines) if (this.#fault === undefined) this.#line(line)
  }

  #keepPart(part: Buffer): void {
    this.#parts.push(part)
    this.#partsBytes += part.length
    if (this.#partsBytes > CHILD_ANSWER_MAX_BYTES) this.kill(`its answer is longer than ${CHILD_ANSWER_MAX_BYTES} bytes`)
  }

  #line(line: string): void {
    this.#deadline = 0
    if (!this.ready) {
      if (line !== READY) this.kill("it did not greet as a sandbox child does")
      else {
        this.ready = true
        this.#owner.onReady(this)
      }
      return
    }
    const kind = line.charAt(0)
    this.#done++
    if (kind === HANDED_BACK && line === `${HANDED_BACK}${this.#done}`) {
      this.#owner.onHandedBack(this)
      return
    }
    const afterNumber = line.indexOf(" ")
    const afterTime = line.indexOf(" ", afterNumber + 1)
    if (line.slice(1, afterNumber) !== String(this.#done)) this.kill("it answered a job that is not in its hand")
    else {
      const tookUs = Number(line.slice(afterNumber + 1, afterTime))
      this.#owner.onAnswer(this, { json: line.slice(afterTime + 1), tookUs, last: kind === LAST_ANSWER })
    }
  }

  #keep(chunk: Buffer): void {
    this.#stderr = Buffer.concat([this.#stderr, chunk.subarray(-CHILD_STDERR_KEPT_BYTES)]).subarray(-CHILD_STDERR_KEPT_BYTES)
  }

  #armFor(deadline: number): void {
    this.#deadline = deadline
    if (this.#timer !== undefined && this.#timerAt <= deadline) return
    clearTimeout(this.#timer)
    this.#timerAt = deadline
    this.#timer = setTimeout(() => this.#tick(), Math.max(1, Math.ceil(deadline - performance.now())))
    this.#timer.unref()
  }

  #tick(): void {
    this.#timer = undefined
    if (this.#deadline === 0) return
    if (performance.now() < this.#deadline) {
      this.#armFor(this.#deadline)
    } else if (this.ready) {
      this.#deadline = 0
      this.kill("its deadline passed")
      this.#owner.onDeadline(this)
    } else this.kill(`it gave no sign of life within ${CHILD_START_MAX_MS} ms`)
  }

  #gone(reason: string, done: () => void): void {
    if (this.#ended) return
    this.#ended = true
    if (this.#timer !== undefined) clearTimeout(this.#timer)
    this.#timer = undefined
    this.#deadline = 0
    const said = this.#stderr.toString("utf8").trim()
    this.#owner.onExit(this, (this.#fault ?? reason) + (said === "" ? "" : `; it said: ${said}`))
    done()
  }
}

interface Holdable {
  ref(): void
  unref(): void
}

/** A script that takes all it can get must not make the server late: on a busy machine the server goes first. */
const NICE = 10

function yieldToServer(pid: number | undefined): void {
  try {
    if (pid !== undefined) setPriority(pid, NICE)
  } catch {} // gone already, or not allowed here: then it competes as an equal
}
