import { setDefaultTimeout } from "bun:test"
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

setDefaultTimeout(120_000)

/** From starting the executable to `/health/ready`. It takes a tenth of a second; a busy machine may need more. */
const READY_MAX_MS = 30_000
const CALM: readonly unknown[] = ["trace", "debug", "info"]
const SCOPES = "workflow:read,workflow:run,mcp:execute,mcp:read,mcp:write"

/** Answers of the API are looked at by the tests, field by field. */
// biome-ignore lint/suspicious/noExplicitAny: what came over the wire
export type Wire = any

export interface Answer {
  readonly status: number
  readonly body: Wire
  readonly headers: Headers
}

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly stdin?: string
  readonly env?: Readonly<Record<string, string>>
  /** A command that starts the server in its own place, as `nice` does: same process, same pipes, same exit code. */
  readonly under?: readonly string[]
}

/** The executable alone in an empty folder, as a person downloads it, with its data beside it. */
export class Home {
  readonly folder = realpathSync(mkdtempSync(join(tmpdir(), "agentruntime-e2e-")))
  /** With a space: a path like any other. */
  readonly data = join(this.folder, "the data")
  readonly executable = join(this.folder, "agentruntime")
  readonly #servers = new Set<Server>()

  constructor() {
    const built = process.env.AGENTRUNTIME_TEST_EXE
    if (!built || !existsSync(built)) {
      throw new Error("AGENTRUNTIME_TEST_EXE must name the executable; `npm test -- e2e` builds it and sets the variable")
    }
    copyFileSync(built, this.executable)
    chmodSync(this.executable, 0o755)
    mkdirSync(join(this.folder, "tmp"))
  }

  path(...names: readonly string[]): string {
    return join(this.folder, ...names)
  }

  get database(): string {
    return join(this.data, "agentruntime.db")
  }

  /** Nothing of the developer's own environment. */
  environment(env: Readonly<Record<string, string>> = {}): Record<string, string> {
    return { PATH: process.env.PATH ?? "", HOME: this.folder, TMPDIR: this.path("tmp"), ...env }
  }

  /** Runs the executable to its end; `--data` is added for verbs that take it. */
  async run(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
    const child = Bun.spawn([this.executable, ...args], {
      cwd: this.folder,
      env: this.environment(options.env),
      stdin: options.stdin === undefined ? "ignore" : Buffer.from(options.stdin),
      stdout: "pipe",
      stderr: "pipe",
      timeout: 60_000,
      killSignal: "SIGKILL",
    })
    const [stdout, stderr, code] = await Promise.all([textOf(child.stdout), textOf(child.stderr), child.exited])
    return { code: child.signalCode === null ? code : null, stdout, stderr }
  }

  /** `init --json`: the workspace `acme` with the project `main`, its admin and token. */
  async init(): Promise<{ tenant: string; project_id: string; user_id: string; pat: string | null }> {
    const args = ["init", "--data", this.data, "--email", "ops@example.com", "--password-stdin"]
    const named = ["--workspace", "acme", "--project", "main", "--pat-scopes", SCOPES, "--json"]
    const { code, stdout, stderr } = await this.run([...args, ...named], { stdin: "correct horse battery staple\n" })
    if (code !== 0) throw new Error(`init ended with ${code}: ${stderr}`)
    return JSON.parse(stdout)
  }

  /** The token that `init` printed. */
  async token(): Promise<string> {
    const { pat } = await this.init()
    if (pat === null) throw new Error("this home was initialised before")
    return pat
  }

  /** Starts `serve` on a port of the system's choice; resolves when the process runs, which is long before it is ready. */
  spawn(args: readonly string[] = [], options: RunOptions = {}): Server {
    const server = new Server(this, args, options)
    this.#servers.add(server)
    return server
  }

  async serve(args: readonly string[] = [], options: RunOptions = {}): Promise<Server> {
    const server = this.spawn(args, options)
    await server.ready()
    return server
  }

  /** Ends what still runs and removes everything. */
  async remove(): Promise<void> {
    for (const server of this.#servers) await server.kill()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** One start of the server. */
export class Server {
  readonly #child: Bun.Subprocess<"ignore", "pipe", "pipe">
  readonly #reading: Promise<unknown>
  stdout = ""
  stderr = ""

  constructor(home: Home, args: readonly string[], options: RunOptions) {
    // Sealed, unless a test says otherwise: nothing that the executable does by itself may need more than is allowed.
    const sealed = args.some(arg => arg.startsWith("--sealed")) ? [] : ["--sealed"]
    const serve = [home.executable, "serve", "--data", home.data, "--port", "0", ...sealed, ...args]
    const command = [...(options.under ?? []), ...serve]
    this.#child = Bun.spawn(command, {
      cwd: home.folder,
      env: home.environment(options.env),
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    })
    this.#reading = Promise.all([
      read(this.#child.stdout, text => {
        this.stdout += text
      }),
      read(this.#child.stderr, text => {
        this.stderr += text
      }),
    ])
  }

  get pid(): number {
    return this.#child.pid
  }

  get ended(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }

  /** As the banner says it; null before. */
  get address(): string | null {
    return /^AgentRuntime \S+ is at (http:\/\/\S+)/m.exec(this.stdout)?.[1] ?? null
  }

  get url(): string {
    const { address } = this
    if (address === null) throw new Error(`the server has not said where it is:\n${this.stdout}${this.stderr}`)
    return address
  }

  /** Every line of the log. One that is not JSON would be a mistake. */
  get log(): readonly Wire[] {
    return this.stderr
      .trim()
      .split("\n")
      .filter(line => line !== "")
      .map(line => JSON.parse(line))
  }

  /** Lines of the log that no test foresaw: warnings and worse. */
  get complaints(): readonly Wire[] {
    return this.log.filter(line => !CALM.includes(line.level))
  }

  async ready(): Promise<void> {
    await until("the server is ready", READY_MAX_MS, async () => {
      if (this.ended) throw new Error(`the server ended at its start:\n${this.stdout}${this.stderr}`)
      if (this.address === null) return false
      const { status } = await fetch(`${this.address}/health/ready`)
      return status === 200
    })
  }

  client(token: string | null): Client {
    return new Client(() => this.url, token)
  }

  /** What `kill -9` does. Resolves when the process is gone and all that it wrote is here. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL")
    await this.#gone()
  }

  /** Asks for an orderly end; the exit code. */
  async stop(): Promise<number> {
    this.signal("SIGTERM")
    return await this.exited()
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name)
  }

  async exited(): Promise<number> {
    await this.#gone()
    return this.#child.exitCode ?? -1
  }

  async #gone(): Promise<void> {
    await this.#child.exited
    await this.#reading
  }
}

/** Speaks to the API as a program does: a token and nothing else. */
export class Client {
  constructor(
    private readonly url: () => string,
    private readonly token: string | null,
  ) {}

  async call(method: string, path: string, body?: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
    const response = await fetch(this.url() + path, {
      method,
      headers: {
        ...(this.token !== null && { authorization: `Bearer ${this.token}` }),
        ...(body !== undefined && { "content-type": "application/json" }),
        ...headers,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(30_000),
    })
    const text = await response.text()
    return { status: response.status, body: text === "" ? null : parsed(text), headers: response.headers }
  }

  /** The body of an answer that must be a success. */
  async ok(method: string, path: string, body?: unknown, headers?: Readonly<Record<string, string>>): Promise<Wire> {
    const answer = await this.call(method, path, body, headers)
    if (answer.status >= 200 && answer.status < 300) return answer.body
    throw new Error(`${method} ${path} answered ${answer.status}: ${JSON.stringify(answer.body)}`)
  }

  get(path: string): Promise<Wire> {
    return this.ok("GET", path)
  }

  /** An instance of the sqlite connector that may write into `path`; its id. */
  async sqlite(path: string): Promise<string> {
    const config = { sqlite_default_database_path: path, sqlite_allow_write: true }
    return (await this.ok("POST", "/v1/mcp/instances", { server_id: "sqlite", name: path, config })).id
  }

  /** Creates and publishes a workflow; its id. */
  async publish(name: string, steps: readonly object[]): Promise<string> {
    const { id } = await this.ok("POST", "/v1/workflows", { name, graph: { steps } })
    await this.ok("POST", `/v1/workflows/${id}/versions`, {})
    return id
  }

  command(workflowId: string, command: string, params: object = {}): Promise<Wire> {
    return this.ok("POST", `/v1/workflows/${workflowId}/command`, { command, params })
  }

  async start(workflowId: string, params: object = {}): Promise<string> {
    return (await this.command(workflowId, "start", params)).run_id
  }

  run(workflowId: string, runId: string): Promise<Wire> {
    return this.get(`/v1/workflows/${workflowId}/runs/${runId}`)
  }

  async events(workflowId: string, runId: string): Promise<readonly Wire[]> {
    return (await this.get(`/v1/workflows/${workflowId}/runs/${runId}/events`)).events
  }

  context(workflowId: string, runId: string): Promise<Wire> {
    return this.get(`/v1/workflows/${workflowId}/runs/${runId}/context`)
  }

  approve(workflowId: string, runId: string, taskId: string, body: object = { approved: true }): Promise<Wire> {
    return this.ok("POST", `/v1/workflows/${workflowId}/runs/${runId}/tasks/${taskId}/complete`, body)
  }

  /** The run, once it has one of these statuses. */
  async reaches(workflowId: string, runId: string, ...statuses: readonly string[]): Promise<Wire> {
    let run: Wire
    await until(`run ${runId} is ${statuses.join(" or ")}`, 30_000, async () => {
      run = await this.run(workflowId, runId)
      return statuses.includes(run.status)
    })
    return run
  }
}

/** Looks again every few milliseconds, for as long as it may take. */
export async function until(what: string, maxMs: number, look: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + maxMs
  while (!(await look())) {
    if (performance.now() > end) throw new Error(`waited ${maxMs} ms in vain until ${what}`)
    await Bun.sleep(5)
  }
}

function textOf(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<string> {
  return new Response(stream).text()
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

async function read(stream: ReadableStream<Uint8Array>, take: (text: string) => void): Promise<void> {
  const decoder = new TextDecoder()
  for await (const chunk of stream) take(decoder.decode(chunk, { stream: true }))
}
