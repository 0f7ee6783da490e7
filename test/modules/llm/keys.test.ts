import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test"
import { KEYED_VENDORS } from "../../../src/kernel/llm-key.ts"
import { type Caller, openWorld, type World } from "../../helpers/app.ts"
import { startVendor } from "./vendor.ts"

const KEYS = "/v1/llm-provider-keys"
const SECRET = "sk-proj-V3rySecret/Key+0123456789="

let world: World
let vendor: ReturnType<typeof startVendor>
let caller: Caller
let admin: Caller
beforeAll(async () => {
  vendor = startVendor({ key: SECRET })
  const flags = {
    "egress.allow": vendor.host,
    "llm.keys": { mistral: "mistral-operator-secret", box: { vendor: "local", base_url: vendor.url, api_key: SECRET } },
  }
  world = await openWorld({ flags })
  caller = world.as(world.people.contributor)
  admin = world.as(world.people.projectAdmin)
})
afterAll(async () => {
  await world.close()
  await vendor.close()
})
beforeEach(() => {
  vendor.state.key = SECRET
})
afterEach(async () => {
  const { body } = await world.call(caller, "GET", `${KEYS}?limit=100`)
  for (const { id, scope } of body.keys) if (scope === "tenant") await world.call(caller, "DELETE", `${KEYS}/${id}`)
  vendor.requests.splice(0)
  vendor.state.models = ["m-1", "vendor/m.2:latest"]
})

async function make(wish: object) {
  const answer = await world.call(caller, "POST", KEYS, wish)
  if (answer.status !== 201) throw new Error(answer.text)
  return answer.body
}
const openai = (more: object = {}) => make({ vendor: "openai", label: "main", api_key: SECRET, base_url: vendor.url, ...more })
const local = (more: object = {}) => make({ vendor: "local", label: "ollama", api_key: SECRET, base_url: vendor.url, ...more })
const resolve = (wish: object, who = caller) => world.call(who, "POST", "/v1/llm/resolve", wish)

describe("a key", () => {
  test("is saved, shown without its secret, listed before the operator's, and deleted with it", async () => {
    const key = await openai()
    expect(key).toEqual({
      ...{ id: expect.any(String), vendor: "openai", scope: "tenant", label: "main", last4: "…789=", base_url: vendor.url },
      ...{ options: {}, models: null, last_test: null, last_revealed_by: null, last_revealed_at: null },
      created_by: world.people.contributor.userId,
      ...{ created_at: expect.any(String), updated_at: expect.any(String) },
    })
    const list = await world.call(caller, "GET", KEYS)
    expect(list.body.keys.map((k: { id: string }) => k.id)).toEqual([key.id, "system:mistral", "system:box"])
    expect(list.body.total).toBe(3)
    expect((await world.call(caller, "GET", `${KEYS}/${key.id}`)).body).toEqual(key)
    expect((await world.call(caller, "DELETE", `${KEYS}/${key.id}`)).status).toBe(204)
    expect((await world.call(caller, "GET", `${KEYS}/${key.id}`)).status).toBe(404)
    expect(list.text).not.toContain("operator-secret")
    expect(list.text).not.toContain(SECRET)
  })

  test.each([
    ["no vendor of ours", { vendor: "acme" }, `vendor must be one of ${KEYED_VENDORS.join(", ")}`],
    ["the built-in model", { vendor: "builtin" }, "vendor must be one of"],
    ["no secret", { vendor: "openai", api_key: null }, "a key of openai needs api_key"],
    ["a secret with a line break", { vendor: "openai", api_key: "sk\r\nx" }, "api_key must be visible ASCII"],
    ["Azure without an address", { vendor: "azure" }, "a key of azure needs base_url"],
    ["Bedrock without a region", { vendor: "bedrock", api_key: "a-bearer-key" }, "a key of bedrock needs options.region"],
    [
      "Bedrock with half a key",
      { vendor: "bedrock", api_key: "id:", options: { region: "eu-central-1" } },
      "access_key_id:secret_access_key",
    ],
    ["a region that is a host", { vendor: "bedrock", api_key: "a:b", options: { region: "x.evil/" } }, "options.region must be"],
    ["an unknown option", { vendor: "openai", options: { headers: "x" } }, "has no option of that name"],
    ["a local server without an address", { vendor: "local", api_key: null }, "needs base_url"],
    [
      "a local server with a dot in its name",
      { vendor: "local", label: "a.b", base_url: "http://a/v1" },
      "the label of a local server",
    ],
    ["a local server called builtin", { vendor: "local", label: "builtin", base_url: "http://a/v1" }, "not builtin"],
    ["an address with a password", { vendor: "local", base_url: "http://a:b@c/v1" }, "must not hold a user name"],
    ["an address that is a file", { vendor: "local", base_url: "file:///etc/passwd" }, "base_url must be an address"],
    ["an address with a query", { vendor: "local", base_url: "http://c/v1?x=1" }, "must have no ?"],
    [
      "a private address that is not allowed",
      { vendor: "local", base_url: "http://10.1.2.3:11434/v1" },
      'adding "10.1.2.3:11434" to the setting egress.allow',
    ],
    ["the metadata service", { vendor: "openai", base_url: "http://169.254.169.254/v1" }, "egress.allow"],
  ])("is refused with a sentence and no secret: %s", async (_, wish, sentence) => {
    const answer = await world.call(caller, "POST", KEYS, { label: "x", api_key: SECRET, ...wish })
    expect(answer.status).toBe(422)
    expect(answer.body.error).toContain(sentence)
    expect(answer.text).not.toContain(SECRET)
  })

  test("of a vendor has a label of its own", async () => {
    await openai()
    const again = await world.call(caller, "POST", KEYS, { vendor: "openai", label: "main", api_key: "sk-2" })
    expect([again.status, again.body.code]).toEqual([409, "LLM_KEY_LABEL_TAKEN"])
    const other = await openai({ label: "other" })
    const renamed = await world.call(caller, "PATCH", `${KEYS}/${other.id}`, { label: "main" })
    expect([renamed.status, renamed.body.code]).toEqual([409, "LLM_KEY_LABEL_TAKEN"])
  })

  test("of the operator is read-only, never shown, and never made by the API", async () => {
    for (const [method, path, body] of [
      ["PATCH", "", { label: "x" }],
      ["DELETE", "", undefined],
      ["POST", "/rotate", { api_key: "sk-x" }],
      ["POST", "/reveal", undefined],
    ] as const) {
      const answer = await world.call(admin, method, `${KEYS}/system:mistral${path}`, body)
      expect([answer.status, answer.body.code]).toEqual([403, "SYSTEM_KEY"])
    }
    const wish = { vendor: "openai", api_key: SECRET, scope: "system" }
    expect((await world.call(caller, "POST", KEYS, wish)).body.code).toBe("SYSTEM_KEY")
    const { body } = await world.call(caller, "GET", `${KEYS}/system:mistral`)
    expect(body).toMatchObject({ scope: "system", vendor: "mistral", last4: null, created_by: null })
    expect((await world.call(caller, "GET", `${KEYS}/system:none`)).status).toBe(404)
  })

  test("of another workspace is nobody's", async () => {
    const { id } = await openai()
    const stranger = world.as(world.people.otherTenant, world.places.otherTenant)
    for (const [method, path] of [
      ["GET", ""],
      ["PATCH", ""],
      ["DELETE", ""],
      ["POST", "/test"],
      ["POST", "/reveal"],
    ] as const) {
      const body = method === "PATCH" ? { label: "mine" } : undefined
      expect((await world.call(stranger, method, `${KEYS}/${id}${path}`, body)).status).toBe(404)
    }
    const answer = await resolve({ model_ref: "direct.openai.m-1", llm_credential_id: id }, stranger)
    expect([answer.status, answer.body.code]).toEqual([404, "NOT_FOUND"])
  })

  test("sends its secret nowhere else without the secret being given again", async () => {
    const { id } = await openai()
    const moved = await world.call(caller, "PATCH", `${KEYS}/${id}`, { base_url: "https://collect.example.com/v1" })
    expect([moved.status, moved.body.code]).toEqual([422, "API_KEY_NEEDED"])
    const options = await world.call(caller, "PATCH", `${KEYS}/${id}`, { options: { organization: "o" } })
    expect(options.body.code).toBe("API_KEY_NEEDED")
    const both = await world.call(caller, "PATCH", `${KEYS}/${id}`, { base_url: null, api_key: "sk-another-one-0001" })
    expect(both.body).toMatchObject({ base_url: null, last4: "…0001" })
    expect((await world.call(caller, "PATCH", `${KEYS}/${id}`, { label: "renamed" })).body.label).toBe("renamed")
  })

  test("is revealed to an admin's session alone, and remembers to whom", async () => {
    const { id } = await openai()
    expect((await world.call(caller, "POST", `${KEYS}/${id}/reveal`)).status).toBe(403)
    expect((await world.call(world.byPat(world.people.projectAdmin), "POST", `${KEYS}/${id}/reveal`)).status).toBe(403)
    const answer = await world.call(admin, "POST", `${KEYS}/${id}/reveal`)
    expect(answer.body).toEqual({ id, api_key: SECRET })
    const { body } = await world.call(caller, "GET", `${KEYS}/${id}`)
    expect(body.last_revealed_by).toBe(world.people.projectAdmin.userId)
    expect(body.last_revealed_at).toBeString()
    const bare = await make({ vendor: "local", label: "bare", base_url: vendor.url })
    expect((await world.call(admin, "POST", `${KEYS}/${bare.id}/reveal`)).status).toBe(404)
  })
})

describe("a test of a key", () => {
  test("asks for its models; a refusal is told without the key that the vendor echoes", async () => {
    const { id } = await openai()
    const good = await world.call(caller, "POST", `${KEYS}/${id}/test`)
    expect(good.body).toMatchObject({ ok: true, message: "the key is good for 2 models", models_count: 2 })
    vendor.state.key = "sk-other"
    const bad = await world.call(caller, "POST", `${KEYS}/${id}/test`)
    expect([bad.status, bad.body.ok, bad.body.models_count]).toEqual([200, false, null])
    expect(bad.body.message).toContain("Incorrect API key provided: Bearer ***")
    expect((await world.call(caller, "GET", `${KEYS}/${id}`)).body.last_test).toMatchObject({ ok: false })
    expect(bad.text).not.toContain(SECRET)
  })

  test("comes before a rotation: a secret that the vendor refuses replaces nothing", async () => {
    const { id } = await openai()
    const refused = await world.call(caller, "POST", `${KEYS}/${id}/rotate`, { api_key: "sk-not-this-one-either" })
    expect([refused.status, refused.body.code]).toEqual([422, "KEY_REFUSED"])
    expect(refused.text).not.toContain("sk-not-this-one-either")
    expect((await world.call(admin, "POST", `${KEYS}/${id}/reveal`)).body.api_key).toBe(SECRET)
    vendor.state.key = "sk-the-new-one-0002"
    const rotated = await world.call(caller, "POST", `${KEYS}/${id}/rotate`, { api_key: "sk-the-new-one-0002" })
    expect(rotated.body).toMatchObject({ last4: "…0002", last_test: { ok: true } })
    expect((await world.call(admin, "POST", `${KEYS}/${id}/reveal`)).body.api_key).toBe("sk-the-new-one-0002")
  })
})

describe("a local server", () => {
  test("is asked for its models when it is saved, tested, and looked at again later", async () => {
    const { id, models } = await local()
    expect(models).toEqual(["m-1", "vendor/m.2:latest"])
    vendor.state.models = ["new"]
    const catalog = async () => {
      const { body } = await world.call(world.as(world.people.viewer), "GET", `${KEYS}/catalog?vendor=local`)
      const provider = body.providers.find((p: { label: string }) => p.label === "ollama")
      return provider.models.map((m: { model_ref: string }) => m.model_ref)
    }
    expect(await catalog()).toEqual(["local.ollama.m-1", "local.ollama.vendor/m.2:latest"])
    world.time.now += 61_000
    expect(await catalog()).toEqual(["local.ollama.new"])
    vendor.state.key = "sk-other"
    const failed = await world.call(caller, "POST", `${KEYS}/${id}/test`)
    expect(failed.body).toMatchObject({ ok: false, models: ["new"] })
  })

  test("that refuses its key, or does not answer yet, is saved all the same, and says so", async () => {
    vendor.state.key = "sk-nobody-knows"
    const refused = await local()
    expect(refused).toMatchObject({ models: null, last_test: { ok: false } })
    expect(JSON.stringify(refused)).not.toContain(SECRET)
  })

  test("of the operator is everybody's", async () => {
    const stranger = world.as(world.people.otherTenant, world.places.otherTenant)
    world.time.now += 61_000
    const { body } = await world.call(stranger, "GET", `${KEYS}/catalog`)
    const box = body.providers.find((p: { label: string }) => p.label === "box")
    expect(box.models[0]).toEqual({
      ...{
        model_ref: "local.box.m-1",
        model: "m-1",
        label: "m-1",
        context_window: 4_096,
        price: null,
        system_key: true,
        tenant_key: false,
      },
    })
    expect((await resolve({ model_ref: "local.box.m-1" }, stranger)).body).toMatchObject({ source: "system", listed: true })
  })
})

describe("resolve", () => {
  test("finds the built-in model without any key", async () => {
    for (const wish of [{ model_ref: "local.builtin.echo-1" }, { model: "echo-1" }]) {
      expect((await resolve(wish)).body).toEqual({
        ...{ model_ref: "local.builtin.echo-1", vendor: "builtin", model: "echo-1", credential_id: null, listed: true },
        ...{ credential_scope: "system", source: "system", available: true, context_window: 128_000 },
      })
    }
  })

  test("takes the key that is named, else the workspace's, else the operator's", async () => {
    const wish = { model_ref: "direct.mistral.mistral-large.2411" }
    expect((await resolve(wish)).body).toMatchObject({
      credential_id: "system:mistral",
      model: "mistral-large.2411",
      listed: false,
    })
    const first = await make({ vendor: "mistral", label: "first", api_key: SECRET })
    expect((await resolve(wish)).body).toMatchObject({ credential_id: first.id, source: "tenant" })
    const preferred = await make({ vendor: "mistral", api_key: SECRET })
    expect((await resolve(wish)).body).toMatchObject({ credential_id: preferred.id })
    expect((await resolve({ ...wish, llm_credential_scope: "system" })).body).toMatchObject({ credential_id: "system:mistral" })
    expect((await resolve({ ...wish, llm_credential_id: first.id })).body).toMatchObject({ credential_id: first.id })
    const wrongScope = await resolve({ ...wish, llm_credential_id: first.id, llm_credential_scope: "system" })
    expect(wrongScope.status).toBe(404)
    const { id } = await openai()
    expect((await resolve({ ...wish, llm_credential_id: id })).body.error).toContain(
      "a key of openai, which the model is not called with",
    )
    expect((await resolve({ model: "anything-new", llm_credential_id: id })).body).toMatchObject({
      model_ref: "direct.openai.anything-new",
    })
  })

  test("a model that the table knows but nobody has a key of asks for one, by whichever name", async () => {
    for (const wish of [{ model_ref: "direct.openai.gpt-4.1" }, { model: "gpt-4.1" }]) {
      const answer = await resolve(wish)
      expect([answer.status, answer.body.code]).toEqual([422, "NO_PROVIDER_KEY"])
      expect(answer.body.error).toContain("there is no key of openai")
    }
    const { id } = await openai()
    expect((await resolve({ model: "gpt-4.1" })).body).toMatchObject({
      ...{ model_ref: "direct.openai.gpt-4.1", credential_id: id, listed: true, context_window: expect.any(Number) },
    })
  })

  test("the catalog knows models and prices without a network, and who has keys", async () => {
    const viewer = world.as(world.people.viewer)
    const catalog = async () => (await world.call(viewer, "GET", `${KEYS}/catalog`)).body
    const gpt = async () => {
      const { models } = (await catalog()).providers.find((p: { vendor: string }) => p.vendor === "openai")
      return models.find((m: { model: string }) => m.model === "gpt-4.1")
    }
    expect(await gpt()).toEqual({
      ...{ model_ref: "direct.openai.gpt-4.1", model: "gpt-4.1", label: "GPT-4.1", context_window: expect.any(Number) },
      ...{ price: { input: 2, output: 8, cached_input: 0.5 }, system_key: false, tenant_key: false },
    })
    await openai()
    expect(await gpt()).toMatchObject({ system_key: false, tenant_key: true })
    const { keys, providers } = await catalog()
    expect(keys[0]).toEqual({ id: expect.any(String), vendor: "openai", scope: "tenant", label: "main", last4: "…789=" })
    expect(providers.map((p: { vendor: string }) => p.vendor)).toEqual([
      ...["openai", "anthropic", "google", "mistral", "openrouter", "azure", "bedrock", "local", "builtin"],
    ])
    const only = (await world.call(viewer, "GET", `${KEYS}/catalog?vendor=builtin`)).body.providers
    expect(only.map((p: { models: unknown[] }) => p.models.length)).toEqual([1])
  })

  test("a bare name is looked up where there is a key; the server that has it answers", async () => {
    const { id } = await local()
    expect((await resolve({ model: "vendor/m.2:latest" })).body).toMatchObject({
      model_ref: "local.ollama.vendor/m.2:latest",
      credential_id: id,
    })
  })

  test.each([
    [{}, 422, "MODEL_REF_INVALID"],
    [{ model_ref: "gpt-4o" }, 422, "MODEL_REF_INVALID"],
    [{ model_ref: "direct.acme.gpt" }, 404, "MODEL_NOT_FOUND"],
    [{ model_ref: "local.nobody.llama" }, 404, "MODEL_NOT_FOUND"],
    [{ model_ref: "local.builtin.gpt" }, 404, "MODEL_NOT_FOUND"],
    [{ model: "no-such-model" }, 404, "MODEL_NOT_FOUND"],
    [{ model_ref: "direct.openai.../../admin" }, 422, "MODEL_REF_INVALID"],
    [{ model_ref: "direct.mistral.m", llm_credential_id: "system:none" }, 404, "NOT_FOUND"],
  ])("%j answers %d %s", async (wish, status, code) => {
    const answer = await resolve(wish)
    expect([answer.status, answer.body.code]).toEqual([status, code])
  })

  test("forgets a key as soon as it is gone", async () => {
    const { id } = await local()
    expect((await resolve({ model_ref: "local.ollama.m-1" })).status).toBe(200)
    await world.call(caller, "DELETE", `${KEYS}/${id}`)
    expect((await resolve({ model_ref: "local.ollama.m-1" })).status).toBe(404)
  })
})
