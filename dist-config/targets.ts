import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { repository } from "./repository.ts"

interface System {
  /** Bun's name for it. */
  readonly bun: Bun.Build.CompileTarget
  /** better-sqlite3's entry that holds this system's addon and no other. */
  readonly sqlite: string
  /** The npm package with this system's Bun, and what the package says it is for. */
  readonly npm: { readonly name: string; readonly os: string; readonly cpu: string }
}

/** The systems that an executable can be built for. */
export const TARGETS = {
  "linux-x64": system("bun-linux-x64", "linux-x64", "linux", "x64"),
  "linux-arm64": system("bun-linux-arm64", "linux-arm64", "linux", "arm64", "linux-aarch64"),
  "linux-x64-musl": system("bun-linux-x64-musl", "linuxmusl-x64", "linux", "x64"),
  "linux-arm64-musl": system("bun-linux-arm64-musl", "linuxmusl-arm64", "linux", "arm64", "linux-aarch64-musl"),
  "darwin-x64": system("bun-darwin-x64", "darwin-x64", "darwin", "x64"),
  "darwin-arm64": system("bun-darwin-arm64", "darwin-arm64", "darwin", "arm64", "darwin-aarch64"),
  "windows-x64": system("bun-windows-x64", "win32-x64", "win32", "x64"),
} as const satisfies Record<string, System>

export type Target = keyof typeof TARGETS

export const targetNames = Object.keys(TARGETS) as Target[] // keys of a literal: nothing else is in it

export function isTarget(name: string): name is Target {
  return name in TARGETS
}

/** The target that this machine runs. */
export function hostTarget(): Target {
  const os = process.platform === "win32" ? "windows" : process.platform
  const name = `${os}-${process.arch}${runsOnMusl() ? "-musl" : ""}`
  if (isTarget(name)) return name
  throw new Error(`There is no executable for ${name}. Choose one with --target: ${targetNames.join(", ")}.`)
}

/** A Bun for the target, of the version that is building; undefined when that is this very program. */
export function bunFor(target: Target): string | undefined {
  if (target === hostTarget()) return undefined
  const { name, os, cpu } = TARGETS[target].npm
  const folder = join(repository, ".cache", `bun-${Bun.version}`, target)
  const binary = join(folder, "node_modules", name, "bin", os === "win32" ? "bun.exe" : "bun")
  if (existsSync(binary)) return binary
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, "package.json"), '{"private":true}\n') // a project of its own: its parents' lockfile stays as it is
  const add = ["add", "--silent", "--no-save", "--ignore-scripts", `--os=${os}`, `--cpu=${cpu}`, `${name}@${Bun.version}`]
  const ran = Bun.spawnSync([process.execPath, ...add], { cwd: folder, stdout: "ignore", stderr: "inherit" })
  if (ran.success && existsSync(binary)) return binary
  throw new Error(`Bun ${Bun.version} for ${target} (${name}) could not be fetched. Check that the npm registry is reachable.`)
}

function system(bun: Bun.Build.CompileTarget, sqlite: string, os: string, cpu: string, npm = bun.replace("bun-", "")): System {
  return { bun, sqlite, npm: { name: `@oven/bun-${npm}`, os, cpu } }
}

/** Which C library this process runs on: an installed musl alone says nothing, Debian has it as a package. */
function runsOnMusl(): boolean {
  return process.platform === "linux" && /\/ld-musl-[^/\s]*\.so/.test(readFileSync("/proc/self/maps", "latin1"))
}
