import { Elysia, t } from "elysia"
import type { ResolveModel } from "../../adapters/llm/resolve.ts"
import type { Gate } from "../../http/gate.ts"
import { pageOf, pageQuery } from "../../http/paging.ts"
import type { Permission } from "../../http/permission.ts"
import type { LlmCatalog } from "./catalog.ts"
import {
  catalogQuery,
  catalogShape,
  createKeyShape,
  keyListShape,
  keyShape,
  keyTestShape,
  patchKeyShape,
  resolvedShape,
  resolveShape,
  revealedKeyShape,
  rotateKeyShape,
} from "./contract.ts"
import { resolved } from "./resolve-answer.ts"
import type { LlmKeyService } from "./service.ts"

/** Keys are the workspace's, and whoever builds workflows manages them (contract C-40, G-1). */
const MANAGE: Permission = { access: "project", role: "project_contributor", scopes: "any" }
const LOOK: Permission = { access: "project", role: "project_viewer", scopes: "any" }
/** To a person at the screen only: a token that leaks must not leak keys behind it. */
const REVEAL: Permission = { access: "project", role: "project_admin", scopes: "none" }
const tags = ["Models"]

export interface LlmRoutesDeps {
  readonly gate: Gate
  readonly llmKeys: LlmKeyService
  readonly llmCatalog: LlmCatalog
  readonly resolveModel: ResolveModel
}

export const llmRoutes = ({ gate, llmKeys, llmCatalog, resolveModel }: LlmRoutesDeps) =>
  new Elysia({ prefix: "/v1" })
    .use(gate)
    .get("/llm-provider-keys", ({ caller, query }) => llmKeys.list(caller, pageOf(query)), {
      permit: MANAGE,
      query: t.Object(pageQuery),
      response: keyListShape,
      detail: { summary: "Keys of model vendors: the workspace's, then the operator's, without secrets", tags },
    })
    .post("/llm-provider-keys", async ({ caller, body, status }) => status(201, await llmKeys.create(caller, body)), {
      permit: MANAGE,
      body: createKeyShape,
      response: { 201: keyShape },
      detail: { summary: "Save a key of a model vendor, or the address of a local model server", tags },
    })
    .get("/llm-provider-keys/catalog", ({ caller, query }) => llmCatalog.list(caller, query.vendor ?? null), {
      permit: LOOK,
      query: catalogQuery,
      response: catalogShape,
      detail: { summary: "Models by vendor, and which of them there are keys for", tags },
    })
    .get("/llm-provider-keys/:id", ({ caller, params }) => llmKeys.get(caller, params.id), {
      permit: MANAGE,
      response: keyShape,
      detail: { summary: "One key, without its secret", tags },
    })
    .patch("/llm-provider-keys/:id", ({ caller, params, body }) => llmKeys.patch(caller, params.id, body), {
      permit: MANAGE,
      body: patchKeyShape,
      response: keyShape,
      detail: { summary: "Change a key; another base_url or other options need api_key, too", tags },
    })
    .delete(
      "/llm-provider-keys/:id",
      async ({ caller, params, set }) => {
        await llmKeys.delete(caller, params.id)
        set.status = 204
      },
      { permit: MANAGE, response: { 204: t.Void() }, detail: { summary: "Delete a key and its secret", tags } },
    )
    .post("/llm-provider-keys/:id/test", ({ caller, params }) => llmKeys.test(caller, params.id), {
      permit: MANAGE,
      response: keyTestShape,
      detail: { summary: "Ask the vendor for the key's models; 200 with ok: false when it refuses", tags },
    })
    .post("/llm-provider-keys/:id/rotate", ({ caller, params, body }) => llmKeys.rotate(caller, params.id, body.api_key), {
      permit: MANAGE,
      body: rotateKeyShape,
      response: keyShape,
      detail: { summary: "Put a new secret in place of the old one, unless the vendor refuses it", tags },
    })
    .post("/llm-provider-keys/:id/reveal", ({ caller, params }) => llmKeys.reveal(caller, params.id), {
      permit: REVEAL,
      response: revealedKeyShape,
      detail: { summary: "Show a key's secret; who saw it last stays with the key", tags },
    })
    .post("/llm/resolve", async ({ caller, body }) => await resolved(resolveModel, caller, body), {
      permit: MANAGE,
      body: resolveShape,
      response: resolvedShape,
      detail: { summary: "Which model and key a step would call", tags },
    })
