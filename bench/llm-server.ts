// A model server that answers at once, in OpenAI's chat completions; a stream of 100 words over two seconds where one is asked for.
const WORDS = 100
const EVERY_MS = 20

const USAGE = { prompt_tokens: 12, completion_tokens: 8, total_tokens: 20 }
const HEAD = { id: "c", created: 1, model: "instant" }
const whole = JSON.stringify({
  ...{ ...HEAD, object: "chat.completion", usage: USAGE },
  choices: [{ index: 0, message: { role: "assistant", content: "an answer at once" }, finish_reason: "stop" }],
})
const event = (choices: unknown, usage?: unknown) =>
  new TextEncoder().encode(
    `data: ${JSON.stringify({ ...HEAD, object: "chat.completion.chunk", choices, ...(usage === undefined ? {} : { usage }) })}\n\n`,
  )
const word = event([{ index: 0, delta: { content: "word " }, finish_reason: null }])
const last = event([{ index: 0, delta: {}, finish_reason: "stop" }])
const used = event([], USAGE)
const done = new TextEncoder().encode("data: [DONE]\n\n")

function streamed(): Response {
  const stream = new ReadableStream({
    async start(controller) {
      for (let i = 0; i < WORDS; i++) {
        controller.enqueue(word)
        await Bun.sleep(EVERY_MS)
      }
      for (const end of [last, used, done]) controller.enqueue(end)
      controller.close()
    },
  })
  return new Response(stream, { headers: { "content-type": "text/event-stream" } })
}

const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  idleTimeout: 0,
  async fetch(request) {
    const body = await request.text()
    if (body.includes('"stream":true')) return streamed()
    return new Response(whole, { headers: { "content-type": "application/json" } })
  },
})
process.stderr.write(`${JSON.stringify({ url: `http://127.0.0.1:${server.port}`, msg: "ready" })}\n`)
process.on("SIGTERM", () => process.exit(0))

export {}
