import type { JsonObject } from "../kernel/json.ts"

export const WORKFLOW_NAME = "Seattle weather report"
export const INSTANCE_NAME = "weather"
export const AGENT_NAME = "Weather analyst"
/** It needs no key and no network, and says in each answer what it is. */
export const AGENT_MODEL = "local.builtin.echo-1"
export const AGENT_TOOLS = ["sqlite_query", "sqlite_list_tables"]

const MONTHS = `
  SELECT substr(date, 6, 2) AS month, round(avg(temp_max), 1) AS high, round(sum(precipitation), 1) AS rain,
         sum(weather = 'sun') AS sunny_days
  FROM weather WHERE substr(date, 1, 4) = ? GROUP BY month ORDER BY month`

const SUMMARISE = `
local rows = steps.months.result.rows
if rows == nil or #rows == 0 then error("there is no weather for " .. tostring(input.year)) end
local warmest, wettest, sun = rows[1], rows[1], 0
for _, row in ipairs(rows) do
  if row.high > warmest.high then warmest = row end
  if row.rain > wettest.rain then wettest = row end
  sun = sun + row.sunny_days
end
return {
  text = string.format(
    "Seattle %s: warmest month %s (%.1f °C on average), wettest month %s (%.1f mm), %d sunny days.",
    input.year, warmest.month, warmest.high, wettest.month, wettest.rain, sun),
  months = #rows,
}`

/** As the built-in model takes it: it calls the tool that is named, and tells what that said. */
const HOTTEST =
  "Which day of {{input.year}} was the hottest? Call sqlite_query with " +
  `{"sql":"SELECT date, temp_max FROM weather WHERE substr(date, 1, 4) = ? ORDER BY temp_max DESC LIMIT 1","args":["{{input.year}}"]}.`

/** query → Lua → agent with a tool → person → write. */
export function exampleGraph(instanceId: string, agentId: string): JsonObject {
  return {
    steps: [
      {
        id: "months",
        type: "mcp_call",
        name: "Read the months",
        instance_id: instanceId,
        tool_name: "sqlite_query",
        tool_args: { sql: MONTHS, args: ["{{input.year}}"] },
        timeout_s: 10,
        retry_count: 2,
      },
      { id: "summary", type: "lua_script", name: "Summarise", depends_on: ["months"], script: SUMMARISE },
      {
        id: "hottest",
        type: "agent_call",
        name: "Ask the analyst",
        depends_on: ["summary"],
        agent_id: agentId,
        prompt: HOTTEST,
        timeout_s: 60,
      },
      {
        id: "approve",
        type: "human_task",
        name: "Approve the report",
        depends_on: ["hottest"],
        task_type: "approval",
        task_payload: {
          title: "Store the report for {{input.year}}?",
          text: "{{steps.summary.result.text}}",
          analyst: "{{steps.hottest.result.message}}",
        },
      },
      {
        id: "store",
        type: "mcp_call",
        name: "Store the report",
        depends_on: ["approve"],
        condition: "{{steps.approve.result.approved}}",
        instance_id: instanceId,
        tool_name: "sqlite_execute",
        tool_args: {
          sql: "INSERT INTO reports (year, text) VALUES (?, ?)",
          args: ["{{input.year}}", "{{steps.approve.result.text | steps.summary.result.text}}"],
        },
      },
    ],
  }
}
