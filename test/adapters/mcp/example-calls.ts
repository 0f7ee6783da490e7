import { expect } from "bun:test"
import { join } from "node:path"
import type { JsonObject } from "../../../src/kernel/json.ts"

/** Arguments for every tool of server-everything, and a piece of what each gives. */
export const EVERYTHING: readonly (readonly [tool: string, args: JsonObject, expected: unknown])[] = [
  ["echo", { message: "hello" }, { content: [{ type: "text", text: "Echo: hello" }] }],
  ["get-annotated-message", { messageType: "error", includeImage: true }, { content: [{ type: "text" }, { type: "image" }] }],
  ["get-env", {}, { content: [{ type: "text" }] }],
  ["get-resource-links", { count: 2 }, { content: [{ type: "text" }, { type: "resource_link" }, { type: "resource_link" }] }],
  ["get-resource-reference", { resourceType: "Blob", resourceId: 1 }, { content: [{}, { type: "resource" }, {}] }],
  ["get-structured-content", { location: "Chicago" }, { structuredContent: { conditions: expect.any(String) } }],
  ["get-sum", { a: 2, b: 3 }, { content: [{ text: expect.stringContaining("5") }] }],
  ["get-tiny-image", {}, { content: [{}, { type: "image", mimeType: "image/png" }, {}] }],
  ["gzip-file-as-resource", { data: "data:text/plain,hi", outputType: "resource" }, { content: [{ type: "resource" }] }],
  ["toggle-simulated-logging", {}, { isError: false }],
  ["toggle-subscriber-updates", {}, { isError: false }],
  ["trigger-long-running-operation", { duration: 0.3, steps: 3 }, { isError: false }],
  ["simulate-research-query", { topic: "rivers" }, { isError: false, content: [{ text: expect.stringContaining("rivers") }] }],
]

/** One after another, in a folder with a `picture.png`. */
export function filesystemCalls(folder: string): readonly (readonly [tool: string, args: JsonObject])[] {
  const at = (name: string) => join(folder, name)
  return [
    ["write_file", { path: at("a.txt"), content: "one\ntwo\n" }],
    ["read_file", { path: at("a.txt") }],
    ["read_text_file", { path: at("a.txt"), head: 1 }],
    ["read_media_file", { path: at("picture.png") }],
    ["read_multiple_files", { paths: [at("a.txt")] }],
    ["edit_file", { path: at("a.txt"), edits: [{ oldText: "two", newText: "three" }] }],
    ["create_directory", { path: at("d") }],
    ["list_directory", { path: folder }],
    ["list_directory_with_sizes", { path: folder }],
    ["directory_tree", { path: folder }],
    ["move_file", { source: at("a.txt"), destination: at("d/b.txt") }],
    ["search_files", { path: folder, pattern: "**/*.txt" }],
    ["get_file_info", { path: at("d/b.txt") }],
    ["list_allowed_directories", {}],
  ]
}

export const ADA = { name: "Ada", entityType: "person", observations: ["writes programs"] }

/** One after another. */
export const MEMORY: readonly (readonly [tool: string, args: JsonObject])[] = [
  ["create_entities", { entities: [ADA, { ...ADA, name: "Grace" }] }],
  ["create_relations", { relations: [{ from: "Ada", to: "Grace", relationType: "knows" }] }],
  ["add_observations", { observations: [{ entityName: "Ada", contents: ["likes tea"] }] }],
  ["read_graph", {}],
  ["search_nodes", { query: "tea" }],
  ["open_nodes", { names: ["Ada"] }],
  ["delete_observations", { deletions: [{ entityName: "Ada", observations: ["likes tea"] }] }],
  ["delete_relations", { relations: [{ from: "Ada", to: "Grace", relationType: "knows" }] }],
  ["delete_entities", { entityNames: ["Grace"] }],
]
