import { describe, expect, test } from "bun:test"
import { CATALOG, canonicalUrl, findAdapter, slugOfUrl } from "../../src/connectors/catalog.ts"
import { APPENDIX } from "./appendix.ts"

interface Documented {
  readonly slug: string
  readonly tools: readonly string[]
  readonly config: string
}

const documented: readonly Documented[] = APPENDIX.trim()
  .split("\n")
  .map(line => {
    const [, slug, tools, config] = line.split("|").map(cell => cell.trim())
    return {
      slug: slug!.replaceAll("`", ""),
      tools: tools!.startsWith("(none registered") ? [] : tools!.split(", "),
      config: config!,
    }
  })

/** The key words of the Appendix's last column, e.g. `mysql_port=3306` or `APIKey*`. */
function keyWords(config: string): readonly string[] {
  if (config === "Google connection") return []
  return config
    .replace(/\((tokens from|no credentials|mock|recommended)[^)]*\)/g, "")
    .split(/\s+/)
    .filter(word => word !== "" && word !== "none")
}

describe("the catalog", () => {
  test("has exactly the forty documented adapters, in order", () => {
    const ofTheContract = CATALOG.filter(a => !a.selfHostedOnly)
    expect(ofTheContract.map(a => a.slug)).toEqual(documented.map(d => d.slug))
    expect(ofTheContract).toHaveLength(40)
  })

  test("marks those that only this runtime has", () => {
    expect(CATALOG.filter(a => a.selfHostedOnly).map(a => a.slug)).toEqual(["http", "files", "time"])
  })

  test("names every tool to the letter", () => {
    for (const { slug, tools } of documented) expect([slug, findAdapter(slug)?.toolNames]).toEqual([slug, tools])
  })

  test("names every configuration key to the letter, with what is required and what is the default", () => {
    for (const { slug, config } of documented) {
      const words = Object.entries(findAdapter(slug)!.configSchema).map(
        ([key, field]) => `${key}${field.required ? "*" : ""}${field.default === undefined ? "" : `=${field.default}`}`,
      )
      expect([slug, words]).toEqual([slug, [...keyWords(config)]])
    }
  })

  test("says of each what it is: generally there, preview, or a placeholder", () => {
    const status = (wanted: string) => CATALOG.filter(a => a.status === wanted).map(a => a.slug)
    expect(status("preview")).toEqual(["healthcare"])
    expect(status("placeholder")).toEqual(["slack"])
    expect(status("ga")).toHaveLength(41)
  })

  test("marks what is a credential, and nothing of SQLite, RSS or healthcare is one", () => {
    const secrets = CATALOG.flatMap(a => Object.keys(a.configSchema).filter(key => a.configSchema[key]?.secret))
    for (const key of ["APIKey", "APIToken", "postgres_dsn", "mongodb_uri", "mysql_password", "access_token", "ClientSecret"]) {
      expect(secrets).toContain(key)
    }
    for (const slug of ["sqlite", "rss", "healthcare"]) {
      expect(Object.values(findAdapter(slug)!.configSchema).some(field => field.secret)).toBe(false)
    }
  })

  test("types follow the defaults", () => {
    expect(findAdapter("sqlite")?.configSchema.sqlite_allow_write).toEqual({
      type: "boolean",
      displayName: "Sqlite allow write",
      description: "Whether sqlite_execute and sqlite_execute_sql may change anything.",
      required: false,
      default: false,
    })
    expect(findAdapter("brave")?.configSchema.APIKey).toEqual({
      type: "string",
      displayName: "API Key",
      required: true,
      secret: true,
    })
    expect(findAdapter("wrike")?.configSchema.HTTPTimeout?.type).toBe("number")
  })
})

describe("an address of an adapter", () => {
  test("is its canonical one or this instance's own, with or without a slash at the end", () => {
    const own = "https://runtime.example.com/base/"
    for (const address of [
      canonicalUrl("sqlite"),
      "https://router.agentruntime.io/sqlite/mcp/",
      "HTTPS://Router.AgentRuntime.IO/sqlite/mcp",
      "https://runtime.example.com/base/mcp/sqlite",
      "https://runtime.example.com:443/base/mcp/sqlite/",
    ]) {
      expect([address, slugOfUrl(address, own)]).toEqual([address, "sqlite"])
    }
  })

  test("is nothing else", () => {
    for (const address of [
      "",
      "sqlite",
      "https://router.agentruntime.io/sqlite",
      "https://router.agentruntime.io/a/sqlite/mcp",
      "https://router.agentruntime.io.evil.example/sqlite/mcp",
      "https://user@router.agentruntime.io/sqlite/mcp",
      "https://router.agentruntime.io/sqlite/mcp?x=1",
      "http://127.0.0.1:8421/mcp/sqlite",
      "http://127.0.0.1:8420/mcp/",
      "http://127.0.0.1:8420/mcp/a/b",
    ]) {
      expect([address, slugOfUrl(address, "http://127.0.0.1:8420")]).toEqual([address, null])
    }
  })
})
