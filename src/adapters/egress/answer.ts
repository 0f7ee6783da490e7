import type { IncomingMessage } from "node:http"
import type { Deadline } from "./deadline.ts"
import { EgressFailed, failureOf } from "./errors.ts"
import type { Hop } from "./hop.ts"

const WITHOUT_BODY = new Set([204, 205, 304])
/** What lies ready for a reader who is slow; the sender is held back meanwhile. */
const AHEAD_BYTES = 64 * 1024

/** A web `Response` of what the other side sends. Reading it fails when it is too large, too late, or breaks off. */
export function answerOf(message: IncomingMessage, { url, method }: Hop, maxBytes: number, deadline: Deadline): Response {
  const origin = url.host
  const status = message.statusCode ?? 0
  const headers = headersOf(message)
  if (status < 200 || status > 599) throw discarded(message, deadline, `${origin} answered with the unknown status ${status}`)
  const init = { status, statusText: message.statusMessage ?? "", headers }
  if (WITHOUT_BODY.has(status) || method === "HEAD") {
    message.resume()
    deadline.end()
    return new Response(null, init)
  }
  if (Number(headers.get("content-length") ?? 0) > maxBytes) throw discarded(message, deadline, tooLarge(origin, maxBytes))
  return new Response(bodyOf(message, origin, maxBytes, deadline), init)
}

function bodyOf(message: IncomingMessage, origin: string, maxBytes: number, deadline: Deadline): ReadableStream<Uint8Array> {
  const { signal } = deadline
  let bytes = 0
  let over = false
  const end = () => {
    over = true
    deadline.end()
  }
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        const fail = (error: unknown) => {
          if (over) return
          end()
          controller.error(error)
          message.destroy()
        }
        const late = () => fail(signal.reason)
        if (signal.aborted) return late()
        signal.addEventListener("abort", late, { once: true })
        message.on("data", (chunk: Uint8Array) => {
          if (over) return
          bytes += chunk.length
          if (bytes > maxBytes) return fail(new EgressFailed(tooLarge(origin, maxBytes)))
          controller.enqueue(chunk)
          if ((controller.desiredSize ?? 0) <= 0) message.pause()
        })
        message.on("end", () => {
          if (over) return
          end()
          controller.close()
        })
        message.on("error", error => fail(failureOf(error, origin)))
        message.on("close", () => fail(new EgressFailed(`the answer of ${origin} broke off`)))
      },
      pull: () => void message.resume(),
      cancel: () => {
        end()
        message.destroy()
      },
    },
    new ByteLengthQueuingStrategy({ highWaterMark: AHEAD_BYTES }),
  )
}

/** By pairs, so that several cookies stay several. */
function headersOf({ rawHeaders }: IncomingMessage): Headers {
  const headers = new Headers()
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) headers.append(rawHeaders[i] ?? "", rawHeaders[i + 1] ?? "")
  return headers
}

function discarded(message: IncomingMessage, deadline: Deadline, sentence: string): EgressFailed {
  message.on("error", () => {})
  message.destroy()
  deadline.end()
  return new EgressFailed(sentence)
}

function tooLarge(origin: string, maxBytes: number): string {
  return `the answer of ${origin} is larger than ${maxBytes} bytes`
}
