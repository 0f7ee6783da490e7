import type { CallContext, ToolResult } from "../../connectors/connector.ts"

/** A connector's own limit comes first: its sentence says more. */
const GRACE_MS = 50

/** A connector that does not heed its limit cannot hold the attempt longer; whatever it still says is not heard. */
export function callInTime(
  signal: AbortSignal,
  context: Omit<CallContext, "signal">,
  limitMs: number,
  call: (context: CallContext) => Promise<ToolResult>,
): Promise<ToolResult> {
  const controller = new AbortController()
  return new Promise((resolve, reject) => {
    const settle = (result: ToolResult) => {
      clearTimeout(timer)
      signal.removeEventListener("abort", onAbort)
      resolve(result)
    }
    const onAbort = () => {
      controller.abort(signal.reason)
      settle({ ok: false, message: "the call was cancelled", retryable: false })
    }
    const timer = setTimeout(() => {
      controller.abort(new DOMException("the tool took too long", "TimeoutError"))
      settle({ ok: false, message: `the tool did not answer within ${limitMs / 1_000} s`, retryable: true, timeout: true })
    }, context.timeoutMs + GRACE_MS)
    if (signal.aborted) return onAbort()
    signal.addEventListener("abort", onAbort, { once: true })
    call({ ...context, signal: controller.signal }).then(settle, error => {
      clearTimeout(timer)
      signal.removeEventListener("abort", onAbort)
      reject(error)
    })
  })
}
