import { Elysia, t } from "elysia"
import type { Gate } from "../../http/gate.ts"
import { type Permission, READ_WORKFLOWS } from "../../http/permission.ts"
import { AppError } from "../../kernel/errors.ts"
import { STREAM_PING_MS } from "../../kernel/limits.ts"
import type { EventStreams, StreamFilter } from "./stream.ts"
import type { Reader } from "./stream-channel.ts"

/** A browser cannot send headers with a WebSocket, so its token may stand in the query (contract G-38). */
const READ: Permission = { access: "project", role: "project_viewer", scopes: READ_WORKFLOWS, queryToken: true }

interface BunSocket {
  send(text: string): number
  cork(send: () => void): void
  getBufferedAmount(): number
  close(code: number, reason: string): void
}

const PING = JSON.stringify({ event_type: "ping" })

export const streamRoutes = (deps: { gate: Gate; streams: EventStreams }) => {
  const endings = new Map<string, () => void>()

  return new Elysia({ prefix: "/v1/workflows" }).use(deps.gate).ws("/:id/stream", {
    permit: READ,
    query: t.Object({
      run_id: t.Optional(t.String()),
      after_seq: t.Optional(t.Integer({ title: "after_seq", minimum: 0 })),
      access_token: t.Optional(t.String()),
    }),
    idleTimeout: 120,
    maxPayloadLength: 1024,
    async open(ws) {
      const { run_id, after_seq } = ws.data.query
      const filter: StreamFilter = {
        ...(run_id !== undefined && { runId: run_id.toLowerCase() }),
        ...(after_seq !== undefined && { afterSeq: after_seq }),
      }
      // Bun has it; the types that Elysia brings do not know it.
      const socket = ws.raw as unknown as BunSocket
      const reader: Reader = {
        send: texts =>
          // Corked, the frames share writes to the socket, which cost more than all else.
          void socket.cork(() => {
            for (const text of texts) socket.send(text)
          }),
        buffered: () => socket.getBufferedAmount(),
        close: (code, reason) => socket.close(code, reason.slice(0, 100)),
      }
      const ping = setInterval(() => reader.send([PING]), STREAM_PING_MS)
      let over = false
      let stop = () => {}
      endings.set(ws.id, () => {
        over = true
        clearInterval(ping)
        stop()
      })
      try {
        stop = await deps.streams.open(ws.data.caller, ws.data.params.id, filter, reader)
        if (over) stop()
      } catch (error) {
        reader.close(1008, error instanceof AppError ? error.message : "internal error")
      }
    },
    close(ws) {
      endings.get(ws.id)?.()
      endings.delete(ws.id)
    },
    detail: { summary: "Events of a workflow as they happen (WebSocket)", tags: ["Runs"] },
  })
}
