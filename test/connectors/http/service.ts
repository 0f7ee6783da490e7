import type { Egress } from "../../../src/adapters/egress/egress.ts"
import { createArgumentCheck } from "../../../src/connectors/arguments.ts"
import type { CallContext, ToolResult } from "../../../src/connectors/connector.ts"
import { createHttpConnector } from "../../../src/connectors/http/connector.ts"
import type { JsonObject } from "../../../src/kernel/json.ts"
import { callContext } from "../call.ts"

/** A request as it arrived. */
export interface Arrived {
  readonly method: string
  readonly path: string
  readonly query: readonly (readonly [string, string])[]
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export interface Service {
  readonly base: string
  readonly host: string
  readonly arrived: Arrived[]
  /** How requests are answered from now on. Default: `{}`. */
  answer: (request: Arrived) => Response | Promise<Response>
  stop(): Promise<void>
}

export function startService(): Service {
  const service: Omit<Service, "base" | "host" | "stop"> = { arrived: [], answer: () => Response.json({}) }
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      const url = new URL(request.url)
      const one: Arrived = {
        method: request.method,
        path: url.pathname,
        query: [...url.searchParams],
        headers: Object.fromEntries(request.headers),
        body: await request.text(),
      }
      service.arrived.push(one)
      return await service.answer(one)
    },
  })
  const host = `127.0.0.1:${server.port}`
  return Object.assign(service, { base: `http://${host}`, host, stop: () => server.stop(true) })
}

export type Request = (args: JsonObject, config?: JsonObject, context?: Partial<CallContext>) => Promise<ToolResult>

/** `http_request` as a step calls it. */
export function requester(egress: Egress): Request {
  const connector = createHttpConnector({ egress })
  const check = createArgumentCheck()
  return async (args, config = {}, context = {}) => {
    const checked = check(connector.tools[0]!, args)
    if (!checked.ok) return { ok: false, message: checked.message, retryable: false }
    return await connector.call("http_request", checked.args, callContext({ config, ...context }))
  }
}
