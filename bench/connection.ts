export interface Answer {
  readonly status: number
  readonly body: string
}

const HEAD_END = Buffer.from("\r\n\r\n")

/**
 * One kept-alive HTTP connection, one request at a time, on a bare socket: on a small machine a comfortable client costs as
 * much as the server, and the figures would be half its own. Understands answers with a Content-Length only, which ours have.
 */
export class Connection {
  #waiting: { resolve: (answer: Answer) => void; reject: (error: Error) => void } | null = null
  #received: Buffer = Buffer.alloc(0)

  private constructor(
    private readonly socket: Bun.Socket,
    private readonly headers: string,
  ) {}

  static async open(url: URL, headers: Readonly<Record<string, string>>): Promise<Connection> {
    const lines = Object.entries({ host: url.host, ...headers }).map(([name, value]) => `${name}: ${value}\r\n`)
    let connection: Connection | undefined
    const socket = await Bun.connect({
      hostname: url.hostname,
      port: Number(url.port),
      socket: {
        data: (_, chunk) => connection?.receive(chunk),
        close: () => connection?.fail(new Error("the server closed the connection")),
        error: (_, error) => connection?.fail(error),
      },
    })
    connection = new Connection(socket, lines.join(""))
    return connection
  }

  /** `more`: further header lines, each with its end. */
  request(method: string, path: string, body = "", more = ""): Promise<Answer> {
    const length = body === "" ? "" : `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n`
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject }
      this.socket.write(`${method} ${path} HTTP/1.1\r\n${this.headers}${more}${length}\r\n${body}`)
    })
  }

  close(): void {
    this.socket.end()
  }

  receive(chunk: Buffer): void {
    this.#received = this.#received.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#received, chunk])
    const headEnd = this.#received.indexOf(HEAD_END)
    if (headEnd < 0) return
    const head = this.#received.toString("latin1", 0, headEnd)
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
    if (length === undefined) {
      this.fail(new Error(`an answer without a length:\n${head}`))
      return
    }
    const end = headEnd + HEAD_END.length + Number(length)
    if (this.#received.length < end) return
    const answer = { status: Number(head.slice(9, 12)), body: this.#received.toString("utf8", headEnd + HEAD_END.length, end) }
    this.#received = Buffer.alloc(0)
    const waiting = this.#waiting
    this.#waiting = null
    waiting?.resolve(answer)
  }

  fail(error: Error): void {
    this.#waiting?.reject(error)
    this.#waiting = null
  }
}
