import { Command, CommanderError } from "commander"
import { type Config, ConfigError, flagOf, processEnvironment, readConfig, SETTINGS, type SettingKey } from "../config.ts"
import { AppError, messageOf } from "../kernel/errors.ts"
import { sqliteCode } from "../storage/sqlite/errors.ts"
import { airgap } from "./airgap.ts"
import { doctor } from "./doctor.ts"
import { type InitOptions, init } from "./init.ts"
import { EXIT_STORAGE } from "./instance.ts"
import { migrate } from "./migrate.ts"
import { rotateKey } from "./rotate-key.ts"
import { serve } from "./serve.ts"
import { signInLink } from "./sign-in-link.ts"
import { VERSION, version } from "./version.ts"

const EXIT_USAGE = 2
const ALL_SCOPES = "workflow:read,workflow:run,mcp:execute,mcp:read,mcp:write"

/** Runs one verb; resolves with the exit code: 0 done, 1 refused with a sentence, 2 wrong use or bad settings. */
export async function runProgram(args: readonly string[]): Promise<number> {
  let code = 0
  const program = new Command("agentruntime")
    .description("Runtime for production AI agents: one executable, every step recorded and resumable.")
    .version(VERSION)
    .exitOverride()

  withSettings(program.command("serve").description("serve the API (also sets up an empty data directory)"))
    .option("--example", "load the example workflow and run it, printing each event")
    .action(async options => {
      code = await serve(configOf(options), options)
    })

  withSettings(program.command("init").description("make workspace, project, admin and token unattended; idempotent"))
    .requiredOption("--email <email>", "sign-in name of the admin")
    .option("--password-stdin", "read the admin's password from standard input")
    .option("--workspace <slug>", "workspace", "default")
    .option("--project <slug>", "project", "default")
    .option("--pat-scopes <scopes>", "scopes of the token, comma-separated", ALL_SCOPES)
    .option("--json", "print one line of JSON")
    .action(async options => {
      code = await init(configOf(options), options as InitOptions)
    })

  withSettings(program.command("migrate").description("bring the database up to date without serving")).action(async options => {
    code = await migrate(configOf(options))
  })

  withSettings(
    program
      .command("sign-in-link")
      .description("make a one-time link that sets an admin's e-mail and password; stop the server first"),
  )
    .option("--workspace <slug>", "workspace; needed only when there are several")
    .action(async options => {
      code = await signInLink(configOf(options), options)
    })

  withSettings(program.command("rotate-key").description("replace the master key; stop the server first")).action(
    async options => {
      code = await rotateKey(configOf(options))
    },
  )

  withSettings(program.command("doctor").description("check whether the instance can run here, and say what to do if not"))
    .option("--json", "print one line of JSON")
    .option("--airgap", "list what the instance would reach, and fail unless it is sealed and all of that is allowed")
    .action(async options => {
      code = await (options.airgap ? airgap : doctor)(configOf(options), options)
    })

  program
    .command("version")
    .description("print versions")
    .option("--json", "print one line of JSON")
    .action(options => {
      code = version(options)
    })

  try {
    await program.parseAsync([...args], { from: "user" })
    return code
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE
    if (error instanceof ConfigError) return fail(error.message, EXIT_USAGE)
    if (error instanceof AppError) return fail(error.message, 1)
    const code = sqliteCode(error)
    if (code !== undefined) return fail(storageSentence(code, messageOf(error)), EXIT_STORAGE)
    throw error
  }
}

/** Every setting as a flag; what was not given is left to environment, file and default. */
function withSettings(command: Command): Command {
  for (const [key, setting] of Object.entries(SETTINGS)) {
    const said = "defaultShown" in setting ? setting.defaultShown : String(setting.default)
    const value = key === "data" ? "./agentruntime-data" : said
    const shown = value === "" ? "" : ` (default: ${value})`
    // A switch is on when it is named alone: `--sealed`.
    const form = typeof setting.default === "boolean" ? "[value]" : "<value>"
    command.option(`${flagOf(key)} ${form}`, setting.description + shown)
  }
  return command.option("--config <path>", "configuration file (TOML); default: agentruntime.toml in the data directory")
}

function configOf(options: Readonly<Record<string, unknown>>): Config {
  const flags: Record<string, unknown> = {}
  for (const key of [...Object.keys(SETTINGS), "config"] as (SettingKey | "config")[]) {
    const camel = key.replaceAll(/[._](.)/g, (_, letter: string) => letter.toUpperCase())
    if (options[camel] !== undefined) flags[key] = options[camel]
  }
  return readConfig({ flags, environment: processEnvironment() })
}

function storageSentence(code: string, message: string): string {
  if (code === "SQLITE_FULL") return "the disk is full; free some space in the data directory and start again"
  const todo =
    "look at the disk, then restore the newest copy of agentruntime.db (backups/ in the data directory has those made before upgrades)"
  return `the database cannot be used (${code}: ${message}); ${todo}`
}

function fail(sentence: string, code: number): number {
  console.error(`agentruntime: ${sentence}`)
  return code
}
