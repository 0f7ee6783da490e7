import { isSet, issueAt, type Located } from "../../engine/checks.ts"
import type { Caller } from "../../http/permission.ts"
import type { Json } from "../../kernel/json.ts"
import { type PinnedTools, pinnedHash } from "../../storage/schema/workflows.ts"
import type { Binding, BindingCheck, Finding } from "./findings.ts"

const isToolCall = (at: Located) => at.step.type.type === "mcp_call"

/** Whether every call of a tool says where the tool is; null when no tool is called. */
export function checkBindings(steps: readonly Located[]): readonly Finding[] | null {
  const calls = steps.filter(isToolCall)
  if (calls.length === 0) return null
  return calls.flatMap(at => {
    const { server_url, instance_id, connection_resolution } = at.document
    const found: Finding[] = []
    if (!isSet(server_url) && !isSet(instance_id)) {
      const sentence = "the step does not say where its tool is; set server_url (portable) or instance_id"
      found.push(issueAt(at, ".server_url", "mcp_binding_missing", sentence))
    }
    if (connection_resolution === "principal") {
      const sentence = "this version knows no principals; the workspace's configuration is used"
      const severity = "warning"
      found.push(issueAt(at, ".connection_resolution", "mcp_connection_resolution_principal", sentence, { severity }))
    }
    return found
  })
}

/** Whether every call would find its instance, its tool, and arguments that the tool takes; null when no tool is called. */
export async function resolveBindings(
  steps: readonly Located[],
  caller: Caller,
  check: BindingCheck,
  pinned: PinnedTools | null,
): Promise<readonly Finding[] | null> {
  const calls = steps.filter(isToolCall)
  if (calls.length === 0) return null
  const problemsOf = check(caller)
  const found: Finding[] = []
  for (const at of calls) {
    const binding = bindingOf(at, pinned)
    if (!binding) continue
    for (const { place, code, message, severity, suggestion, blocks } of await problemsOf(binding)) {
      found.push({ ...issueAt(at, place, code, message, { severity, suggestion }), ...(blocks && { blocks }) })
    }
  }
  return found
}

/** Null when there is none, or it cannot be read: other checks tell that. */
function bindingOf({ document }: Located, pinnedTools: PinnedTools | null): Binding | null {
  const instanceId = text(document.instance_id)
  const serverUrl = text(document.server_url)
  const toolName = text(document.tool_name)
  const named = instanceId ?? serverUrl
  if (named === undefined || named.includes("{{")) return null
  const pinned = toolName === undefined || pinnedTools === null ? undefined : pinnedHash(pinnedTools, named, toolName)
  return {
    ...(pinned !== undefined && { pinned }),
    ...(instanceId !== undefined && { instanceId }),
    ...(serverUrl !== undefined && { serverUrl }),
    ...(toolName !== undefined && { toolName }),
    ...(document.tool_args !== undefined && { toolArgs: document.tool_args }),
  }
}

function text(value: Json | undefined): string | undefined {
  const trimmed = typeof value === "string" ? value.trim() : ""
  return trimmed === "" ? undefined : trimmed
}
