import type { StepType } from "../../engine/step-type.ts"
import { LUA_SCRIPT_MAX_BYTES, LUA_TIMEOUT_DEFAULT_MS, LUA_TIMEOUT_MAX_MS } from "../../kernel/limits.ts"

export const luaScript: StepType = {
  type: "lua_script",
  title: "Lua script",
  description: "Runs Lua 5.4 in a sandbox; it sees input and steps, and returns a table.",
  runs: "outside",
  fields: {
    script: {
      type: "string",
      required: true,
      maxBytes: LUA_SCRIPT_MAX_BYTES,
      description: "The source. Templates are not applied to it.",
    },
  },
  timeoutDefaultMs: LUA_TIMEOUT_DEFAULT_MS,
  timeoutMaxMs: LUA_TIMEOUT_MAX_MS,
}
