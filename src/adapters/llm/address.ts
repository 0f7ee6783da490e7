import { isJsonObject, type Json, type JsonObject, textOf } from "../../kernel/json.ts"
import { parsedJson } from "../../kernel/nesting.ts"
import { type ListedModel, ModelFailure, type ModelTarget } from "./llm.ts"
import type { VendorCall } from "./vendor.ts"

type Server = Omit<ModelTarget, "model">

/** The vendor's address without a slash at its end: the one that was given, or its own. */
export function baseOf(target: Server, own: string): string {
  return (target.baseUrl === null || target.baseUrl === "" ? own : target.baseUrl).replace(/\/+$/, "")
}

/** An option of the target that is a text; empty ones are none. */
export function optionOf(target: Server, name: string): string | undefined {
  return textOf(target.options[name]) || undefined
}

/** GET of a list; with what the vendor said where it refuses. */
export async function getJson(url: string, headers: Record<string, string>, call: VendorCall): Promise<JsonObject> {
  const response = await call.fetch(url, { headers: { accept: "application/json", ...headers }, signal: call.signal })
  const text = await response.text()
  if (!response.ok) {
    throw { statusCode: response.status, responseBody: text, responseHeaders: Object.fromEntries(response.headers), message: "" }
  }
  const body = parsedJson(text)
  if (!isJsonObject(body))
    throw new ModelFailure("bad_answer", `${new URL(url).host} answered with no list of models`, { retryable: false })
  return body
}

/** Each entry of the list under `key` that is a model for `toModel`. */
export function modelsIn(body: JsonObject, key: string, toModel: (entry: JsonObject) => ListedModel | null): ListedModel[] {
  const list = body[key]
  if (!Array.isArray(list)) throw new ModelFailure("bad_answer", `the answer has no list called ${key}`, { retryable: false })
  return list.filter(isJsonObject).flatMap(entry => toModel(entry) ?? [])
}

/** `data[].id`, as OpenAI lists them and most others after it; the context window under one of these names. */
export function openAiModels(body: JsonObject, ...windows: readonly string[]): ListedModel[] {
  return modelsIn(body, "data", entry => {
    const model = textOf(entry.id)
    return model === ""
      ? null
      : { model, contextWindow: windows.map(name => windowOf(entry[name])).find(n => n !== null) ?? null }
  })
}

export function windowOf(value: Json | undefined): number | null {
  return typeof value === "number" && Number.isInteger(value) && value > 0 ? value : null
}
