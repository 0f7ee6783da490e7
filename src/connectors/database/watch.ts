import type { Socket } from "node:net"
import { WireFault } from "./dial.ts"

/**
 * Looks at what comes in before the driver does, and ends the connection when it may not go on. A driver reads within an
 * event of the socket: what its parser throws at a server that lies would end the whole process.
 */
export function watch(socket: Socket, look: (chunk: Buffer) => void, fail: (error: Error) => void): void {
  const emit = socket.emit.bind(socket)
  socket.emit = (event: string | symbol, ...args: unknown[]) => {
    if (event !== "data") return emit(event, ...args)
    if (socket.destroyed) return false
    try {
      look(args[0] as Buffer)
      return emit(event, ...args)
    } catch (error) {
      fail(error instanceof WireFault ? error : new WireFault("the server does not keep to its protocol"))
      socket.destroy()
      return false
    }
  }
}
