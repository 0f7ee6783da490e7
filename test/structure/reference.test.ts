import { expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { SETTINGS_FILE, settingsReference } from "../../dist-config/settings-reference.ts"
import { STEPS_FILE, stepsReference } from "../../dist-config/steps-reference.ts"

test("docs/settings.md is what the settings say (bun run dist-config/settings-reference.ts writes it)", () => {
  expect(readFileSync(SETTINGS_FILE, "utf8")).toBe(settingsReference())
})

test("docs/steps.md is what the step types say (bun run dist-config/steps-reference.ts writes it)", () => {
  expect(readFileSync(STEPS_FILE, "utf8")).toBe(stepsReference())
})
