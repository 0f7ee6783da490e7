import { describe, expect, test } from "bun:test"
import { importProblems } from "./import-rules.ts"
import { importsOf, source } from "./source.ts"
import { textProblems } from "./text-rules.ts"

describe("an import line", () => {
  const cases: readonly [name: string, text: string, specifiers: readonly string[]][] = [
    ["a default import", 'import a from "x"', ["x"]],
    ["a named import over several lines", 'import {\n  a,\n  b as c,\n} from "x"', ["x"]],
    ["a namespace import", 'import * as a from "x"', ["x"]],
    ["an import for its effect", 'import "x"', ["x"]],
    ["a type import", 'import type { A } from "x"', ["type x"]],
    ["a default import called type", 'import type from "x"', ["x"]],
    ["an inline type, which still loads the module", 'import { type A } from "x"', ["x"]],
    ["a re-export", 'export { a } from "x"\nexport * from "y"', ["x", "y"]],
    ["a type re-export", 'export type { A } from "x"', ["type x"]],
    ["a dynamic import", 'const a = await import("x")', ["x"]],
    ["a type written as an import", 'let a: import("x").A', ["x"]],
    ["a require", 'const a = require("x")', ["x"]],
    ["an export before a type import", 'export { a }\nimport type { B } from "x"', ["type x"]],
    ["an import attribute", 'import a from "x" with { type: "file" }', ["x"]],
    ["no space at all", 'import{a}from"x"', ["x"]],
    ["one in a comment, which is none", '// import a from "x"\n/* import "y" */', []],
    ["one in a string, which is none", "const a = 'import b from \"x\"'", []],
    ["one in a template, which is none", 'const a = `import b from "x"`', []],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the source under test is a template
    ["one in a template's expression", 'const a = `${await import("x")} ${`{${1}`}`\nimport "y"', ["y", "x"]],
    ["one after a regular expression with a quote", 'const a = /["/]/\nimport "x"', ["x"]],
    ["one after a division", 'const a = b / 2 // "\nimport "x"', ["x"]],
    ["one after an apostrophe of a page", '<p>don\'t</p>\nimport "x"', ["x"]],
    ["an exported string, which is none", 'export const from = "x"\nexport type A = "y"', []],
    ["import.meta, which is none", 'join(import.meta.dir, "x")', []],
  ]
  test.each(cases)("%s is seen", (_name, text, specifiers) => {
    const seen = importsOf(source("src/app.ts", text)).map(one => (one.typeOnly ? `type ${one.specifier}` : one.specifier))
    expect(seen).toEqual([...specifiers])
  })
})

describe("an import that the picture forbids is found", () => {
  each([
    ["src/kernel/a.ts", 'import type { A } from "../engine/a.ts"', "kernel may import nothing"],
    ["src/kernel/a.ts", 'import { join } from "node:path"', "kernel imports no packages"],
    ["src/engine/a.ts", 'import { a } from "../runtime/a.ts"', "engine may import kernel"],
    ["src/engine/a.ts", 'import { croner } from "croner"', "engine imports no packages"],
    ["src/engine/a.ts", 'import a from "../../package.json"', "Outside src/"],
    ["src/runtime/a.ts", 'export * from "../storage/a.ts"', "runtime may import kernel, engine"],
    ["src/runtime/loops/a.ts", 'import { a } from "../../modules/runs/service.ts"', "runtime may import kernel, engine"],
    ["src/storage/a.ts", 'import type { A } from "../runtime/runs.ts"', "storage may import kernel, engine, runtime/ports.ts"],
    ["src/adapters/vault/a.ts", 'import type { A } from "../../engine/a.ts"', "adapters may import kernel"],
    ["src/http/a.ts", 'const a = import("../modules/runs/routes.ts")', "http may import kernel"],
    ["src/connectors/x/a.ts", 'import { a } from "../../steps/a.ts"', "connectors may import kernel, adapters"],
    ["src/steps/x/a.ts", 'import { a } from "../../storage/a.ts"', "steps may import kernel"],
    ["src/modules/runs/a.ts", 'import { a } from "../tasks/service.ts"', "by `import type` only"],
    ["src/modules/runs/a.ts", 'import { type A } from "../tasks/service.ts"', "by `import type` only"],
    ["src/modules/runs/a.ts", 'import type { App } from "../../app.ts"', "modules may import"],
    ["src/console/a.ts", 'import { api } from "../api.ts"', "by `import type` only"],
    ["src/console/a.ts", 'import { a } from "../http/a.ts"', "console may import kernel, engine"],
    ["src/utils.ts", "", "no place called utils.ts"],
    ["src/app.ts", 'import { a } from "../dist-config/build.ts"', "Outside src/"],
    ["src/modules/runs/service.ts", 'import { eq } from "drizzle-orm"', "SQL stays in storage/"],
    ["src/steps/x/execute.ts", 'import Database from "better-sqlite3"', "SQL stays in storage/"],
    ["src/connectors/x/a.ts", 'import Database from "better-sqlite3/linux-x64"', "SQL stays in storage/"],
    ["src/http/a.ts", 'import { Database } from "bun:sqlite"', "SQL stays in storage/"],
    ["src/cli/a.ts", 'import pg from "pg"', "SQL stays in storage/"],
    ["src/connectors/postgres/a.ts", 'import mysql from "mysql2"', "serves the connector mysql alone"],
    ["src/steps/x/a.ts", 'import { Redis } from "ioredis"', "serves the connector redis alone"],
    ["src/modules/runs/service.ts", 'import type { Context } from "elysia"', "Elysia stays in http/"],
    ["src/runtime/a.ts", 'import { openapi } from "@elysiajs/openapi"', "Elysia stays in http/"],
    ["src/modules/runs/routes.ts", 'import { treaty } from "@elysiajs/eden"', "belongs to the Console"],
    ["src/adapters/mail/a.ts", 'import { request } from "node:https"', "go through adapters/egress"],
    ["src/steps/x/a.ts", 'import { env } from "node:process"', "read in config.ts only"],
  ])((path, text, sentence) => {
    expect(importProblems(source(path, text)).join("\n")).toContain(sentence)
  })
})

describe("an import that the picture allows is left alone", () => {
  each([
    ["src/engine/a.ts", 'import { a } from "../kernel/a.ts"\nimport { b } from "./b.ts"'],
    ["src/storage/sqlite/a.ts", 'import Database from "better-sqlite3"\nimport type { Journal } from "../../runtime/ports.ts"'],
    ["src/modules/runs/store.ts", 'import { eq } from "drizzle-orm"\nimport { a } from "./service.ts"'],
    ["src/modules/runs/routes.ts", 'import { t } from "elysia"\nimport type { Tasks } from "../tasks/service.ts"'],
    ["src/connectors/sqlite/a.ts", 'import Database from "better-sqlite3"'],
    ["src/connectors/postgres/a.ts", 'import Client from "pg/lib/client.js"'],
    ["src/console/api.ts", 'import { treaty } from "@elysiajs/eden"\nimport type { Api } from "../api.ts"'],
    ["src/adapters/egress/a.ts", 'import { request } from "node:https"'],
    ["src/http/a.ts", 'import type { IncomingMessage } from "node:http"'],
    ["src/modules/llm/service.ts", 'import prices from "../../../assets/prices.json"'],
    ["src/cli/serve.ts", 'import { app } from "../app.ts"\nimport { a } from "../storage/a.ts"'],
  ])((path, text) => {
    expect(importProblems(source(path, text))).toEqual([])
  })
})

describe("a text that the rules forbid is found", () => {
  const home = ["", "home", "ann", "x"].join("/")
  each([
    ["src/engine/a.ts", "const now = Date.now()", "no clock"],
    ["src/kernel/a.ts", "const now = new Date()", "no clock"],
    ["src/engine/a.ts", "const id = Math.random()", "no randomness"],
    ["src/engine/a.ts", "async function a() {}", "synchronous"],
    ["src/engine/a.ts", "const a = () => Promise.resolve(1)", "synchronous"],
    ["src/kernel/a.ts", "if (process.platform) {}", "know no process"],
    ["src/runtime/a.ts", "const a = process.env.HOME", "config.ts only"],
    ["src/cli/a.ts", "const a = Bun.env.HOME", "config.ts only"],
    ["src/runtime/a.ts", "const { env } = process", "config.ts only"],
    ["src/runtime/a.ts", 'console.log("x")', "Only cli/ and main.ts print"],
    ["src/steps/a.ts", "await fetch(url)", "adapters/egress"],
    ["src/steps/a.ts", "const get = globalThis.fetch", "adapters/egress"],
    ["src/steps/a.ts", "const a = b ? fetch(url) : c", "adapters/egress"],
    ["src/app.ts", "const sql = new Bun.SQL(url)", "SQL stays"],
    ["docs/a.md", `see ${"TO"}DO list`, "Do it now"],
    ["src/app.ts", `const a = 1 // FIX${"ME"}`, "Do it now"],
    ["docs/a.md", `put it in ${home}`, "A path of one machine"],
    ["dist-config/a.ts", `const a = "${home}"`, "A path of one machine"],
    ["test/a.test.ts", 'test.only("x", () => {})', "Every test runs"],
    ["test/a.test.ts", 'describe.skip("x", () => {})', "Every test runs"],
    ["src/runtime/a.ts", "x\n".repeat(501), "501 lines"],
    ["src/runtime/utils.ts", "", "says nothing"],
    ["src/http/types/a.ts", "", "says nothing"],
  ])((path, text, sentence) => {
    expect(textProblems(source(path, text)).join("\n")).toContain(sentence)
  })
})

describe("a text that only looks forbidden is left alone", () => {
  each([
    ["src/engine/a.ts", "// Date.now() is an argument here; async work is a command\nconst a = new Date(ms)"],
    ["src/engine/a.ts", 'const kinds = ["async", "process.env"]\nconst a = { async: true }'],
    ["src/config.ts", "const a = process.env.HOME"],
    ["src/cli/a.ts", 'console.log("x")'],
    ["src/http/a.ts", "Bun.serve({ fetch(request) { return app.handle(request) } })"],
    ["src/http/a.ts", "interface Server {\n  fetch(request: Request): Promise<Response>\n}"],
    ["src/steps/a.ts", "await egress.fetch(url)"],
    ["src/adapters/egress/a.ts", "await fetch(url)"],
    ["src/cli/a.ts", 'const embedded = "/$bunfs/root/assets"\nconst url = "https://example.com/home/page"'],
    ["test/a.test.ts", 'test.skipIf(!psql)("x (needs psql)", () => {})'],
    ["src/runtime/a.ts", "x\n".repeat(500)],
    ["src/modules/runs/typescript.ts", ""],
  ])((path, text) => {
    expect(textProblems(source(path, text))).toEqual([])
  })
})

/** One test for each case, named by its path and the first line of its text. */
function each(cases: readonly (readonly [path: string, text: string, sentence?: string])[]) {
  return (check: (path: string, text: string, sentence: string) => void) => {
    for (const [path, text, sentence = ""] of cases) {
      test(`${path}: ${text.split("\n")[0]}`, () => check(path, text, sentence))
    }
  }
}
