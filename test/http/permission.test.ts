import { expect, test } from "bun:test"
import { pageOf } from "../../src/http/paging.ts"
import { type Role, roleAtLeast } from "../../src/http/permission.ts"

const ORDER: readonly Role[] = ["project_viewer", "project_contributor", "project_admin", "tenant_admin"]

test("a role is enough for itself and everything below it", () => {
  for (const [i, role] of ORDER.entries())
    for (const [j, needed] of ORDER.entries()) expect([role, needed, roleAtLeast(role, needed)]).toEqual([role, needed, i >= j])
})

test("a page is twenty from the start unless it says otherwise", () => {
  expect(pageOf({})).toEqual({ limit: 20, offset: 0 })
  expect(pageOf({ limit: 1, offset: 0 })).toEqual({ limit: 1, offset: 0 })
  expect(pageOf({ limit: 100, offset: 7 })).toEqual({ limit: 100, offset: 7 })
})
