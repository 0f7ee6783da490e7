import { readMasterKey } from "../adapters/vault/master-key.ts"
import { unseal } from "../adapters/vault/seal.ts"
import type { Config } from "../config.ts"
import { findAdapter, slugOfUrl } from "../connectors/catalog.ts"
import { isJsonObject, type Json, textOf } from "../kernel/json.ts"
import { sourcesOf, vaultNameOf } from "../modules/mcp/wiring.ts"
import {
  type ReachRows,
  type SavedConnection,
  type SavedModelKey,
  secretKey,
  type WiredInstance,
} from "../storage/inspect-reach.ts"
import { type Address, addressesIn, addressOf } from "./address-in.ts"

/** Where an instance may go, and what would lead it there. */
export interface Reach {
  readonly hosts: readonly { readonly address: Address; readonly why: string }[]
  /** Programs of this machine that are MCP servers: what they reach, the system must say. */
  readonly programs: readonly { readonly name: string; readonly program: string }[]
  /** Sentences about what may lead outside and could not be read. */
  readonly unknown: readonly string[]
}

/** What connectors call whose configuration names no address of its own; a test holds it against their sources. */
export const VENDORS: ReadonlyMap<string, string> = new Map([
  ["github", "https://api.github.com"],
  ["resend", "https://api.resend.com"],
])

/** Where model vendors are called whose key names no address; a test holds it against their adapters. */
export const MODEL_VENDORS: ReadonlyMap<string, string> = new Map([
  ["openai", "https://api.openai.com/v1"],
  ["anthropic", "https://api.anthropic.com/v1"],
  ["google", "https://generativelanguage.googleapis.com/v1beta"],
  ["mistral", "https://api.mistral.ai/v1"],
  ["openrouter", "https://openrouter.ai/api/v1"],
])

/** Google's own, as its discovery document has them; any other issuer names its endpoints when it is asked. */
const GOOGLE = "https://accounts.google.com"
const GOOGLE_ENDPOINTS = ["https://oauth2.googleapis.com", "https://openidconnect.googleapis.com", "https://www.googleapis.com"]

export interface ReachDeps {
  readonly config: Config
  readonly publicUrl: string
  readonly keyFile: string
  readonly environment: Readonly<Record<string, string | undefined>>
}

/** Everything that is configured, stored or written into a workflow and names a host. Nothing is asked of the network. */
export function reachOf(rows: ReachRows, deps: ReachDeps): Reach {
  const hosts: { address: Address; why: string }[] = []
  const unknown: string[] = []
  const add = (addresses: readonly Address[], why: string) => hosts.push(...addresses.map(address => ({ address, why })))

  for (const { name, url, bridge } of rows.servers) {
    add(addressesIn(url), `MCP server ${name}`)
    for (const text of textsIn(bridge)) add(addressesIn(text), `bridge of the MCP server ${name}`)
  }
  const open = opener(rows, deps.keyFile)
  for (const instance of rows.instances) {
    const why = `instance ${instance.name} of ${instance.slug}`
    const { values, closed } = valuesOf(instance, open, deps.environment)
    unknown.push(...closed.map(sentence => `${why}: ${sentence}`))
    const named = [...values].flatMap(([key, value]) => configured(key, value, values))
    const vendor = VENDORS.get(instance.slug)
    add(named.length === 0 && vendor !== undefined ? addressesIn(vendor) : named, why)
  }
  for (const connection of rows.connections) {
    const { name, provider, metadata } = connection
    const why = `connection ${name} (${provider})`
    // Whether or not an instance is wired to it: a workflow may put it in the place of another.
    const { values, closed } = credentialsOf(connection, rows, open)
    unknown.push(...closed.map(sentence => `${why}: ${sentence}`))
    for (const [key, value] of values) add(configured(key, value, values), why)
    if (provider === "google_account") add(googleAddresses(deps.config), why)
    if (provider === "whatsapp") add(addressesIn(deps.config["whatsapp.graph_url"]), why)
    // Of the others the metadata is the user's own, or holds names that only look like addresses.
    if (provider === "mcp_oauth") for (const text of textsIn(metadata)) add(addressesIn(text), why)
  }
  for (const key of [...rows.modelKeys, ...deps.config["llm.keys"]]) add(modelAddresses(key), `key ${key.label} of ${key.vendor}`)
  if (deps.config["google.client_id"] !== "") add(googleAddresses(deps.config), "signing in with Google")
  if (deps.config["whatsapp.app_id"] !== "") add(addressesIn(deps.config["whatsapp.graph_url"]), "signing up with WhatsApp")
  for (const url of rows.callbacks) add(addressesIn(url), "callback of a run")
  for (const { name, graph } of rows.graphs)
    for (const text of textsOfCalls(graph)) if (!staysHere(text, deps.publicUrl)) add(addressesIn(text), `workflow ${name}`)
  const programs = deps.config["mcp.stdio"].map(({ name, command }) => ({ name, program: command[0] }))
  return { hosts, programs, unknown }
}

/** Bedrock has one address for calls and one for the list of models, in each region. */
function modelAddresses({ vendor, baseUrl, options }: SavedModelKey): readonly Address[] {
  if (baseUrl !== null) return addressesIn(baseUrl)
  if (vendor !== "bedrock") return addressesIn(MODEL_VENDORS.get(vendor) ?? "")
  const region = textOf(options.region)
  const domain = region.startsWith("cn-") ? "amazonaws.com.cn" : "amazonaws.com"
  return ["bedrock-runtime", "bedrock"].flatMap(host => addressesIn(`https://${host}.${region}.${domain}`))
}

function googleAddresses(config: Config): readonly Address[] {
  const issuer = config["google.issuer"]
  return [issuer, ...(issuer === GOOGLE ? GOOGLE_ENDPOINTS : [])].flatMap(addressesIn)
}

type Open = (tenantId: string, name: string) => string | null

/** Opens secrets as the vault does, and changes nothing. */
function opener(rows: ReachRows, keyFile: string): Open {
  if (rows.secrets.size === 0) return () => null
  const master = readMasterKey(keyFile)
  return (tenantId, name) => {
    const secret = rows.secrets.get(secretKey(tenantId, name))
    const key = secret && unseal(master.bytes, secret.wrappedKey, ["data-key", tenantId])
    return (key && unseal(key, secret.sealed, ["secret", tenantId, name])?.toString("utf8")) ?? null
  }
}

function credentialsOf({ id, tenantId }: SavedConnection, rows: ReachRows, open: Open) {
  const values = new Map<string, Json>()
  const closed: string[] = []
  const prefix = `connection:${id}:`
  for (const { name, tenantId: owner } of rows.secrets.values()) {
    if (owner !== tenantId || !name.startsWith(prefix)) continue
    const key = name.slice(prefix.length)
    const value = open(tenantId, name)
    if (value === null) closed.push(`the secret ${key} cannot be opened`)
    else values.set(key, value)
  }
  return { values, closed }
}

/** What a tool of the instance would be called with; sentences for what cannot be known here. */
function valuesOf(instance: WiredInstance, open: Open, environment: ReachDeps["environment"]) {
  const schema = findAdapter(instance.slug)?.configSchema ?? {}
  const defaults = Object.entries(schema).flatMap(([key, field]) =>
    field.default === undefined ? [] : [[key, field.default] as const],
  )
  const values = new Map<string, Json>([...defaults, ...Object.entries(instance.config)])
  const closed: string[] = []
  for (const [key, source] of sourcesOf(instance)) {
    const { tenantId } = instance
    switch (source.source) {
      case "literal":
        values.set(key, source.value)
        continue
      case "env": {
        const value = environment[source.name]
        if (value === undefined) closed.push(`${key} comes from the variable ${source.name}, which is not set here`)
        else values.set(key, value)
        continue
      }
      case "vault":
      case "connection": {
        const name = source.source === "vault" ? vaultNameOf(source.path) : `connection:${source.connectionId}:${source.key}`
        const value = name === null ? null : open(tenantId, name)
        if (value === null) closed.push(`the secret behind ${key} is not there or cannot be opened`)
        else values.set(key, value)
      }
    }
  }
  return { values, closed }
}

/** What one value of a configuration leads to. Keys that end in `_host` or `_addr` hold bare hosts; others whole addresses. */
function configured(key: string, value: Json, all: ReadonlyMap<string, Json>): readonly Address[] {
  if (typeof value !== "string") return []
  const [, stem] = /^(|.*_)host$/i.exec(key) ?? []
  if (stem !== undefined) return addressOf(value, Number(all.get(`${stem}port`) ?? 0))
  return /_addr$/i.test(key) ? addressOf(value, 6379) : addressesIn(value)
}

/** Of our own connectors, and of programs, which are listed as such. */
function staysHere(text: string, publicUrl: string): boolean {
  if (text.startsWith("stdio://")) return true
  const slug = slugOfUrl(text, publicUrl)
  return slug !== null && findAdapter(slug) !== undefined
}

/** All texts of the steps that call tools, in loops as well. A template leads where its input says: that cannot be listed. */
function textsOfCalls(value: Json): readonly string[] {
  if (Array.isArray(value)) return value.flatMap(textsOfCalls)
  if (!isJsonObject(value)) return []
  return value.type === "mcp_call" ? textsIn(value) : Object.values(value).flatMap(textsOfCalls)
}

function textsIn(value: Json | null): readonly string[] {
  if (typeof value === "string") return [value]
  if (Array.isArray(value)) return value.flatMap(textsIn)
  return isJsonObject(value) ? Object.values(value).flatMap(textsIn) : []
}
