// Writes docs/settings.md from the settings in src/config.ts: `bun run dist-config/settings-reference.ts`.
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { flagOf, SETTINGS, variableOf } from "../src/config.ts"
import { repository } from "./repository.ts"

export const SETTINGS_FILE = join(repository, "docs", "settings.md")

export function settingsReference(): string {
  const rows = Object.entries(SETTINGS).map(([key, setting]) => {
    const value = key === "data" ? "./agentruntime-data" : String(setting.default)
    const shown = "defaultShown" in setting ? setting.defaultShown : value === "" ? "" : `\`${value}\``
    return `| \`${key}\` | ${shown} | ${setting.expected} | ${setting.description} |`
  })
  const example = "log.level"
  return `# Settings

Made from the program: do not edit. Each can be given in \`agentruntime.toml\` (\`${example}\`), as a flag
(\`${flagOf(example)}\`) and in the environment (\`${variableOf(example)}\`); the command line wins, then the environment.
The file is \`agentruntime.toml\` in the data directory, or the one named by \`--config\` or \`AGENTRUNTIME_CONFIG\`.

| key | default | value | what it does |
|---|---|---|---|
${rows.join("\n")}
`
}

if (import.meta.main) writeFileSync(SETTINGS_FILE, settingsReference())
