import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { ConfigError, flagOf, readConfig, SETTINGS, type SettingKey, variableOf } from "../src/config.ts"

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "agentruntime-config-"))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

interface Sources {
  readonly flags?: Record<string, unknown>
  readonly environment?: Record<string, string | undefined>
  readonly toml?: string
}

function read({ flags = {}, environment = {}, toml }: Sources) {
  if (toml !== undefined) writeFileSync(join(folder, "agentruntime.toml"), toml)
  return readConfig({ flags: { data: folder, ...flags }, environment })
}

function problems(sources: Sources): readonly string[] {
  try {
    read(sources)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  return []
}

describe("where a setting comes from", () => {
  test("a flag goes before the environment, that before the file, that before the default", () => {
    const toml = "port = 1111"
    const environment = { AGENTRUNTIME_PORT: "2222" }
    const flags = { port: "3333" }
    expect(read({}).port).toBe(8420)
    expect(read({ toml }).port).toBe(1111)
    expect(read({ toml, environment }).port).toBe(2222)
    expect(read({ toml, environment, flags }).port).toBe(3333)
    expect(read({ toml, flags }).port).toBe(3333)
  })

  test("each setting is looked up alone", () => {
    const config = read({
      toml: 'port = 1111\nhost = "10.0.0.1"\n[log]\nlevel = "debug"',
      environment: { AGENTRUNTIME_HOST: "10.0.0.2" },
      flags: { "log.level": "warn" },
    })
    expect(config).toMatchObject({ port: 1111, host: "10.0.0.2", "log.level": "warn" })
  })

  test("a bad value is not saved by a good one below it", () => {
    expect(problems({ toml: "port = 1111", flags: { port: "many" } })).toEqual([
      '--port must be a whole number from 0 to 65535, but is "many"',
    ])
  })

  test("a good value above a bad one is enough", () => {
    expect(read({ toml: 'port = "many"', flags: { port: "1" } }).port).toBe(1)
  })

  test("the result cannot be changed", () => {
    expect(Object.isFrozen(read({}))).toBe(true)
  })

  test("other variables are nobody's business", () => {
    expect(problems({ environment: { PATH: "/bin", PORT: "x", AGENT_RUNTIME_PORT: "x", AGENTRUNTIMEX: "1" } })).toEqual([])
    expect(read({ environment: { AGENTRUNTIME_PORT: undefined } }).port).toBe(8420)
  })
})

describe("one name everywhere", () => {
  test("file key, flag and variable follow from each other", () => {
    expect(flagOf("log.level")).toBe("--log-level")
    expect(flagOf("runs.drain_limit_s")).toBe("--runs-drain-limit-s")
    expect(variableOf("runs.drain_limit_s")).toBe("AGENTRUNTIME_RUNS_DRAIN_LIMIT_S")
    const keys = Object.keys(SETTINGS)
    expect(new Set(keys.map(flagOf)).size).toBe(keys.length)
    expect(new Set(keys.map(variableOf)).size).toBe(keys.length)
  })

  test("every setting says what it is and what it takes, and takes its own default", () => {
    for (const [key, setting] of Object.entries(SETTINGS)) {
      expect({ key, described: setting.description.length > 10, expected: setting.expected.length > 0 }).toEqual({
        key,
        described: true,
        expected: true,
      })
      if (setting.default !== "") expect(setting.read(setting.default as never)).toEqual(setting.default as never)
    }
  })

  test("every setting can be given in all three ways", () => {
    const good: Record<SettingKey, readonly [text: string, toml: string, value: unknown]> = {
      data: [folder, "", folder],
      host: ["0.0.0.0", '"0.0.0.0"', "0.0.0.0"],
      port: ["0", "0", 0],
      public_url: ["https://a.example/", '"https://a.example/"', "https://a.example"],
      "log.level": ["error", '"error"', "error"],
      "auth.open_registration": ["true", "true", true],
      "auth.trust_proxy": ["yes", "true", true],
      "runs.drain_limit_s": ["1", "1", 1],
      "runs.stall_limit_s": ["1", "1", 1],
      "scheduler.enabled": ["no", "false", false],
      "scheduler.keep_fires_days": ["7", "7", 7],
      "sqlite.roots": ["/a, /b", '["/a", "/b"]', [resolve("/a"), resolve("/b")]],
      "sqlite.max_database_mb": ["64", "64", 64],
      "files.roots": ["/a, /b", '["/a", "/b"]', [resolve("/a"), resolve("/b")]],
      "files.max_project_mb": ["64", "64", 64],
      "mcp.env_allow": ["CRM_KEY, OTHER", '["CRM_KEY", "OTHER"]', ["CRM_KEY", "OTHER"]],
      sealed: ["true", "true", true],
      "egress.keep_days": ["30", "30", 30],
      "mcp.stdio": [
        '{"files": {"command": ["/bin/files", "--ro"], "env": {"A": "b"}, "projects": ["acme"]}}',
        '{ files = { command = ["/bin/files", "--ro"], env = { A = "b" }, projects = ["acme"] } }',
        [
          {
            name: "files",
            command: ["/bin/files", "--ro"],
            env: { A: "b" },
            cwd: null,
            description: "",
            projects: ["acme"],
          },
        ],
      ],
      "egress.allow": [
        "ollama.lan, 10.0.0.0/8",
        '["ollama.lan", "10.0.0.0/8"]',
        [
          { kind: "name", host: "ollama.lan", port: null },
          { kind: "network", address: "10.0.0.0", prefix: 8, family: "ipv4", port: null },
        ],
      ],
      "llm.keys": [
        '{"openai": "sk-1", "box": {"vendor": "local", "base_url": "http://10.0.0.2:8080/v1"}}',
        '{ openai = "sk-1", box = { vendor = "local", base_url = "http://10.0.0.2:8080/v1" } }',
        [
          { vendor: "openai", label: "openai", apiKey: "sk-1", baseUrl: null, options: {} },
          { vendor: "local", label: "box", apiKey: null, baseUrl: "http://10.0.0.2:8080/v1", options: {} },
        ],
      ],
      "google.client_id": ["id", '"id"', "id"],
      "google.client_secret": ["secret", '"secret"', "secret"],
      "google.issuer": ["https://id.example/", '"https://id.example/"', "https://id.example"],
      "google.scopes": [
        "gmail=a b, google-tasks=c",
        '{ gmail = ["a", "b"], google-tasks = "c" }',
        { gmail: ["a", "b"], "google-tasks": ["c"] },
      ],
      "whatsapp.app_id": ["1", '"1"', "1"],
      "whatsapp.app_secret": ["secret", '"secret"', "secret"],
      "whatsapp.config_id": ["2", '"2"', "2"],
      "whatsapp.graph_url": ["https://graph.example/", '"https://graph.example/"', "https://graph.example"],
      "whatsapp.graph_version": ["v21.0", '"v21.0"', "v21.0"],
      "lua.children": ["64", "64", 64],
      "inbound_webhooks.enabled": ["no", "false", false],
      "inbound_webhooks.rate_per_minute": ["120", "120", 120],
      "inbound_webhooks.keep_days": ["14", "14", 14],
      "inbound_webhooks.keep_parked_days": ["90", "90", 90],
      "agents.enabled": ["false", "false", false],
      "artifacts.keep_days": ["7", "7", 7],
      "recordings.keep_days": ["7", "7", 7],
      "shutdown.grace_s": ["0", "0", 0],
    }
    expect(Object.keys(good).sort()).toEqual(Object.keys(SETTINGS).sort())
    for (const [name, [text, toml, value]] of Object.entries(good)) {
      const key = name as SettingKey
      expect({ key, ...{ flag: read({ flags: { [key]: text } })[key] } }).toEqual({ key, flag: value } as never)
      expect({ key, ...{ env: read({ environment: { [variableOf(key)]: text } })[key] } }).toEqual({ key, env: value } as never)
      if (toml) expect({ key, file: read({ toml: `${key} = ${toml}` })[key] }).toEqual({ key, file: value } as never)
      rmSync(join(folder, "agentruntime.toml"), { force: true })
    }
  })
})

test("what outgoing requests may reach is named by host, host and port, or network", () => {
  const given = "Tools.Example., tools.example:8080, 10.1.2.3, 10.1.2.3:81, 10.0.0.0/8, ::1, [::1]:80, [fd00::1], fd00::/8"
  const network = (address: string, prefix: number, family: string, port: number | null = null) => {
    return { kind: "network", address, prefix, family, port }
  }
  expect(read({ flags: { "egress.allow": given } })["egress.allow"]).toEqual([
    { kind: "name", host: "tools.example", port: null },
    { kind: "name", host: "tools.example", port: 8080 },
    network("10.1.2.3", 32, "ipv4"),
    network("10.1.2.3", 32, "ipv4", 81),
    network("10.0.0.0", 8, "ipv4"),
    network("::1", 128, "ipv6"),
    network("::1", 128, "ipv6", 80),
    network("fd00::1", 128, "ipv6"),
    network("fd00::", 8, "ipv6"),
  ] as never)
})

describe("the file", () => {
  test("takes tables and dotted keys for the same", () => {
    for (const toml of ['[log]\nlevel = "warn"', 'log.level = "warn"', '"log.level" = "warn"', 'log = { level = "warn" }'])
      expect(read({ toml })["log.level"]).toBe("warn")
    const config = read({ toml: "[runs]\ndrain_limit_s = 5\n[auth]\nopen_registration = true\ntrust_proxy = false" })
    expect(config).toMatchObject({ "runs.drain_limit_s": 5, "auth.open_registration": true, "auth.trust_proxy": false })
  })

  test("is taken from --config, else from AGENTRUNTIME_CONFIG, else from the data directory", () => {
    const [one, two] = [join(folder, "one.toml"), join(folder, "two.toml")]
    writeFileSync(one, "port = 1")
    writeFileSync(two, "port = 2")
    expect(read({ toml: "port = 3" }).port).toBe(3)
    expect(read({ environment: { AGENTRUNTIME_CONFIG: two } }).port).toBe(2)
    expect(read({ flags: { config: one }, environment: { AGENTRUNTIME_CONFIG: two } }).port).toBe(1)
  })

  test("in a data directory that only the environment names is found, too", () => {
    writeFileSync(join(folder, "agentruntime.toml"), "port = 9")
    expect(readConfig({ flags: {}, environment: { AGENTRUNTIME_DATA: folder } }).port).toBe(9)
  })

  test("that is named must be there; in the data directory it need not", () => {
    const missing = join(folder, "missing.toml")
    expect(problems({ flags: { config: missing } })).toEqual([`the configuration file ${missing} does not exist`])
    expect(problems({})).toEqual([])
  })

  test("that is no TOML is named", () => {
    const [problem] = problems({ toml: "port = = 1" })
    expect(problem).toStartWith(`the configuration file ${join(folder, "agentruntime.toml")} is not valid TOML`)
  })
})

describe("bad settings", () => {
  test("are all told at once, each by its name, what it must be, and what it is", () => {
    const found = problems({
      toml: '[runs]\ndrain_limit_s = "long"\n[auth]\ntrust_proxy = 7\n[lua]\nchildren = 0',
      environment: { AGENTRUNTIME_PUBLIC_URL: "ftp://x", AGENTRUNTIME_LOG_LEVEL: "loud" },
      flags: { port: "65536", "auth.open_registration": "maybe" },
    })
    expect([...found].sort()).toEqual(
      [
        '--port must be a whole number from 0 to 65535, but is "65536"',
        '--auth-open-registration must be true or false, but is "maybe"',
        'AGENTRUNTIME_LOG_LEVEL must be one of debug, info, warn, error, but is "loud"',
        'AGENTRUNTIME_PUBLIC_URL must be an address such as https://agents.example.com, but is "ftp://x"',
        'runs.drain_limit_s in the configuration file must be a whole number from 1 to 86400, but is "long"',
        "auth.trust_proxy in the configuration file must be true or false, but is 7",
        "lua.children in the configuration file must be a whole number from 1 to 64, but is 0",
      ].sort(),
    )
  })

  test("are in the error's message, one a line", () => {
    expect(() => read({ flags: { port: "x", host: "" } })).toThrow(/^bad settings:\n {2}--\w+ must be .*\n {2}--\w+ must be .*$/)
  })

  test("that nobody knows are refused with what there is", () => {
    const [variable] = problems({ environment: { AGENTRUNTIME_PROT: "1" } })
    expect(variable).toStartWith("AGENTRUNTIME_PROT is not a setting; known are AGENTRUNTIME_DATA, ")
    const found = problems({ toml: "prot = 1\n[log]\nlevels = 2\n[nested.deep]\nx = 1" })
    expect(found.map(p => p.split(" ")[0])).toEqual(["prot", "log.levels", "nested.deep.x"])
    for (const problem of found) expect(problem).toContain("is not a setting; known are data, host, port")
  })

  test("of a list name the entry that is wrong", () => {
    expect(problems({ flags: { "egress.allow": "a.example, *.example.com, 10.0.0.0/8" } })).toEqual([
      '--egress-allow must be a list of host, host:port or CIDR, but has the entry " *.example.com"',
    ])
    expect(problems({ toml: 'egress.allow = ["a.example", 7]' })).toEqual([
      "egress.allow in the configuration file must be a list of host, host:port or CIDR, but has the entry 7",
    ])
  })

  test("do not hide each other: an unknown one and a bad one are both told", () => {
    expect(problems({ toml: "prot = 1\nport = -1" })).toHaveLength(2)
  })

  test.each([
    ["port", "1.5"],
    ["port", "-1"],
    ["port", " 1"],
    ["port", "1e3"],
    ["port", "0x10"],
    ["port", ""],
    ["host", ""],
    ["data", ""],
    ["log.level", "INFO"],
    ["public_url", "agents.example.com"],
    ["public_url", "javascript:alert(1)"],
    ["auth.trust_proxy", ""],
    ["auth.trust_proxy", "constructor"],
    ["auth.trust_proxy", "__proto__"],
    ["sqlite.roots", "/a,,/b"],
    ["mcp.env_allow", "CRM-KEY"],
    ["egress.allow", ""],
    ["egress.allow", "a.example,,b.example"],
    ["egress.allow", "*.example.com"],
    ["egress.allow", "https://a.example"],
    ["egress.allow", "a.example/path"],
    ["egress.allow", "a.example:0"],
    ["egress.allow", "a.example:65536"],
    ["egress.allow", "me@a.example"],
    ["egress.allow", "10.0.0.0/33"],
    ["egress.allow", "10.0.0/8"],
    ["egress.allow", "::1/129"],
    ["egress.allow", "[a.example]:80"],
    ["egress.allow", "0x7f.1"],
    ["egress.allow", "127.1"],
    ["egress.allow", "a b.example"],
  ])("%s = %j", (key, value) => {
    expect(problems({ flags: { [key]: value } })).toHaveLength(1)
  })

  test.each([
    ["port", "1.5"],
    ["port", "true"],
    ["host", "7"],
    ["auth.trust_proxy", '["true"]'],
    ["sqlite.roots", "[1]"],
    ["log.level", '["info"]'],
    ["port", "{ x = 1 }"],
    ["port", "{}"],
    ["constructor", "1"],
    ["auth.trust_proxy", "1"],
    ["public_url", "2026-01-01"],
  ])("%s = %s in the file", (key, value) => {
    const found = problems({ toml: `${key} = ${value}` })
    expect(found).toHaveLength(1)
    expect(found[0]).toStartWith(key)
  })
})
