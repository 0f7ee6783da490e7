import { Answered } from "./answered.ts"
import { McpFailure, type StdioTarget } from "./mcp.ts"
import { type Greeting, greet, type Opened, type Opening } from "./opening.ts"
import type { Starts } from "./starts.ts"
import { StdioTransport } from "./stdio-transport.ts"

/**
 * A process of a stdio server. It is asked for its protocol versions in place; servers that end on the question, as older
 * ones may, are started once more and greeted the older way, and that is remembered.
 */
export async function openStdio(target: StdioTarget, starts: Starts, opening: Opening): Promise<Opened> {
  await opening.exchange.until(starts.turn(target.key, opening.life.cut.signal))
  if (starts.isOlder(target.key)) return await openProcess(target, "initialize", starts, opening)
  try {
    return await openProcess(target, "negotiate", starts, opening)
  } catch (error) {
    if (!(error instanceof EndedOnProbe)) throw error
  }
  return await openProcess(target, "initialize", starts, opening)
}

class EndedOnProbe extends McpFailure {}

async function openProcess(target: StdioTarget, greeting: Greeting, starts: Starts, opening: Opening): Promise<Opened> {
  const { current, exchange, who } = opening
  const inner = new StdioTransport(target)
  const transport = new AnsweredProcess(inner, { current, who, ownAnswers: false })
  let closing = false
  inner.onGone = () => {
    if (!closing && exchange.over) starts.crashed(target.key)
  }
  async function close(): Promise<void> {
    closing = true
    await inner.close()
  }
  try {
    const client = await exchange.until(greet(transport, greeting, opening))
    if (client.getProtocolEra() === "legacy") starts.rememberOlder(target.key)
    return { client, ended: () => (inner.ended === null ? null : inner.obituary()), close }
  } catch (error) {
    const { ended, spoke, started } = inner
    await close()
    if (ended === null) throw error
    if (greeting === "negotiate" && started && !spoke) throw new EndedOnProbe(inner.obituary(), { retryable: true })
    starts.crashed(target.key)
    throw started ? new McpFailure(inner.obituary(), { retryable: true }) : error
  }
}

/** The SDK knows by these two names that it speaks to a process. */
class AnsweredProcess extends Answered {
  readonly pid = null
  readonly stderr = null
}
