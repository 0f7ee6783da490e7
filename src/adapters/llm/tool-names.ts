import type { ModelTool } from "./llm.ts"

/** What every vendor takes for the name of a tool. */
const TAKEN = /^[A-Za-z_][A-Za-z0-9_-]{0,63}$/

/** Names of tools as they go over the wire, and back. */
export interface ToolNames {
  wire(name: string): string
  /** Null: no tool of the request is called so. */
  own(wire: string): string | null
}

/** A name that some vendor would refuse, e.g. with a dot or too long, gets another, the same in each request with these tools. */
export function toolNames(tools: readonly ModelTool[]): ToolNames {
  const own = new Map(tools.filter(tool => TAKEN.test(tool.name)).map(tool => [tool.name, tool.name]))
  const wire = new Map<string, string>()
  for (const { name } of tools) {
    if (TAKEN.test(name)) continue
    const plain = fitted(name)
    let taken = plain
    for (let n = 2; own.has(taken); n++) taken = `${plain.slice(0, 60)}_${n}`
    own.set(taken, name)
    wire.set(name, taken)
  }
  return { wire: name => wire.get(name) ?? fitted(name), own: name => own.get(name) ?? null }
}

function fitted(name: string): string {
  if (TAKEN.test(name)) return name
  const plain = name.replaceAll(/[^A-Za-z0-9_-]/g, "_").slice(0, 64)
  return /^[A-Za-z_]/.test(plain) ? plain : `_${plain.slice(0, 63)}`
}
