import { openServer } from "../../adapters/egress/places.ts"

export const APP_ID = "4242"
export const APP_SECRET = "metasecret/+canary=of tests%"
export const GOOD_TOKEN = "EAAGood+token/of=tests0123456789"
export const WABA = "102290129340398"
export const PHONE = "106540352242922"

/** Meta's Graph API as strict as Meta: version, paths, credentials and fields are checked, lists come in pages. */
export async function openGraph() {
  const codes = new Map<string, string>()
  const state = { mood: "good" as "good" | "fails" | "garbage" | "echoes" }
  const server = await openServer((seen, response) => {
    const url = new URL(seen.url, "http://graph.example")
    const query = url.searchParams
    const answer = (status: number, body: unknown) => {
      response.writeHead(status, { "content-type": "application/json" })
      response.end(typeof body === "string" ? body : JSON.stringify(body))
    }
    const refuse = (message: string, code = 190) =>
      answer(400, { error: { message, type: "OAuthException", code, fbtrace_id: "Abc" } })
    if (state.mood === "fails") return answer(500, { error: { message: "An unknown error occurred", code: 1 } })
    if (state.mood === "garbage") return answer(200, "<html>")
    if (seen.method !== "GET") return refuse("Unsupported request", 100)

    if (url.pathname === "/v20.0/oauth/access_token") {
      if (query.get("client_id") !== APP_ID) return refuse("Error validating application", 101)
      if (query.get("client_secret") !== APP_SECRET) return refuse("Error validating client secret.", 1)
      const token = codes.get(query.get("code") ?? "")
      if (token === undefined) return refuse(`This authorization code has been used or is invalid: ${query.get("code")}`, 100)
      codes.delete(query.get("code")!)
      return answer(200, { access_token: token, token_type: "bearer", expires_in: 5_184_000 })
    }
    const bearer = /^Bearer (.+)$/.exec(seen.headers.authorization ?? "")?.[1] ?? ""
    if (state.mood === "echoes") return refuse(`Malformed access token ${bearer} / ${encodeURIComponent(bearer)}`)
    if (bearer !== GOOD_TOKEN) return refuse("Invalid OAuth access token - Cannot parse access token")
    if (url.pathname !== `/v20.0/${WABA}/phone_numbers`) {
      const message = `Unsupported get request. Object with ID '${url.pathname.split("/")[2]}' does not exist`
      return refuse(message, 100)
    }
    if (!query.get("fields")?.includes("display_phone_number")) return refuse("fields", 100)
    if (query.get("after") === null)
      return answer(200, { data: [{ id: "1" }], paging: { cursors: { after: "MQ" }, next: "https://graph.example/next" } })
    if (query.get("after") !== "MQ") return refuse("cursor", 100)
    return answer(200, { data: [{ id: PHONE, display_phone_number: "+1 555 0100", verified_name: "Acme" }], paging: {} })
  })
  return {
    url: server.url("").replace(/\/$/, ""),
    seen: server.seen,
    state,
    /** What the embedded signup gives the browser. */
    signup(token = GOOD_TOKEN): string {
      const code = `AQ${crypto.randomUUID()}`
      codes.set(code, token)
      return code
    },
    close: () => server.close(),
  }
}

export type Graph = Awaited<ReturnType<typeof openGraph>>
