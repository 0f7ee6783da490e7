import type { AsyncLocalStorage } from "node:async_hooks"
import { Client, type ConnectOptions, type Transport } from "@modelcontextprotocol/client"
import { MCP_PROBE_MAX_MS, MCP_TOOL_PAGES_MAX } from "../../kernel/limits.ts"
import type { Exchange } from "./exchange.ts"
import { outputCheck } from "./output-check.ts"

/** What a conversation is opened with. */
export interface Opening {
  readonly current: AsyncLocalStorage<Exchange>
  /** What happens until it is open. */
  readonly exchange: Exchange
  readonly life: Exchange
  readonly who: string
  readonly onToolsChanged: () => void
  /** It ended without having been closed. */
  readonly onEnd: () => void
}

/** A conversation that is open. */
export interface Opened {
  readonly client: Client
  /** Why it ended by itself; null while it goes on. */
  ended(): string | null
  /** Takes leave of the server, and leaves nothing behind. */
  close(): Promise<void>
}

/** Contract §8.1: connectors know the runtime by it. */
const CLIENT_INFO = { name: "agentruntime", version: "1.0.0" }

/** `negotiate` asks for the protocol versions first, `initialize` begins as before 2026. */
export type Greeting = "negotiate" | "initialize"

/**
 * A client on this transport, agreed with the server on a version of the protocol. It offers the server nothing (no sampling,
 * no elicitation, no roots): what a server asks for all the same is answered with "method not found".
 */
export async function greet(transport: Transport, greeting: Greeting, opening: Opening): Promise<Client> {
  const { exchange } = opening
  const client = new Client(CLIENT_INFO, {
    capabilities: {},
    jsonSchemaValidator: outputCheck,
    listMaxPages: MCP_TOOL_PAGES_MAX + 1,
    versionNegotiation:
      greeting === "negotiate"
        ? { mode: "auto", probe: { timeoutMs: Math.min(MCP_PROBE_MAX_MS, exchange.leftMs) } }
        : { mode: "legacy" },
  })
  client.setNotificationHandler("notifications/tools/list_changed", () => opening.onToolsChanged())
  client.onclose = () => opening.onEnd()
  const options: ConnectOptions = { timeout: exchange.leftMs, signal: exchange.given.signal }
  await exchange.run(() => client.connect(transport, options))
  return client
}
