import { expect, test } from "bun:test"
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs"
import { join, sep } from "node:path"
import { importProblems } from "./import-rules.ts"
import { type Source, source } from "./source.ts"
import { textProblems } from "./text-rules.ts"

const repository = join(import.meta.dir, "../..")
const FOLDERS = ["src", "test", "dist-config", "bench", "docs", "example", "migrations", ".ci"]
const READABLE = /\.(tsx?|mjs|js|json|css|html|md|sql|toml|ya?ml|service|sh|lua)$|(^|\/)(Dockerfile|run|LICENSE)$/

const files = [...readdirSync(repository).filter(name => READABLE.test(name)), ...FOLDERS.flatMap(below)].map(path =>
  source(path, readFileSync(join(repository, path), "utf8")),
)
const program = files.filter(({ path }) => /^src\/.*\.tsx?$/.test(path))

test("every import line of src/ keeps to the picture: who may import whom", () => {
  expect(program.flatMap(importProblems)).toEqual([])
})

test("every file keeps to the rules for names, sizes, clocks, environment, printing and requests", () => {
  expect(files.flatMap(textProblems)).toEqual([])
})

test("the lockfile names no registry: everyone installs from their own", () => {
  expect(read("bun.lock").match(/\w+:\/\/[^"\s]*/g)).toBeNull()
})

test("every dependency is pinned to one version", () => {
  const { dependencies, devDependencies } = JSON.parse(read("package.json"))
  const loose = Object.entries({ ...dependencies, ...devDependencies }).filter(
    ([, version]) => !/^\d+\.\d+\.\d+/.test(String(version)),
  )
  expect(loose).toEqual([])
})

test("the Bun that npm fetches is the Bun that the types are for", () => {
  const { devDependencies } = JSON.parse(read("package.json"))
  expect(read("dist-config/with-bun.mjs")).toContain(`BUN_VERSION = "${devDependencies["@types/bun"]}"`)
})

function below(folder: string): string[] {
  if (!existsSync(join(repository, folder))) return []
  const names = readdirSync(join(repository, folder), { recursive: true, encoding: "utf8" }).map(name => join(folder, name))
  return names
    .filter(name => READABLE.test(name) && statSync(join(repository, name)).isFile())
    .map(name => name.split(sep).join("/"))
}

function read(path: Source["path"]): string {
  return readFileSync(join(repository, path), "utf8")
}
