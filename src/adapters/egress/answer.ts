import type { IncomingMessage } from "node:http"
import type { Transform } from "node:stream"
import type { Deadline } from "./deadline.ts"
import { decoded, decodersOf } from "./decoding.ts"
import { EgressFailed, failureOf } from "./errors.ts"
import type { Hop } from "./hop.ts"

const WITHOUT_BODY = new Set([204, 205, 304])
/** What lies ready for a reader who is slow; the sender is held back meanwhile. */
const AHEAD_BYTES = 64 * 1024

/**
 * A web `Response` of what the other side sends, unpacked. Reading it fails when it is too large, too late, or breaks off.
 */
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
  const decoders = decodersOf(headers.get("content-encoding"))
  if (decoders === null) throw discarded(message, deadline, `the answer of ${origin} is encoded in a way that is not known here`)
  if (decoders.length > 0) for (const name of ["content-encoding", "content-length"]) headers.delete(name)
  return new Response(bodyOf(message, decoders, origin, maxBytes, deadline), init)
}

function bodyOf(
  message: IncomingMessage,
  decoders: readonly (() => Transform)[],
  origin: string,
  maxBytes: number,
  deadline: Deadline,
): ReadableStream<Uint8Array> {
  const { signal } = deadline
  let over = false
  let held = false
  const end = () => {
    over = true
    deadline.end()
  }
  let source: { pause(): unknown; resume(): unknown; destroy(): unknown } = message
  const drop = () => {
    message.destroy()
    source.destroy()
  }
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        const fail = (error: unknown) => {
          if (over) return
          end()
          controller.error(error)
          drop()
        }
        /** Of what came, and of what it unpacked to: either may be endless while the other is small. */
        const counter = () => {
          let bytes = 0
          return (chunk: Uint8Array) => {
            bytes += chunk.length
            if (bytes > maxBytes) fail(new EgressFailed(tooLarge(origin, maxBytes)))
          }
        }
        const late = () => fail(signal.reason)
        if (signal.aborted) return late()
        signal.addEventListener("abort", late, { once: true })
        const countRaw = counter()
        message.on("data", (chunk: Uint8Array) => {
          if (!held && !over) deadline.stirred()
          countRaw(chunk)
        })
        message.on("error", error => fail(failureOf(error, origin)))
        message.on("close", () => {
          if (!message.complete) fail(new EgressFailed(`the answer of ${origin} broke off`))
        })
        const body = decoded(message, decoders, () => fail(new EgressFailed(`the answer of ${origin} cannot be unpacked`)))
        source = body
        const count = counter()
        body.on("data", (chunk: Uint8Array) => {
          if (over) return
          count(chunk)
          if (over) return
          controller.enqueue(chunk)
          if ((controller.desiredSize ?? 0) > 0) return
          held = true
          deadline.paused()
          body.pause()
        })
        body.on("end", () => {
          if (over) return
          end()
          controller.close()
        })
      },
      pull() {
        if (held && !over) deadline.stirred()
        held = false
        source.resume()
      },
      cancel: () => {
        end()
        drop()
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
