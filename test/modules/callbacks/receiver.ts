import { createHmac, timingSafeEqual } from "node:crypto"
import * as http from "node:http"
import type { AddressInfo } from "node:net"

export interface Told {
  readonly headers: http.IncomingHttpHeaders
  readonly raw: string
  readonly method: string
  readonly url: string
}

type Answer = { readonly status: number; readonly headers?: Record<string, string> } | "never"

/** A receiver on 127.0.0.1 that answers as it is told, and remembers every byte. */
export async function openReceiver() {
  const told: Told[] = []
  const answers: Answer[] = []
  let connections = 0
  const server = http.createServer(async (request, response) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part)
    told.push({
      headers: request.headers,
      raw: Buffer.concat(parts).toString(),
      method: request.method ?? "",
      url: request.url ?? "",
    })
    const answer = answers.shift() ?? { status: 200 }
    if (answer === "never") return
    response.writeHead(answer.status, answer.headers).end("thank you")
  })
  server.on("connection", () => connections++)
  await new Promise<void>(resolve => server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as AddressInfo
  return {
    told,
    /** What the next requests are answered with; then 200. */
    answers,
    connections: () => connections,
    url: (path = "/ended", host = "127.0.0.1") => `http://${host}:${port}${path}`,
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
}

export type Receiver = Awaited<ReturnType<typeof openReceiver>>

/** As a strict receiver does it: one header of exactly this form, fresh, and equal in constant time. Returns its moment, s. */
export function verify({ headers, raw }: Told, secret: string, now: number): number {
  const [, t, v1] = /^t=([1-9]\d*),v1=([0-9a-f]{64})$/.exec(String(headers["x-agentruntime-signature"])) ?? []
  if (t === undefined || v1 === undefined) throw new Error("no signature")
  if (Math.abs(now / 1000 - Number(t)) > 300) throw new Error("an old signature")
  const wanted = createHmac("sha256", Buffer.from(secret, "utf8")).update(`${t}.${raw}`, "utf8").digest()
  if (!timingSafeEqual(wanted, Buffer.from(v1, "hex"))) throw new Error("a false signature")
  return Number(t)
}
