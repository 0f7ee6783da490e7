import { isJsonObject, type Json, type JsonObject, textOf } from "../../../kernel/json.ts"

/**
 * What a prompt holds that can be an argument: each quoted text, address and number is taken once, in the order in which they
 * are written. What is named (`city: "Rome"`, `count = 3`) is found by its name, whatever its place.
 */
export class Found {
  private readonly quoted: string[]
  private readonly numbers: number[]
  private readonly addresses: string[]

  constructor(private readonly text: string) {
    this.addresses = (
      text.match(/\bhttps?:\/\/[^\s"'`<>)]+|[\w.+-]+@[\w-]+\.[\w.]+|(?<![\w:])\.{0,2}\/[\w./-]+|\b[\w-]+\.[a-z]{1,5}\b/g) ?? []
    ).map(trimmed)
    this.quoted = [...text.matchAll(/"([^"]*)"|'([^'\n]{1,300})'(?!\w)|`([^`]*)`/g)].map(hit => hit[1] ?? hit[2] ?? hit[3] ?? "")
    const bare = text.replaceAll(/"[^"]*"|`[^`]*`|\bhttps?:\S+/g, " ")
    this.numbers = (bare.match(/(?<![\w.])-?\d+(?:\.\d+)?(?![\w])/g) ?? []).map(Number)
  }

  /** What `name` is said to be: `name: value`, `name = value`, `"name": value`, `name is value`. */
  named(name: string, schema: JsonObject): Json | undefined {
    const spoken = name.replaceAll(/[^A-Za-z0-9]+/g, "[\\s_-]?")
    if (spoken === "" || name.length > 100) return undefined
    const hit = this.text.match(
      new RegExp(
        String.raw`(?:^|[^\w])["'\`]?${spoken}["'\`]?\s*(?::|=|\bis\b|\bto be\b)\s*("[^"]*"|\`[^\`]*\`|'[^'\n]*'|[^\s,;]+)`,
        "i",
      ),
    )
    return hit?.[1] === undefined ? undefined : this.as(hit[1].replace(/^(["'`])(.*)\1$/s, "$2"), schema)
  }

  /** The next thing of this kind that nobody took yet. */
  next(name: string, schema: JsonObject): Json | undefined {
    switch (kindOf(schema)) {
      case "number":
      case "integer":
        return this.numbers.shift()
      case "boolean":
        return /\b(false|no|not)\b/i.test(this.text) ? false : /\b(true|yes)\b/i.test(this.text) ? true : undefined
      case "string":
        return this.nextText(name, schema)
      case "array": {
        const items = isJsonObject(schema.items) ? schema.items : {}
        const list: Json[] = []
        for (let one = this.next(name, items); one !== undefined && list.length < 20; one = this.next("", items)) list.push(one)
        return list.length === 0 ? undefined : list
      }
      default:
        return undefined
    }
  }

  private nextText(name: string, schema: JsonObject): string | undefined {
    const one = Array.isArray(schema.enum) ? schema.enum.find(value => typeof value === "string" && this.says(value)) : undefined
    if (schema.enum !== undefined) return textOf(one) || undefined
    const isAddress = /ur[il]|path|file|folder|dir|mail|host|domain|link|address/i.test(`${name} ${textOf(schema.format)}`)
    return (isAddress ? this.addresses.shift() : undefined) ?? this.quoted.shift()
  }

  private says(word: string): boolean {
    return this.text.toLowerCase().includes(word.toLowerCase())
  }

  private as(text: string, schema: JsonObject): Json | undefined {
    const bare = text.replace(/[.,;:!?)]+$/, "")
    switch (kindOf(schema)) {
      case "number":
      case "integer":
        return bare !== "" && Number.isFinite(Number(bare)) ? Number(bare) : undefined
      case "boolean":
        return /^(true|yes|on)$/i.test(bare) ? true : /^(false|no|off)$/i.test(bare) ? false : undefined
      case "string":
        return Array.isArray(schema.enum) ? schema.enum.find(value => textOf(value).toLowerCase() === bare.toLowerCase()) : bare
      default:
        return undefined
    }
  }
}

export function kindOf(schema: JsonObject): string {
  const kinds = Array.isArray(schema.type) ? schema.type : [schema.type]
  const kind = kinds.find(one => typeof one === "string" && one !== "null")
  if (typeof kind === "string") return kind
  if (isJsonObject(schema.properties)) return "object"
  return schema.items === undefined ? "string" : "array"
}

function trimmed(address: string): string {
  return address.replace(/[.,;:!?]+$/, "")
}
