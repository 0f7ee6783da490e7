import { createLlmKeyStore } from "../../src/modules/llm/store.ts"
import type { Person, Place, World } from "../helpers/app.ts"
import type { RouteCase } from "./route-table.ts"

const wish = () => ({
  vendor: "openai",
  label: crypto.randomUUID(),
  api_key: "sk-0123456789abcdef",
  base_url: "https://vendor.invalid/v1",
})

/** At an address that nothing is let through to. */
async function key(world: World, place: Place, { session }: Person) {
  const id: string = (await world.call({ session, place }, "POST", "/v1/llm-provider-keys", wish())).body.id
  await createLlmKeyStore(world.db).update(place.tenant, id, { baseUrl: "http://127.0.0.1:9/v1" })
  return { id }
}

const contributor = { asked: "project_contributor", scopes: "any" } as const
const saved = { ...contributor, ids: key, ofTenant: true, status: 200 } as const
const base = "/v1/llm-provider-keys"

/** The vendor is out of reach in the sweep, so a test finds that out, and a new secret is taken on trust. */
export const LLM_ROUTES: readonly RouteCase[] = [
  { route: `GET ${base}`, ...contributor, status: 200 },
  { route: `POST ${base}`, ...contributor, body: wish, status: 201 },
  { route: `GET ${base}/catalog`, asked: "project_viewer", scopes: "any", status: 200 },
  { route: `GET ${base}/:id`, ...saved },
  { route: `PATCH ${base}/:id`, ...saved, body: () => ({ label: crypto.randomUUID() }) },
  { route: `DELETE ${base}/:id`, ...saved, status: 204 },
  { route: `POST ${base}/:id/test`, ...saved },
  { route: `POST ${base}/:id/rotate`, ...saved, body: () => ({ api_key: "sk-fedcba9876543210" }) },
  { route: `POST ${base}/:id/reveal`, ...saved, asked: "project_admin", scopes: "none" },
  { route: "POST /v1/llm/resolve", ...contributor, body: () => ({ model_ref: "local.builtin.echo-1" }), status: 200 },
]
