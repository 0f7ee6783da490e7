import type { Egress } from "../../adapters/egress/egress.ts"
import type { JsonObject } from "../../kernel/json.ts"
import { failureSentence, saidBy, USUAL_MESSAGES, WORTH_RETRYING } from "../answer.ts"
import type { Connector } from "../connector.ts"
import { type Answer, type Exchange, exchange, inTime } from "../exchange.ts"
import { createConnector, type ToolCall, ToolFailure, tool } from "../kit.ts"
import { headerSafe } from "../rest.ts"
import { shownHeaders } from "./headers.ts"
import { HTTP_INPUT, HTTP_OUTPUT, type HttpArguments } from "./input.ts"
import { readPages } from "./pages.ts"
import { readBody } from "./reading.ts"
import { requestOf } from "./request.ts"
import { type HttpSettings, settingsOf } from "./settings.ts"

export interface HttpConnectorDeps {
  readonly egress: Egress
}

/** Any service, without a connector of its own. Where it may go is egress' to say. */
export function createHttpConnector({ egress }: HttpConnectorDeps): Connector {
  const request = tool({
    name: "http_request",
    description:
      "Makes one HTTP request, or reads all pages of a list. A status from 400 fails the step with what the service says.",
    hints: "anything",
    input: HTTP_INPUT,
    output: HTTP_OUTPUT,
    run: (args, call) =>
      inTime(call, async timed => {
        const settings = settingsOf(timed.config)
        return args.pagination === undefined
          ? await once(egress, args, settings, timed)
          : await paged(egress, args, settings, timed)
      }),
  })
  return createConnector({ slug: "http", tools: [request], probe: call => inTime(call, timed => probe(egress, timed)) })
}

async function once(egress: Egress, args: HttpArguments, settings: HttpSettings, call: ToolCall): Promise<JsonObject> {
  const request = withKey(requestOf(args, settings), call)
  const answer = accepted(await exchange(egress, request, call), args, settings)
  const { body, body_type } = readBody(answer, args.response)
  return { ...headOf(answer, settings), body: settings.mask.json(body), body_type }
}

async function paged(egress: Egress, args: HttpArguments, settings: HttpSettings, call: ToolCall): Promise<JsonObject> {
  const { last, items, pages, hasMore, next } = await readPages(
    changed => requestOf(changed, settings),
    args,
    args.pagination!,
    async request => accepted(await exchange(egress, request, call), args, settings),
    progress => call.onProgress?.({ progress }),
  )
  const { mask } = settings
  return {
    ...headOf(last, settings),
    items: mask.json(items),
    item_count: items.length,
    pages,
    has_more: hasMore,
    next: mask.json(next),
  }
}

const KEYED = new Set(["POST", "PATCH"])
const KEY_HEADER = "idempotency-key"

/** Services that know the header can tell a repeat; the others do not mind it. */
function withKey(request: Exchange, call: ToolCall): Exchange {
  if (KEYED.has(request.method) && !request.headers.has(KEY_HEADER)) {
    request.headers.set(KEY_HEADER, headerSafe(call.idempotencyKey))
  }
  return request
}

function headOf({ status, url, headers }: Answer, { mask }: HttpSettings): JsonObject {
  return { status, ok: status < 400, url: mask.text(url.href), headers: shownHeaders(headers, mask) }
}

function accepted(answer: Answer, { expect_status }: HttpArguments, { mask }: HttpSettings): Answer {
  const { status } = answer
  if (expect_status === "any") return answer
  if (expect_status === undefined ? status < 400 : expect_status.includes(status)) return answer
  const said = mask.text(saidBy(answer, USUAL_MESSAGES))
  throw new ToolFailure(failureSentence(answer.url.host, answer, said), { retryable: WORTH_RETRYING.has(status) })
}

/** Asks for the head of base_url: anything but a refusal of the credentials is well. */
async function probe(egress: Egress, call: ToolCall): Promise<void> {
  const settings = settingsOf(call.config)
  if (settings.base === null) return
  const args = { method: "HEAD", follow_redirects: false, expect_status: "any", body_type: "auto", response: "auto" } as const
  const { status } = await exchange(egress, requestOf(args, settings), call)
  if (status === 401 || status === 403)
    throw new ToolFailure(`${settings.base.host} answered ${status}: it does not take the credentials`)
}
