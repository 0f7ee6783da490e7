import { Compile } from "typebox/schema"

/** One operation as its vendor describes it: anything that this does not allow, the vendor would refuse. */
export interface Operation {
  readonly id: string
  readonly method: string
  /** `{name}` is one segment, `{+name}` any number of them. */
  readonly path: string
  /** Schema of each query parameter's text; others are refused. */
  readonly query?: Readonly<Record<string, object>>
  readonly requiredQuery?: readonly string[]
  /** Schema of the JSON body; without one there must be no body. */
  readonly body?: object
  readonly answer: (request: Seen) => Answer
}

export interface Answer {
  readonly status: number
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

/** A request as it arrived. */
export interface Seen {
  readonly id: string
  readonly method: string
  /** As on the wire. */
  readonly path: string
  readonly query: Readonly<Record<string, string>>
  readonly headers: Headers
  readonly body: unknown
  /** Values of the path's places, decoded. */
  readonly places: Readonly<Record<string, string>>
}

export interface Peer {
  readonly base: string
  readonly seen: Seen[]
  /** What the vendor would have refused: a test fails unless this stays empty. */
  readonly problems: string[]
  /** The next requests get these instead of what the operation answers. */
  answerNext(...answers: readonly (Answer | Response)[]): void
  stop(): Promise<void>
}

/** A service on this machine that is as strict as the description of its vendor. */
export function startPeer(operations: readonly Operation[], headerProblems: (headers: Headers) => readonly string[]): Peer {
  const compiled = operations.map(operation => ({ operation, pattern: patternOf(operation.path) }))
  const scripted: (Answer | Response)[] = []
  const seen: Seen[] = []
  const problems: string[] = []

  async function receive(request: Request): Promise<Response> {
    const url = new URL(request.url)
    const text = await request.text()
    const found = compiled.find(one => one.operation.method === request.method && one.pattern.test(url.pathname))
    if (!found) return refused([`no operation ${request.method} ${url.pathname}`])
    const { operation } = found
    const places = Object.entries(found.pattern.exec(url.pathname)?.groups ?? {}).map(([k, v]) => [k, decodeURIComponent(v)])
    const body = text === "" ? undefined : JSON.parse(text)
    const one: Seen = {
      id: operation.id,
      method: request.method,
      path: url.pathname,
      query: Object.fromEntries(url.searchParams),
      headers: request.headers,
      body,
      places: Object.fromEntries(places),
    }
    seen.push(one)
    const wrong = [
      ...headerProblems(request.headers),
      ...queryProblems(operation, url.searchParams),
      ...bodyProblems(operation, body, request.headers),
    ]
    if (wrong.length > 0) return refused(wrong.map(problem => `${operation.id}: ${problem}`))
    return responseOf(scripted.shift() ?? operation.answer(one))
  }

  function refused(wrong: readonly string[]): Response {
    problems.push(...wrong)
    return Response.json({ message: wrong.join("; ") }, { status: 400 })
  }

  const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: receive })
  return {
    base: `http://127.0.0.1:${server.port}`,
    seen,
    problems,
    answerNext: (...answers) => void scripted.push(...answers),
    stop: () => server.stop(true),
  }
}

function responseOf(answer: Answer | Response): Response {
  if (answer instanceof Response) return answer
  const { status, body, headers = {} } = answer
  return body === undefined ? new Response(null, { status, headers }) : Response.json(body, { status, headers })
}

function patternOf(path: string): RegExp {
  const pattern = path
    .replaceAll(/[.*+?^$()|[\]\\](?!\w+\})/g, String.raw`\$&`)
    .replaceAll(/\{\+(\w+)\}/g, "(?<$1>.*)")
    .replaceAll(/\{(\w+)\}/g, "(?<$1>[^/]+?)")
  return new RegExp(`^${pattern}$`)
}

function queryProblems({ query = {}, requiredQuery = [] }: Operation, given: URLSearchParams): string[] {
  const names = [...given.keys()]
  return [
    ...names.filter(name => !(name in query)).map(name => `unknown query parameter ${name}`),
    ...names.filter((name, i) => names.indexOf(name) !== i).map(name => `${name} twice in the query`),
    ...requiredQuery.filter(name => !given.has(name)).map(name => `${name} is missing in the query`),
    ...[...given].flatMap(([name, text]) => {
      const schema = query[name]
      return schema === undefined || Compile(schema).Check(queryValue(schema, text))
        ? []
        : [`${name} in the query is wrong: ${text}`]
    }),
  ]
}

/** A query has texts alone; the schema says which of them are numbers. */
function queryValue(schema: object, text: string): unknown {
  return "type" in schema && schema.type === "integer" ? Number(text) : text
}

function bodyProblems({ body: schema }: Operation, body: unknown, headers: Headers): string[] {
  if (schema === undefined) return body === undefined ? [] : ["a body where there is none"]
  if (headers.get("content-type") !== "application/json") return ["the body is not called application/json"]
  const [, errors] = Compile(schema).Errors(body)
  return errors.map(error => `the body ${error.instancePath} ${error.message}`)
}
