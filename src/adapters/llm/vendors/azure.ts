import { createAzure } from "@ai-sdk/azure"
import { baseOf, getJson, openAiModels, optionOf } from "../address.ts"
import { generate } from "../generate.ts"
import { ModelFailure, type ModelTarget } from "../llm.ts"
import type { VendorDriver } from "../vendor.ts"
import { openAiForm } from "./openai.ts"

/**
 * Models are named by their deployments. The address is that of the resource, e.g. `https://acme.openai.azure.com/openai`; with
 * `options.deployment_urls` true requests go to `/deployments/<name>`, as with API versions before `v1`.
 */
export const azure: VendorDriver = {
  async complete(target, request, call) {
    const version = optionOf(target, "api_version")
    const provider = createAzure({
      baseURL: resourceOf(target),
      apiKey: target.apiKey ?? "",
      fetch: call.fetch,
      ...(version === undefined ? {} : { apiVersion: version }),
      useDeploymentBasedUrls: target.options.deployment_urls === true,
    })
    const model = optionOf(target, "api") === "chat" ? provider.chat(target.model) : provider.responses(target.model)
    return await generate(model, target, request, openAiForm(target, request), call)
  },
  async list(target, call) {
    const version = encodeURIComponent(optionOf(target, "api_version") ?? "v1")
    const base = resourceOf(target)
    const path = /\/v1$|deployment/.test(base) || version !== "v1" ? "/models" : "/v1/models"
    return openAiModels(await getJson(`${base}${path}?api-version=${version}`, { "api-key": target.apiKey ?? "" }, call))
  },
}

function resourceOf(target: Omit<ModelTarget, "model">): string {
  const base = baseOf(target, "")
  const url = URL.parse(base)
  if (url === null) {
    throw new ModelFailure("bad_request", "azure needs a base_url such as https://acme.openai.azure.com/openai", {
      retryable: false,
    })
  }
  return url.pathname === "/" ? `${base}/openai` : base
}
