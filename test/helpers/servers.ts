import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { findDatabaseServers } from "../../dist-config/database-servers.ts"
import { freePort } from "./free-port.ts"

/** Real database servers for tests: in a temporary folder, on a free port, gone when the test process is gone. */
export interface Server {
  readonly port: number
  /** A certificate of `db.example.com`, trusted by nobody else; of servers that have one. */
  readonly ca: string
  /** Ends it at once, as a crash would. */
  kill(): Promise<void>
  stop(): Promise<void>
}

export const PASSWORD = "s3cret/pass+word"

const binaries = findDatabaseServers()
const unprivileged = process.getuid?.() === 0

/** Why a server cannot be started here, printed for the test script; null: it can. */
export function lacking(server: "postgres" | "mariadbd" | "redis"): string | null {
  if (binaries[server] !== null && process.platform === "linux") return null
  const why = `${server} is not installed, and is installed by the test script on Debian-like Linux as root alone`
  console.log(`skipped: ${why}`)
  return why
}

/** Superuser `postgres` and role `app`, both with PASSWORD, by SCRAM over TCP; encrypted connections are possible. */
export async function startPostgres(): Promise<Server> {
  const bin = binaries.postgres ?? ""
  const folder = temporaryFolder()
  const data = join(folder, "data")
  writeFileSync(join(folder, "password"), PASSWORD)
  const ca = await certificate(folder)
  const port = await freePort()
  if (unprivileged) run(["chown", "-R", "postgres:", folder])
  const initdb = [join(bin, "initdb"), "-D", data, "-U", "postgres", `--pwfile=${join(folder, "password")}`]
  run(asPostgres([...initdb, "-A", "scram-sha-256", "-E", "UTF8", "--no-locale", "--no-sync"]))
  const settings = {
    fsync: "off",
    port,
    listen_addresses: "127.0.0.1",
    unix_socket_directories: folder,
    max_connections: 60,
    shared_buffers: "16MB",
  }
  const tls = { ssl: "on", ssl_cert_file: join(folder, "cert.pem"), ssl_key_file: join(folder, "key.pem") }
  const more = { timezone: "America/St_Johns", datestyle: "German", max_prepared_transactions: 5 }
  const flags = Object.entries({ ...settings, ...tls, ...more }).flatMap(([key, value]) => ["-c", `${key}=${value}`])
  return await start(folder, port, asPostgres([join(bin, "postgres"), "-D", data, ...flags]), { ca, signal: "INT" })
}

/** Users `root` and `app`, both with PASSWORD, database `test`. */
export async function startMariadb(): Promise<Server> {
  const folder = temporaryFolder()
  const data = join(folder, "data")
  const ca = await certificate(folder)
  const port = await freePort()
  const me = unprivileged ? ["--user=root"] : []
  run([
    binaries.mariadbInstall ?? "",
    "--no-defaults",
    ...me,
    `--datadir=${data}`,
    "--auth-root-authentication-method=normal",
    "--skip-test-db",
  ])
  const init = join(folder, "init.sql")
  writeFileSync(
    init,
    [
      `CREATE DATABASE IF NOT EXISTS test`,
      `CREATE OR REPLACE USER 'root'@'127.0.0.1' IDENTIFIED BY '${PASSWORD}'`,
      `GRANT ALL ON *.* TO 'root'@'127.0.0.1' WITH GRANT OPTION`,
      `CREATE OR REPLACE USER 'app'@'127.0.0.1' IDENTIFIED BY '${PASSWORD}'`,
      `GRANT ALL ON test.* TO 'app'@'127.0.0.1'`,
      `GRANT PROCESS ON *.* TO 'app'@'127.0.0.1'`,
      "",
    ].join(";\n"),
  )
  const tls = [`--ssl-cert=${join(folder, "cert.pem")}`, `--ssl-key=${join(folder, "key.pem")}`]
  const speed = ["--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=16M", "--skip-log-bin", "--skip-name-resolve"]
  const place = [`--datadir=${data}`, `--port=${port}`, "--bind-address=127.0.0.1", `--socket=${join(folder, "s")}`]
  const command = [binaries.mariadbd ?? "", "--no-defaults", ...me, ...place, ...tls, ...speed, `--init-file=${init}`]
  const more = ["--default-time-zone=+05:30", "--max-connections=60", "--plugin-load-add=auth_ed25519"]
  return await start(folder, port, [...command, ...more], { ca, signal: "TERM" })
}

/** User `default` with PASSWORD. With TLS, on `tlsPort`. */
export async function startRedis(): Promise<Server & { readonly tlsPort: number }> {
  const folder = temporaryFolder()
  const ca = await certificate(folder)
  const port = await freePort()
  const tlsPort = await freePort()
  const tls = [
    "--tls-port",
    String(tlsPort),
    "--tls-cert-file",
    join(folder, "cert.pem"),
    "--tls-key-file",
    join(folder, "key.pem"),
  ]
  const place = ["--port", String(port), "--bind", "127.0.0.1", "--dir", folder, "--save", "", "--appendonly", "no"]
  const command = [binaries.redis ?? "", ...place, ...tls, "--tls-auth-clients", "no", "--requirepass", PASSWORD]
  return { ...(await start(folder, port, command, { ca, signal: "TERM" })), tlsPort }
}

/**
 * The shell lives as long as the pipe from this process: however the tests end, it then ends the server and removes the
 * folder.
 */
const WATCH = `
folder=$1; signal=$2; shift 2
"$@" >"$folder/log" 2>&1 </dev/null &
pid=$!
trap '' INT TERM HUP
read -r line
kill -"\${line:-$signal}" $pid 2>/dev/null
( sleep 5; kill -KILL $pid ) >/dev/null 2>&1 </dev/null &
guard=$!
wait $pid
kill $guard 2>/dev/null
rm -rf "$folder"
`

async function start(
  folder: string,
  port: number,
  command: readonly string[],
  { ca, signal }: { readonly ca: string; readonly signal: string },
): Promise<Server> {
  const child = Bun.spawn(["sh", "-c", WATCH, "sh", folder, signal, ...command], {
    stdin: "pipe",
    stdout: "ignore",
    stderr: "ignore",
  })
  child.unref()
  const end = async (line: string) => {
    if (child.exitCode === null) {
      child.stdin.write(`${line}\n`)
      child.stdin.end()
    }
    await child.exited
    rmSync(folder, { recursive: true, force: true })
  }
  await answering(join(folder, "log"))
  return { port, ca, kill: () => end("KILL"), stop: () => end("") }
}

/** All three say so when they take connections, in their logs. */
async function answering(log: string): Promise<void> {
  const until = Date.now() + 60_000
  for (;;) {
    const text = (await Bun.file(log).exists()) ? await Bun.file(log).text() : ""
    if (/ready (to accept|for) connections/i.test(text)) return
    if (Date.now() > until) throw new Error(`the server did not start: ${text}`)
    await Bun.sleep(25)
  }
}

/** Root may not run PostgreSQL; its package made a user for that. */
function asPostgres(command: readonly string[]): readonly string[] {
  return unprivileged ? ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", ...command] : command
}

function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), "agentruntime-db-"))
}

function run(command: readonly string[]): void {
  const { exitCode, stdout, stderr } = Bun.spawnSync([...command], { cwd: tmpdir(), stdin: "ignore" })
  if (exitCode !== 0) throw new Error(`${command[0]} failed: ${stdout}${stderr}`)
}

async function certificate(folder: string): Promise<string> {
  const subject = ["-subj", "/CN=db.example.com", "-addext", "subjectAltName=DNS:db.example.com"]
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", join(folder, "key.pem")]
  run(["openssl", "req", "-x509", ...key, ...subject, "-days", "2", "-out", join(folder, "cert.pem")])
  return await Bun.file(join(folder, "cert.pem")).text()
}

/** How our connectors reach these servers. */
export function configurationsOf(ports: { readonly postgres: number; readonly mariadb: number; readonly redis: number }) {
  return {
    postgres: { postgres_dsn: `postgres://postgres:${encodeURIComponent(PASSWORD)}@127.0.0.1:${ports.postgres}/postgres` },
    mysql: {
      ...{ mysql_host: "127.0.0.1", mysql_port: ports.mariadb, mysql_database: "test", mysql_user: "app" },
      mysql_password: PASSWORD,
    },
    redis: { redis_addr: `127.0.0.1:${ports.redis}`, redis_password: PASSWORD },
  }
}
