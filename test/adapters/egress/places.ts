import * as http from "node:http"
import type { AddressInfo } from "node:net"
import * as net from "node:net"
import { createEgress, type EgressDeps } from "../../../src/adapters/egress/egress.ts"
import { parseAllowEntry } from "../../../src/kernel/allow-entry.ts"
import { asker } from "../../../src/kernel/asker.ts"

export interface Seen {
  readonly method: string
  readonly url: string
  readonly headers: http.IncomingHttpHeaders
  readonly body: string
}

/** A server on 127.0.0.1 that remembers what reached it: connections as well as requests. */
export async function openServer(answer: (seen: Seen, response: http.ServerResponse) => void = (_, r) => r.end("hello")) {
  const seen: Seen[] = []
  let connections = 0
  const server = http.createServer(async (request, response) => {
    let body = ""
    for await (const chunk of request) body += chunk
    const one = { method: request.method ?? "", url: request.url ?? "", headers: request.headers, body }
    seen.push(one)
    answer(one, response)
  })
  server.on("connection", () => connections++)
  await new Promise<void>(resolve => server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as AddressInfo
  return {
    port,
    seen,
    connections: () => connections,
    url: (path = "/", host = "127.0.0.1") => `http://${host}:${port}${path}`,
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
}

/**
 * Something inside that must not be reached: it listens on one port of three loopback addresses, and hears connections,
 * whatever comes over them.
 */
export async function openCanary() {
  const heard: string[] = []
  const servers: net.Server[] = []
  const listen = (host: string, port: number) =>
    new Promise<number>((resolve, reject) => {
      const server = net.createServer(socket => {
        heard.push(host)
        socket.destroy()
      })
      servers.push(server)
      server.on("error", reject)
      server.listen(port, host, () => resolve((server.address() as AddressInfo).port))
    })
  const close = () => void servers.splice(0).map(server => server.close())
  // A port that is free on the first address may be taken on another.
  for (let tries = 0; ; tries++) {
    try {
      const port = await listen("127.0.0.1", 0)
      for (const host of ["127.0.0.2", "::1"]) await listen(host, port)
      return { port, heard, close }
    } catch (error) {
      close()
      if (tries === 20) throw error
    }
  }
}

/** An egress with an allow-list as the operator writes it. */
export function egressFor(allow: string, more: Omit<EgressDeps, "allow"> = {}) {
  const entries = allow === "" ? [] : allow.split(",").map(text => parseAllowEntry(text.trim()))
  const egress = createEgress({
    allow: entries.map(
      entry =>
        entry ??
        (() => {
          throw new Error(`bad entry in ${allow}`)
        })(),
    ),
    resolve: async () => [{ address: "127.0.0.1", family: 4 }],
    ...more,
  })
  return { ...egress, ...egress.for(asker("test")) }
}

/** What it was refused or failed with. */
export async function errorOf(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise
  } catch (error) {
    if (error instanceof Error) return error
  }
  throw new Error("it did not fail")
}
