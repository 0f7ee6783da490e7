import { isJsonObject, type Json } from "./json.ts"

/** Shorter ones would blot out words that merely look like them. */
const SECRET_MIN_CHARS = 4
const MASK = "***"

/** Takes secrets out of what others say, in every form that they are likely to be echoed in. */
export interface Mask {
  text(text: string): string
  /** Strings and keys at any depth. */
  json(value: Json): Json
}

/** `also`: what looks like a secret, whichever it is. */
export function createMask(secrets: readonly string[], also?: RegExp): Mask {
  const forms = [...new Set(secrets.filter(secret => secret.length >= SECRET_MIN_CHARS).flatMap(formsOf))]
  if (forms.length === 0 && also === undefined) return { text: text => text, json: value => value }
  // The longest first: one form may begin with another.
  const longestFirst = forms
    .toSorted((a, b) => b.length - a.length)
    .map(form => form.replaceAll(/[^A-Za-z0-9]/g, String.raw`\$&`))
  const pattern = new RegExp([...longestFirst, ...(also ? [also.source] : [])].join("|"), "g")
  const text = (given: string) => given.replaceAll(pattern, MASK)
  const json = (value: Json): Json => {
    if (typeof value === "string") return text(value)
    if (Array.isArray(value)) return value.map(json)
    if (!isJsonObject(value)) return value
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [text(key), json(item)]))
  }
  return { text, json }
}

/** One text without these secrets. */
export function masked(text: string, secrets: readonly string[]): string {
  return createMask(secrets).text(text)
}

function formsOf(secret: string): string[] {
  const bytes = new TextEncoder().encode(secret)
  const hex = [...bytes].map(byte => byte.toString(16).padStart(2, "0")).join("")
  const url = percentEncoded(bytes, /[A-Za-z0-9\-_.!~*'()]/)
  const form = percentEncoded(bytes, /[A-Za-z0-9\-_.*]/).replaceAll("%20", "+")
  return [
    secret,
    JSON.stringify(secret).slice(1, -1),
    ...[url, form].flatMap(text => [text, text.replaceAll(/%../g, code => code.toLowerCase())]),
    hex,
    hex.toUpperCase(),
    ...[0, 1, 2].flatMap(before => base64Forms(bytes, before)),
  ].filter(form => form.length >= SECRET_MIN_CHARS)
}

/** Unlike `encodeURIComponent` it takes every text, half a surrogate pair included. */
function percentEncoded(bytes: Uint8Array, plain: RegExp): string {
  const one = (byte: number) => {
    const character = String.fromCharCode(byte)
    return plain.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`
  }
  return [...bytes].map(one).join("")
}

/** The secret within longer base64, `before` bytes (modulo 3) behind its beginning: the characters that it alone decides. */
function base64Forms(bytes: Uint8Array, before: number): string[] {
  const whole = btoa(String.fromCharCode(...new Uint8Array(before), ...bytes))
  const from = Math.ceil((before * 8) / 6)
  const inside = whole.slice(from, Math.floor(((before + bytes.length) * 8) / 6))
  return [inside, inside.replaceAll("+", "-").replaceAll("/", "_")]
}
