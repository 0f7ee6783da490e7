// What the machine can do for readers: one frame after another to every WebSocket, with nothing around it.
// `bun run bench/fan-out.ts <characters of a frame> <frames sent together>`
const text = "x".repeat(Number(process.argv[2]))
const together = Number(process.argv[3])
const UNTAKEN_MAX_BYTES = 256 * 1024

const sockets = new Set<Bun.ServerWebSocket<undefined>>()
let sending = false
const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch: (request, self) =>
    self.upgrade(request, { data: undefined }) ? undefined : start(Number(new URL(request.url).pathname.slice(1))),
  websocket: {
    open: socket => void sockets.add(socket),
    close: socket => void sockets.delete(socket),
    message: () => {},
  },
})

/** So many frames to each; the answer comes when all are sent. */
async function start(frames: number): Promise<Response> {
  if (sending) return new Response("busy", { status: 409 })
  sending = true
  for (let sent = 0; sent < frames; sent += together) {
    for (const socket of sockets) {
      while (socket.getBufferedAmount() > UNTAKEN_MAX_BYTES) await Bun.sleep(1)
      socket.cork(() => {
        for (let i = 0; i < together; i++) socket.send(text)
      })
    }
    await new Promise(resolve => setImmediate(resolve))
  }
  sending = false
  return new Response()
}

process.stderr.write(`${JSON.stringify({ url: `http://127.0.0.1:${server.port}`, msg: "ready" })}\n`)
process.on("SIGTERM", () => process.exit(0))
