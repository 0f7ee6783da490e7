import type { JsonObject } from "../src/kernel/json.ts"

interface Server {
  readonly url: string
  readonly token: string
}

/** Makes and publishes a workflow of this graph; its id. */
export async function publish(server: Server, graph: JsonObject): Promise<string> {
  const { id } = await post(server, "/v1/workflows", { name: "bench", graph })
  await post(server, `/v1/workflows/${id}/versions`, { changelog: "bench" })
  return String(id)
}

export async function startRun(server: Server, workflowId: string): Promise<string> {
  return String((await post(server, `/v1/workflows/${workflowId}/command`, { command: "start" })).run_id)
}

export async function post({ url, token }: Server, path: string, body: object): Promise<JsonObject> {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" }
  const response = await fetch(url + path, { method: "POST", headers, body: JSON.stringify(body) })
  const answer = (await response.json()) as JsonObject
  if (!response.ok) throw new Error(`POST ${path}: ${response.status} ${JSON.stringify(answer)}`)
  return answer
}
