import { expect, test } from "bun:test"
import { createStdioServers } from "../../../src/modules/mcp/stdio-servers.ts"

const PROJECT = "0f0e0d0c-0b0a-4908-8706-050403020100"
const PROGRAM = { name: "notes", command: ["notes"], env: {}, cwd: null, description: "", projects: ["acme", PROJECT] } as const
const programs = createStdioServers({ declared: [PROGRAM], baseEnv: {} })
const seen = (tenantId: string, projectId: string) => programs.find({ tenantId, projectId }, "stdio://notes") !== null

test("a program is for the workspaces and projects that are named, and for no workspace that calls itself like such a project", () => {
  expect([seen("acme", "p1"), seen("globex", PROJECT), seen("globex", "p1"), seen(PROJECT, "p1")]).toEqual([
    true,
    true,
    false,
    false,
  ])
})
