import { type ChildProcess, spawn } from "node:child_process"
import { type JSONRPCMessage, parseJSONRPCMessage, type Transport } from "@modelcontextprotocol/client"
import { CHILD_STDERR_KEPT_BYTES, MCP_ANSWER_MAX_BYTES, MCP_STDIN_CLOSED_MS, MCP_TERMINATED_MS } from "../../kernel/limits.ts"
import { McpFailure, type StdioTarget } from "./mcp.ts"

const NEWLINE = 10
/** They would make another program of a Bun executable, this one included. */
const NEVER_PASSED = ["BUN_OPTIONS", "BUN_BE_BUN"]
/** A process that somebody else still holds the pipes of counts as ended so long after its exit. */
const PIPES_MAX_MS = 250

/** Shorter values of the environment are no secrets. */
const SECRET_MIN_CHARS = 6

const POSIX = process.platform !== "win32"

/**
 * One process of a stdio server: exactly the declared command and environment, in a process group of its own that ends as a
 * whole. Not the SDK's transport, which adds parts of our environment, searches programs its own way, starts a second process
 * to ask for protocol versions, and ends the first process alone.
 */
export class StdioTransport implements Transport {
  onclose?: () => void
  onerror?: (error: Error) => void
  onmessage?: Transport["onmessage"]
  /** After the process and its pipes are gone, for whatever reason. */
  onGone?: () => void
  started = false
  /** Whether it has said anything that is MCP. */
  spoke = false
  /** How it ended; null while it runs. */
  ended: string | null = null
  readonly #target: StdioTarget
  #process: ChildProcess | undefined
  readonly #gone = Promise.withResolvers<void>()
  #fault: string | undefined
  #parts: Buffer[] = []
  #partsBytes = 0
  #stderr: Buffer = Buffer.alloc(0)

  constructor(target: StdioTarget) {
    this.#target = target
  }

  start(): Promise<void> {
    const [file, ...args] = this.#target.command
    const env = Object.fromEntries(
      Object.entries(this.#target.env).filter(([name]) => !NEVER_PASSED.includes(name.toUpperCase())),
    )
    const child = spawn(file, args, {
      env,
      // The root: nothing of this runtime's own directory is read by accident, e.g. `.env`.
      cwd: this.#target.cwd ?? "/",
      stdio: ["pipe", "pipe", "pipe"],
      detached: POSIX,
      windowsHide: true,
    })
    this.#process = child
    child.stdin.on("error", () => {}) // a process that is gone says so through its exit
    child.stdout.on("error", () => {})
    child.stderr.on("error", () => {})
    child.stdout.on("data", (chunk: Buffer) => this.#receive(chunk))
    child.stderr.on("data", (chunk: Buffer) => {
      this.#stderr = Buffer.concat([this.#stderr, chunk.subarray(-CHILD_STDERR_KEPT_BYTES)]).subarray(-CHILD_STDERR_KEPT_BYTES)
    })
    return new Promise((resolve, reject) => {
      child.once("spawn", () => {
        this.started = true
        resolve()
      })
      child.once("error", error => {
        const why = notStarted("code" in error ? String(error.code) : "unknown")
        this.#finish(`it could not be started: ${why}`)
        reject(new McpFailure(`the MCP server ${this.#target.name} could not be started: ${why}`, { retryable: true }))
      })
      child.once("exit", (code, signal) => {
        this.#signal("SIGKILL") // what it started itself
        const reason = signal === null ? `it exited with code ${code}` : `it was ended by ${signal}`
        const late = setTimeout(() => this.#finish(reason), PIPES_MAX_MS)
        child.once("close", () => {
          clearTimeout(late)
          this.#finish(reason)
        })
      })
    })
  }

  async send(message: JSONRPCMessage): Promise<void> {
    if (this.ended !== null) throw new McpFailure(this.obituary(), { retryable: true })
    this.#process?.stdin?.write(`${JSON.stringify(message)}\n`)
  }

  /** Closes its input, then asks it to end, then ends it. */
  async close(): Promise<void> {
    if (this.#process === undefined || this.ended !== null) return
    this.#process.stdin?.end()
    const terminate = setTimeout(() => this.#signal("SIGTERM"), MCP_STDIN_CLOSED_MS)
    const kill = setTimeout(() => this.#signal("SIGKILL"), MCP_STDIN_CLOSED_MS + MCP_TERMINATED_MS)
    await this.#gone.promise
    clearTimeout(terminate)
    clearTimeout(kill)
  }

  /** How it ended, as a sentence. */
  obituary(): string {
    const said = this.#said()
    return `the MCP server ${this.#target.name} ended: ${this.#fault ?? this.ended}${said === "" ? "" : `; it said: ${said}`}`
  }

  /** The end of what it wrote to stderr, without the values of its environment. */
  #said(): string {
    let said = this.#stderr.toString("utf8").trim()
    for (const value of Object.values(this.#target.env)) {
      if (value.length >= SECRET_MIN_CHARS) said = said.replaceAll(value, "***")
    }
    return said
  }

  #receive(chunk: Buffer): void {
    let from = 0
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, from)) {
      const line = Buffer.concat([...this.#parts, chunk.subarray(from, end)])
      this.#parts = []
      this.#partsBytes = 0
      from = end + 1
      this.#line(line.toString("utf8"))
    }
    if (from === chunk.length) return
    this.#parts.push(chunk.subarray(from))
    this.#partsBytes += chunk.length - from
    if (this.#partsBytes <= MCP_ANSWER_MAX_BYTES || this.#fault !== undefined) return
    this.#fault = `it wrote a line of more than ${MCP_ANSWER_MAX_BYTES} bytes`
    this.#parts = []
    this.#signal("SIGKILL")
  }

  /** Lines that are no messages are what servers print by mistake. */
  #line(line: string): void {
    if (this.#fault !== undefined || line.trim() === "") return
    let messages: readonly JSONRPCMessage[]
    try {
      const parsed: unknown = JSON.parse(line)
      messages = (Array.isArray(parsed) ? parsed : [parsed]).map(parseJSONRPCMessage)
    } catch (error) {
      if (error instanceof Error) this.onerror?.(error)
      return
    }
    this.spoke = true
    for (const message of messages) this.onmessage?.(message)
  }

  /** To the process and everything it has started. */
  #signal(signal: "SIGTERM" | "SIGKILL"): void {
    const pid = this.#process?.pid
    if (pid === undefined) return
    try {
      if (POSIX) process.kill(-pid, signal)
      else this.#process?.kill(signal)
    } catch {} // gone already
  }

  #finish(reason: string): void {
    if (this.ended !== null) return
    this.ended = reason
    this.#process?.stdin?.destroy()
    this.#process?.stdout?.destroy()
    this.#process?.stderr?.destroy()
    this.#gone.resolve()
    this.onGone?.()
    this.onclose?.()
  }
}

/** The path stays the operator's. */
function notStarted(code: string): string {
  if (code === "ENOENT") return "there is no such program, or its cwd does not exist (ENOENT)"
  return code === "EACCES" ? "the runtime may not execute it (EACCES)" : code
}
