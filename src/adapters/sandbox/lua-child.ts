import type { JsonObject } from "../../kernel/json.ts"
import { LUA_CHILD_MEMORY_MAX_BYTES, LUA_MEMORY_MAX_BYTES } from "../../kernel/limits.ts"
import { serveJobs } from "./child-loop.ts"
import { LuaMachine } from "./lua-machine.ts"

/** One line from the server; see lua.ts. */
export type LuaRequest =
  | { readonly verb: "run"; readonly script: string; readonly globals: JsonObject }
  | { readonly verb: "check"; readonly script: string }

/** The sandbox child for Lua: one machine, one script at a time. */
export function serveLua(): void {
  const machine = new LuaMachine(LUA_MEMORY_MAX_BYTES)
  machine.run("return {}", {}) // the first run compiles the interpreter's paths
  serveJobs(request => {
    const json = answer(machine, request as LuaRequest)
    return { json, spent: machine.memoryBytes > LUA_MEMORY_MAX_BYTES / 2 }
  }, LUA_CHILD_MEMORY_MAX_BYTES)
}

function answer(machine: LuaMachine, request: LuaRequest): string {
  switch (request.verb) {
    case "run": {
      const outcome = machine.run(request.script, request.globals)
      return outcome.ok ? `{"ok":true,"value":${outcome.value}}` : JSON.stringify(outcome)
    }
    case "check":
      return JSON.stringify(machine.check(request.script))
  }
}
