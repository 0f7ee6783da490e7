import { createServer, type Socket } from "node:net"

/** A server of the test, which says what it likes to whoever connects. */
export async function listen(onConnect: (socket: Socket) => void) {
  let connections = 0
  const server = createServer(socket => {
    connections++
    socket.on("error", () => {})
    onConnect(socket)
  })
  await new Promise<void>(resolve => server.listen(0, "127.0.0.1", resolve))
  const address = server.address()
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    connections: () => connections,
    close: () => server.close(),
  }
}
