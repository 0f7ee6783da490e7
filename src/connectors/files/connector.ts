import { Type } from "typebox"
import type { Clock } from "../../kernel/clock.ts"
import type { Connector, Scope } from "../connector.ts"
import { PATH_MAX_CHARS, type Place } from "../file-root.ts"
import { createConnector, type ToolCall, ToolFailure, tool } from "../kit.ts"
import { bytesOf, contentOf } from "./content.ts"
import * as limits from "./limits.ts"
import { deleteFile, listFolder, probeRoot, readPart, writeWhole } from "./store.ts"
import { FolderUsage } from "./usage.ts"

export interface FilesConnectorDeps {
  /** The folder of a project's files, absolute. Made by the first write. */
  readonly rootOf: (scope: Scope) => string
  /** Further folders, absolute, that `files_root` of any project may name: the operator's to decide. */
  readonly allowedRoots: readonly string[]
  /** The runtime's own data directory: what is in it is refused, but for the project's own folder. */
  readonly forbiddenRoots: readonly string[]
  /** What a project's own folder may hold. */
  readonly maxProjectMb: number
}

const strict = { additionalProperties: false }
const path = Type.String({ minLength: 1, maxLength: PATH_MAX_CHARS, description: "From the root, such as reports/june.txt." })
const position = (description: string) =>
  Type.Optional(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description }))

/** Files of this machine under one folder per project (or one that the operator named). */
export function createFilesConnector(deps: FilesConnectorDeps & { readonly clock: Clock }): Connector {
  const usage = new FolderUsage(deps.clock, deps.maxProjectMb)
  const placeOf = ({ scope, config }: ToolCall): Place => ({
    defaultRoot: deps.rootOf(scope),
    configuredRoot: typeof config.files_root === "string" ? config.files_root : "",
    allowedRoots: deps.allowedRoots,
    forbiddenRoots: deps.forbiddenRoots,
  })

  const read = tool({
    name: "files_read",
    description: "Reads a file, or a part of it, as text or as base64.",
    input: Type.Object(
      {
        path,
        encoding: Type.Optional(
          Type.String({
            maxLength: 40,
            default: "auto",
            description: "auto (UTF-8 text, else base64), utf-8, base64, or another one such as windows-1252.",
          }),
        ),
        offset: position("Byte to begin at."),
        max_bytes: Type.Optional(
          Type.Integer({ minimum: 1, maximum: limits.READ_MAX_BYTES, default: limits.READ_DEFAULT_BYTES }),
        ),
      },
      strict,
    ),
    output: Type.Object({
      ...{
        path: Type.String(),
        content: Type.String(),
        encoding: Type.String(),
        size_bytes: Type.Integer(),
        modified_at: Type.String(),
      },
      ...{ offset: Type.Integer(), bytes_read: Type.Integer(), truncated: Type.Boolean() },
      next_offset: Type.Union([Type.Integer(), Type.Null()], { description: "Where the rest begins." }),
    }),
    hints: "reads",
    async run({ path: wanted, encoding = "auto", offset = 0, max_bytes = limits.READ_DEFAULT_BYTES }, call) {
      const { bytes, sizeBytes, modifiedAt, path: found } = await readPart(placeOf(call), wanted, offset, max_bytes)
      const { content, encoding: used, bytes: taken } = contentOf(bytes, encoding, offset + bytes.length >= sizeBytes)
      if (Buffer.byteLength(JSON.stringify(content)) > limits.CONTENT_MAX_BYTES)
        throw new ToolFailure("so much of this file does not fit into a step's result; ask for less (max_bytes), or for base64")
      const end = offset + taken
      const truncated = end < sizeBytes
      const about = { path: found, encoding: used, size_bytes: sizeBytes, modified_at: modifiedAt.toISOString() }
      return { ...about, content, offset, bytes_read: taken, truncated, next_offset: truncated ? end : null }
    },
  })

  const write = tool({
    name: "files_write",
    description: "Writes a file; its folders are made. Replaced whole or not at all. Needs files_allow_write.",
    input: Type.Object(
      {
        path,
        content: Type.String({ maxLength: limits.WRITE_MAX_CHARS }),
        encoding: Type.Optional(Type.Enum(["utf-8", "base64"], { default: "utf-8", description: "What content is." })),
        mode: Type.Optional(
          Type.Enum(["create", "overwrite", "append"], {
            default: "create",
            description: "create refuses a file that is there. append adds again when its step is tried again.",
          }),
        ),
      },
      strict,
    ),
    output: Type.Object({
      ...{ path: Type.String(), size_bytes: Type.Integer(), bytes_written: Type.Integer(), created: Type.Boolean() },
    }),
    hints: "destroys",
    async run({ path: wanted, content, encoding = "utf-8", mode = "create" }, call) {
      requireWrite(call, "files_write")
      const bytes = bytesOf(content, encoding)
      const written = await writeWhole(placeOf(call), wanted, bytes, mode, usage)
      return { path: written.path, size_bytes: written.sizeBytes, bytes_written: bytes.length, created: written.created }
    },
  })

  const list = tool({
    name: "files_list",
    description: "Lists a folder by name, with all below it when recursive. Links are named and not followed.",
    input: Type.Object(
      {
        path: Type.Optional(
          Type.String({ maxLength: PATH_MAX_CHARS, default: "", description: "Folder, from the root. Default: the root." }),
        ),
        recursive: Type.Optional(Type.Boolean({ default: false })),
        pattern: Type.Optional(
          Type.String({
            minLength: 1,
            maxLength: limits.PATTERN_MAX_CHARS,
            description: "Only paths (from the root) that match, such as **/*.csv.",
          }),
        ),
        limit: Type.Optional(Type.Integer({ minimum: 1, maximum: limits.LIST_MAX, default: limits.LIST_DEFAULT })),
      },
      strict,
    ),
    output: Type.Object({
      path: Type.String(),
      entries: Type.Array(
        Type.Object({ path: Type.String(), type: Type.String(), size_bytes: Type.Integer(), modified_at: Type.String() }),
      ),
      count: Type.Integer(),
      truncated: Type.Boolean({ description: "There is more than the limits let through." }),
    }),
    hints: "reads",
    async run({ path: wanted = "", recursive = false, pattern, limit = limits.LIST_DEFAULT }, call) {
      const glob = pattern === undefined ? null : new Bun.Glob(pattern)
      const walk = { recursive, limit, matches: (one: string) => glob?.match(one) ?? true }
      const found = await listFolder(placeOf(call), wanted, walk)
      return { ...found, entries: found.entries.map(entry => ({ ...entry })), count: found.entries.length }
    },
  })

  const remove = tool({
    name: "files_delete",
    description: "Deletes a file; no folder. Needs files_allow_write.",
    input: Type.Object({ path }, strict),
    output: Type.Object({ path: Type.String(), deleted: Type.Boolean() }),
    hints: "destroys",
    async run({ path: wanted }, call) {
      requireWrite(call, "files_delete")
      return { path: await deleteFile(placeOf(call), wanted, usage), deleted: true }
    },
  })

  return createConnector({ slug: "files", tools: [read, write, list, remove], probe: call => probeRoot(placeOf(call)) })
}

function requireWrite({ config }: ToolCall, name: string): void {
  if (config.files_allow_write === true) return
  throw new ToolFailure(`${name} writes, and files_allow_write is not switched on in the configuration of this instance`)
}
