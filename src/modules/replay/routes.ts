import { Elysia } from "elysia"
import type { Gate } from "../../http/gate.ts"
import { type Permission, WRITE_WORKFLOWS } from "../../http/permission.ts"
import { assert, messageOf } from "../../kernel/errors.ts"
import { type ReplayLine, type RunReport, replayRequestShape, replayShape, type Summary } from "./contract.ts"
import type { ReplayService } from "./service.ts"

const WRITE: Permission = { access: "project", role: "project_contributor", scopes: WRITE_WORKFLOWS }
const NDJSON = "application/x-ndjson"

export const replayRoutes = ({ gate, replays }: { gate: Gate; replays: ReplayService }) =>
  new Elysia({ prefix: "/v1/workflows/:id/replay" }).use(gate).post(
    "",
    async ({ caller, params, body, request }) => {
      const lines = await replays.replay(caller, params.id, body, request.signal)
      const wantsLines = (request.headers.get("accept") ?? "").includes(NDJSON)
      // The shape is that of JSON; lines are theirs, one by one.
      return wantsLines ? (streamOf(lines) as never) : await whole(lines)
    },
    {
      permit: WRITE,
      body: replayRequestShape,
      response: replayShape,
      detail: {
        summary: "Run a graph against recorded runs, and tell what it changes",
        description: `In memory: nothing is called, stored or charged. With \`Accept: ${NDJSON}\` a line for each run as it is ready.`,
        tags: ["Recordings"],
      },
    },
  )

async function whole(lines: AsyncGenerator<ReplayLine>): Promise<{ runs: RunReport[]; summary: Summary }> {
  const runs: RunReport[] = []
  let summary: Summary | null = null
  for await (const line of lines) {
    if (line.type === "run") runs.push(line.run)
    if (line.type === "summary") summary = line.summary
  }
  assert(summary, "a replay that nobody called off ends with its summary")
  return { runs, summary }
}

function streamOf(lines: AsyncGenerator<ReplayLine>): Response {
  const encoder = new TextEncoder()
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const next = await lines.next().catch((error): IteratorResult<ReplayLine> => {
        return { done: false, value: { type: "error", error: messageOf(error) } }
      })
      if (next.done) controller.close()
      else controller.enqueue(encoder.encode(`${JSON.stringify(next.value)}\n`))
    },
    async cancel() {
      await lines.return(undefined)
    },
  })
  return new Response(body, { headers: { "content-type": NDJSON, "cache-control": "no-store", "x-accel-buffering": "no" } })
}
