import { createAmazonBedrock } from "@ai-sdk/amazon-bedrock"
import { AwsV4Signer } from "aws4fetch"
import { textOf } from "../../../kernel/json.ts"
import { baseOf, getJson, modelsIn, optionOf } from "../address.ts"
import { generate } from "../generate.ts"
import { ModelFailure, type ModelTarget } from "../llm.ts"
import { reasoningOf } from "../request.ts"
import type { VendorDriver } from "../vendor.ts"

type Server = Omit<ModelTarget, "model">

/** A key of AWS is an access key with its secret, or a bearer key of Bedrock alone. */
type Key =
  | { readonly bearer: string }
  | { readonly accessKeyId: string; readonly secretAccessKey: string; readonly sessionToken?: string }

export const bedrock: VendorDriver = {
  async complete(target, request, call) {
    const region = regionOf(target)
    const key = keyOf(target)
    const provider = createAmazonBedrock({
      region,
      // Always given: the provider would look into the environment for it.
      baseURL: baseOf(target, `https://bedrock-runtime.${region}.${domainOf(region)}`),
      ...("bearer" in key ? { apiKey: key.bearer } : { apiKey: "", ...key }),
      fetch: call.fetch,
    })
    return await generate(provider(target.model), target, request, { reasoning: reasoningOf(request.params) }, call)
  },
  async list(target, call) {
    const region = regionOf(target)
    const base = baseOf(target, `https://bedrock.${region}.${domainOf(region)}`)
    const url = `${base}/foundation-models?byOutputModality=TEXT`
    const body = await getJson(url, await authOf(url, region, keyOf(target)), call)
    return modelsIn(body, "modelSummaries", entry => ({ model: textOf(entry.modelId), contextWindow: null }))
  },
}

async function authOf(url: string, region: string, key: Key): Promise<Record<string, string>> {
  if ("bearer" in key) return { authorization: `Bearer ${key.bearer}` }
  const signed = await new AwsV4Signer({ url, region, service: "bedrock", ...key }).sign()
  return Object.fromEntries(signed.headers)
}

function keyOf(target: Server): Key {
  const [accessKeyId = "", secretAccessKey, ...token] = (target.apiKey ?? "").split(":")
  if (accessKeyId === "") {
    const sentence = "bedrock needs a key access_key_id:secret_access_key, or a bearer key"
    throw new ModelFailure("bad_request", sentence, { retryable: false })
  }
  if (secretAccessKey === undefined) return { bearer: accessKeyId }
  return { accessKeyId, secretAccessKey, ...(token.length === 0 ? {} : { sessionToken: token.join(":") }) }
}

function regionOf(target: Server): string {
  const region = optionOf(target, "region")
  if (region !== undefined && /^[a-z0-9-]{3,40}$/.test(region)) return region
  throw new ModelFailure("bad_request", "bedrock needs the option region, e.g. us-east-1", { retryable: false })
}

function domainOf(region: string): string {
  return region.startsWith("cn-") ? "amazonaws.com.cn" : "amazonaws.com"
}
