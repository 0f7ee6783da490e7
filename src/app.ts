import { join } from "node:path"
import { Elysia } from "elysia"
import type { Logger } from "pino"
import { createCron } from "./adapters/cron/croner.ts"
import { createEgress } from "./adapters/egress/egress.ts"
import { lazily } from "./adapters/lazily.ts"
import { createModels } from "./adapters/llm/models.ts"
import { createMcpClients } from "./adapters/mcp/clients.ts"
import { createChildPool } from "./adapters/sandbox/child-pool.ts"
import { createLuaSandbox } from "./adapters/sandbox/lua.ts"
import { selfCommand } from "./adapters/sandbox/self.ts"
import { createMetrics } from "./adapters/telemetry/metrics.ts"
import { openVault } from "./adapters/vault/open.ts"
import { api } from "./api.ts"
import { type Config, childEnvironment, defaultChildren, environmentOf, stdioEnvironment } from "./config.ts"
import { createConnectors } from "./connectors/registry.ts"
import { FEED_CHILD_MEMORY_MAX_BYTES, FEEDS_WAITING_MAX } from "./connectors/rss/limits.ts"
import { WAITING_MAX } from "./connectors/sqlite/limits.ts"
import { createGate } from "./http/gate.ts"
import { openApi } from "./http/openapi.ts"
import { createEdge, SERVE } from "./http/server.ts"
import { newToken } from "./http/tokens.ts"
import type { Clock } from "./kernel/clock.ts"
import { AppError, messageOf } from "./kernel/errors.ts"
import type { Ids } from "./kernel/ids.ts"
import { LEASE_RENEW_MS, SQLITE_CHILD_MEMORY_MAX_BYTES } from "./kernel/limits.ts"
import { AgentService } from "./modules/agents/service.ts"
import { createAgentStore } from "./modules/agents/store.ts"
import { AlertService } from "./modules/alerts/service.ts"
import { createAlertStore } from "./modules/alerts/store.ts"
import { ArtifactService } from "./modules/artifacts/service.ts"
import { createArtifactStore } from "./modules/artifacts/store.ts"
import { Access } from "./modules/auth/access.ts"
import { Actors } from "./modules/auth/actors.ts"
import { createAuthorizer } from "./modules/auth/authorizer.ts"
import { Origins } from "./modules/auth/origins.ts"
import { createPasswords } from "./modules/auth/password.ts"
import { AuthService } from "./modules/auth/service.ts"
import { AuthStore } from "./modules/auth/store.ts"
import { CallbackSecrets } from "./modules/callbacks/secrets.ts"
import { createCallbackSender } from "./modules/callbacks/sender.ts"
import { CallbackService } from "./modules/callbacks/service.ts"
import { CallbackStore } from "./modules/callbacks/store.ts"
import { googleClient, whatsAppClient } from "./modules/connections/clients.ts"
import { createConnections } from "./modules/connections/open.ts"
import { AttemptLog } from "./modules/egress/attempt-log.ts"
import { EgressService } from "./modules/egress/service.ts"
import { createEgressAttemptStore } from "./modules/egress/store.ts"
import { createInboundWebhooks } from "./modules/inbound-webhooks/module.ts"
import { openLlm } from "./modules/llm/open.ts"
import { createBindingCheck } from "./modules/mcp/binding-check.ts"
import { openMcpServers } from "./modules/mcp/open.ts"
import { createServedTools } from "./modules/mcp/served-tools.ts"
import { createMcpService, type McpService } from "./modules/mcp/service.ts"
import { PatService } from "./modules/pats/service.ts"
import { PatStore } from "./modules/pats/store.ts"
import { createRecorder, RecordingService } from "./modules/recordings/service.ts"
import { createRecordingStore } from "./modules/recordings/store.ts"
import { ReplayService } from "./modules/replay/service.ts"
import { createChildStart } from "./modules/runs/child-start.ts"
import { RunCommands } from "./modules/runs/command.ts"
import { uuidOf } from "./modules/runs/derived-id.ts"
import { RunService } from "./modules/runs/service.ts"
import { RunStarts } from "./modules/runs/start.ts"
import { createRunStore } from "./modules/runs/store.ts"
import { EventStreams } from "./modules/runs/stream.ts"
import { TaskService } from "./modules/tasks/service.ts"
import { createTaskStore } from "./modules/tasks/store.ts"
import { TenantService } from "./modules/tenants/service.ts"
import { TenantStore } from "./modules/tenants/store.ts"
import { createTriggers } from "./modules/triggers/open.ts"
import { DryRun } from "./modules/workflows/dry-run.ts"
import { WorkflowService } from "./modules/workflows/service.ts"
import { createWorkflowStore } from "./modules/workflows/store.ts"
import { EventFeed } from "./runtime/feed.ts"
import { createLeadership } from "./runtime/loops/leadership.ts"
import { createLease } from "./runtime/loops/lease.ts"
import { type Loop, startLoop } from "./runtime/loops/loop.ts"
import { createWake } from "./runtime/loops/wake.ts"
import { JournalFull, RunLost, type StepExecutor } from "./runtime/ports.ts"
import { Runs } from "./runtime/runs.ts"
import { Worker } from "./runtime/worker.ts"
import { createAgentCallExecutor } from "./steps/agent_call/execute.ts"
import { createLlmCallExecutor } from "./steps/llm_call/execute.ts"
import { createLuaExecutor } from "./steps/lua_script/execute.ts"
import { createMcpCallExecutor } from "./steps/mcp_call/execute.ts"
import { stepTypes } from "./steps/registry.ts"
import { createWorkflowCallExecutor } from "./steps/workflow_call/execute.ts"
import { Blobs } from "./storage/blobs.ts"
import { type DataDirectory, freeBytes, watchFiles } from "./storage/data-directory.ts"
import { type Database, StorageFull } from "./storage/database.ts"
import { createJournal } from "./storage/journal.ts"
import { createLeases } from "./storage/leases.ts"
import { VaultStore } from "./storage/vault-store.ts"

/** How often due runs are looked for; an indexed query of some microseconds. */
const WAKE_EVERY_MS = 250
/** How often parked deliveries that can be tried again are looked for. */
const DELIVERIES_EVERY_MS = 2_000
const CALLBACKS_EVERY_MS = 500
const SWEEP_EVERY_MS = 3_600_000
const GUARD_EVERY_MS = 2_000
/** How often schedules and platform events are looked for. */
const FIRE_EVERY_MS = 250
const RECONCILE_EVERY_MS = 60_000
/** How often access tokens that run out soon are looked for. */
const TOKENS_EVERY_MS = 15_000
/** Often enough that two rounds may fail before the lease runs out. */
const LEAD_EVERY_MS = LEASE_RENEW_MS
/** Less room than this, and starts will soon be refused. */
const DISK_FULL_BYTES = 8 * 1024 * 1024

export interface AppDeps {
  readonly config: Config
  readonly directory: DataDirectory
  /** Migrated and open; the app closes it. */
  readonly db: Database
  readonly log: Logger
  readonly clock: Clock
  readonly ids: Ids
  readonly version: string
  /** Names this start of the process as owner of the runs it moves. */
  readonly bootId: string
  /** Where the embedded `assets/` are. */
  readonly assetsFolder: string
  /** The files under the process can no longer be trusted: it must end without acknowledging anything more. */
  readonly onFatal: (error: Error) => void
}

/** Config → everything; the only place that knows every concrete class. */
export async function createApp(deps: AppDeps) {
  const { config, directory, db, log, clock, ids } = deps
  const publicUrl = config.public_url || `http://${config.host}:${config.port}`

  const vault = await openVault({ keyFile: directory.masterKey, rows: new VaultStore(db), clock })
  const authStore = new AuthStore(db)
  const access = new Access(authStore, clock)
  const origins = new Origins({ publicUrl: config.public_url || null, trustProxy: config["auth.trust_proxy"], host: config.host })
  const gate = createGate(createAuthorizer({ access, origins }))
  const openRegistration = config["auth.open_registration"]
  const auth = new AuthService({ store: authStore, access, passwords: createPasswords(), clock, ids, openRegistration })
  const patStore = new PatStore(db)
  const pats = new PatService({ store: patStore, vault, access, clock, ids })
  const tenants = new TenantService({ store: new TenantStore(db), access, auth, pats, clock, ids })

  const metrics = createMetrics({ runsInMemory: () => runs.inFlight })
  const { sealed, "egress.allow": allow, "egress.keep_days": keepAttemptsDays } = config
  const attemptStore = createEgressAttemptStore(db)
  const attemptLog = new AttemptLog({ store: attemptStore, ids, log })
  const keepMs = keepAttemptsDays * 86_400_000
  const egressService = new EgressService({ store: attemptStore, log: attemptLog, sealed, allow, keepMs })
  const egress = createEgress({
    ...{ allow, sealed },
    onAttempt(attempt) {
      metrics.egressAttempts.add(attempt.refusal === null ? "allowed" : "refused", 1)
      if (sealed) attemptLog.note(attempt)
    },
  })
  const lua = createLuaSandbox({ command: selfCommand(), size: config["lua.children"] })
  const sqliteChildren = createChildPool({
    command: [...selfCommand(), "__child", "sqlite"],
    size: defaultChildren(),
    maxWaiting: WAITING_MAX,
    memoryMaxBytes: SQLITE_CHILD_MEMORY_MAX_BYTES,
    env: childEnvironment(),
  })
  const feedChildren = createChildPool({
    command: [...selfCommand(), "__child", "feeds"],
    size: 1,
    maxWaiting: FEEDS_WAITING_MAX,
    memoryMaxBytes: FEED_CHILD_MEMORY_MAX_BYTES,
    env: childEnvironment(),
  })
  const connectors = createConnectors({
    egress,
    clock,
    feeds: feedChildren,
    files: {
      rootOf: scope => join(directory.filesRoot, scope.projectId),
      allowedRoots: config["files.roots"],
      forbiddenRoots: [directory.path],
      maxProjectMb: config["files.max_project_mb"],
    },
    sqlite: {
      children: sqliteChildren,
      dataRootOf: scope => join(directory.sqliteRoot, scope.projectId),
      allowedRoots: config["sqlite.roots"],
      forbiddenRoots: [directory.path],
      maxDatabaseMb: config["sqlite.max_database_mb"],
    },
  })

  const artifacts = new ArtifactService({
    ...{ clock, ids, publicUrl, keepDays: config["artifacts.keep_days"] },
    store: createArtifactStore(db),
    blobs: new Blobs(directory.blobs),
  })

  const workflows = new WorkflowService({
    store: createWorkflowStore(db),
    types: stepTypes,
    // The catalog asks for graphs, and graphs for tools: this one is asked later.
    pinTools: (place, graph) => mcp.drifts.pin(place, graph),
    clock,
    ids,
  })
  const connections = createConnections({
    ...{ db, vault, clock, ids, log, publicUrl, workflows },
    // Events are heard by triggers, which start runs, whose steps need connections.
    events: { publish: (event, tx) => triggers.events.publish(event, tx) },
    google: googleClient({ ...googleOf(config), egress, clock }),
    whatsapp: whatsAppClient({ ...whatsAppOf(config), egress }),
    mcp: {
      signIn: lazily(async () => {
        const { createMcpSignIn } = await import("./adapters/mcp/oauth.ts")
        return createMcpSignIn({ egress, now: () => clock.now(), newState: () => newToken(ids) })
      }),
      serverOf: (scope, id) => mcpServers.directory.find(scope, id),
    },
  })
  const { credentialsOf } = connections
  const mcpClients = createMcpClients({ egress, version: deps.version })
  const onError = (error: string) => log.debug({ error }, "an MCP request could not be served")
  const mcpEndpoint = lazily(async () => {
    const { createMcpEndpoint } = await import("./adapters/mcp/endpoint.ts")
    return createMcpEndpoint({ version: deps.version, onError })
  })
  const mcpServers = openMcpServers({
    ...{ db, vault, clients: mcpClients, egress, clock, ids, publicUrl, credentialsOf, keep: artifacts.keep },
    declared: config["mcp.stdio"],
    baseEnv: stdioEnvironment(),
    connectionExists: connections.exists,
    oauthOf: connections.oauthOf,
    mcp: () => mcp,
    workflowOf: async runId => (await runStore.findAnywhere(runId))?.workflowId ?? null,
  })
  const mcp: McpService = createMcpService({
    db,
    connectors,
    directory: mcpServers.directory,
    vault,
    pinnedTools: (workflowId, version) => workflows.pinnedTools(workflowId, version),
    policyOf: place => tenants.toolDriftOf(place),
    credentialsOf,
    connectionExists: connections.exists,
    overrideOf: (scope, workflowId, instanceId) => connections.overrides.overrideOf(scope, workflowId, instanceId),
    env: environmentOf(config["mcp.env_allow"]),
    clock,
    ids,
    publicUrl,
    graphOf: async (id, caller) => (await workflows.row(caller, id)).graph,
  })
  connections.saved.onChange(() => mcp.changed())
  connections.overrides.onChange(() => mcp.changed())
  const models = createModels({ egress, clock })
  const llm = openLlm({ ...{ db, vault, egress, models, clock, ids, log }, operatorKeys: config["llm.keys"] })
  const agents = new AgentService({ store: createAgentStore(db), mcp, resolveModel: llm.resolve, clock, ids })
  const dryRun = new DryRun({
    workflows,
    resolveModel: llm.resolve,
    agentProblemsOf: (scope, id) => agents.problems(scope, id),
    types: stepTypes,
    clock,
    checkLua: script => lua.check(script),
    checkBinding: createBindingCheck({ mcp, publicUrl }),
    runLua: (job, options) => lua.run(job, options),
  })

  /** Their calls wait for a process of ours, which keeps the limit itself. */
  const queued = new Set(["sqlite"])
  const recordingStore = createRecordingStore(db)
  const recorder = createRecorder({ store: recordingStore, clock, log })
  const luaExecutor = createLuaExecutor(lua)
  const executors = new Map<string, StepExecutor>([
    ["lua_script", luaExecutor],
    ["llm_call", createLlmCallExecutor({ models, resolve: llm.resolve, recorder })],
    [
      "mcp_call",
      createMcpCallExecutor({
        resolve: mcp.resolveForRun,
        queued,
        driftOf: (call, tool) => mcp.drifts.of(call, tool),
        recorder,
      }),
    ],
    ["workflow_call", createWorkflowCallExecutor(start => startChild(start))],
    [
      "agent_call",
      createAgentCallExecutor({
        ...{ models, queued, recorder, plans: workflows, resolve: mcp.resolveForRun, resolveModel: llm.resolve },
        driftPolicyOf: scope => tenants.toolDriftOf(scope),
        findAgent: async (scope, id) => (config["agents.enabled"] ? await agents.find(scope, id) : null),
      }),
    ],
  ])
  const journal = createJournal(db)
  const worker = new Worker(executors, Math.random, log)
  const stallMs = config["runs.stall_limit_s"] * 1000
  const feed = new EventFeed()
  const runs = new Runs({ feed, journal, plans: workflows, worker, clock, bootId: deps.bootId, stallMs, log })
  // The executors are there before the runs that they run in: this one starts runs itself.
  const startChild = createChildStart({ runs, workflows, clock })
  const runStore = createRunStore(db)
  const service = new RunService({ store: runStore, runs, plans: workflows })
  const recordings = new RecordingService({ store: recordingStore, runs: service, keepDays: config["recordings.keep_days"] })
  const replays = new ReplayService({
    ...{ workflows, runs: runStore, recordings: recordingStore, journal, lua: luaExecutor, stallMs, log },
    elapsed: () => performance.now(),
  })
  const drainMs = config["runs.drain_limit_s"] * 1000
  const starts = new RunStarts({ runs, store: runStore, workflows, clock, ids })
  const commands = new RunCommands({ starts, runs, store: runStore, drainMs })
  const tasks = new TaskService({ store: createTaskStore(db), runs, runService: service })

  const webhooks = createInboundWebhooks({
    ...{ db, vault, clock, ids, log, pats, workflows, starts, publicUrl },
    actors: new Actors(access),
    ratePerMinute: config["inbound_webhooks.rate_per_minute"],
    keepDays: config["inbound_webhooks.keep_days"],
    keepParkedDays: config["inbound_webhooks.keep_parked_days"],
    count: result => metrics.webhookDeliveries.add(result, 1),
  })
  const callbackStore = new CallbackStore(db)
  const secrets = new CallbackSecrets({ store: callbackStore, vault, ids })
  const callbacks = new CallbackService({ store: callbackStore, secrets, clock })
  const sending = { store: callbackStore, secrets, runs, egress, clock, random: Math.random, version: deps.version, log }
  const callbackSender = createCallbackSender(sending)

  const streams = new EventStreams({ feed, plans: workflows, service, workflows })

  const alerts = new AlertService({ store: createAlertStore(db), ids })
  const triggers = createTriggers({
    ...{ db, starts, access, runs, workflows, alerts, clock, ids, log, metrics, uuidOf },
    cron: createCron(),
    findPat: async (place, id) => {
      const pat = await patStore.get(place, id)
      return pat?.revokedAt === null ? pat : null
    },
    keepFiresMs: config["scheduler.keep_fires_days"] * 86_400_000,
  })

  let state: "starting" | "ready" | "stopping" = "starting"
  const readiness = async () => {
    if (state !== "ready") return { ready: false, reason: `the server is ${state}` }
    try {
      await db.query({ sql: "SELECT 1", params: [] })
      if (freeBytes(directory) < DISK_FULL_BYTES) return { ready: false, reason: "the disk is full" }
      return { ready: true, reason: null }
    } catch (error) {
      return { ready: false, reason: `the database does not answer: ${messageOf(error)}` }
    }
  }

  const edge = createEdge({ log, newId: () => ids.uuid(), now: () => clock.now(), translate: storageError })
  const modules = {
    ...{ gate, log, readiness, auth, origins, trustProxy: config["auth.trust_proxy"], version: deps.version },
    ...{ webhooks: webhooks.service, ingress: webhooks.ingress, webhooksEnabled: config["inbound_webhooks.enabled"] },
    ...{ pats, tenants, workflows, dryRun, commands, service, streams, tasks, mcp, callbacks },
    ...{ agents, agentsEnabled: config["agents.enabled"] },
    ...{ llmKeys: llm.keys, llmCatalog: llm.catalog, resolveModel: llm.resolve },
    ...{ triggers: triggers.service, alerts, egressService, metrics, artifacts, recordings, replays },
    ...{ mcpServers: mcpServers.service, mcpConfig: mcpServers.config, mcpEndpoint },
    serveTools: createServedTools({ connectors, resolve: mcp.resolveForRun, ids }),
    ...{ connections: connections.service, google: connections.google, whatsapp: connections.whatsapp },
    mcpConnections: connections.mcp,
    ...{ overrides: connections.overrides, states: connections.states },
  }
  // "typebox" drops undeclared fields and nothing else. Elysia's default also makes `{}` of a number where an object belongs,
  // before anything is checked: a bad `run_setup` would be stored as an empty one.
  const http = new Elysia({ normalize: "typebox", serve: SERVE })
    .use(edge)
    .use(openApi({ version: deps.version, assetsFolder: deps.assetsFolder }))
    .use(api(modules))

  const checkFiles = watchFiles(directory, deps.onFatal)
  const wake = createWake({ journal, runs, stallMs, log })
  const leases = createLeases(db)
  const lease = createLease({ leases, runs, bootId: deps.bootId })
  const leadership = createLeadership({ leaders: leases, bootId: deps.bootId, clock })
  const send = (now: number) => callbackSender.round(now)
  const sweep = (name: string, work: Parameters<typeof leadership.guard>[0]) =>
    startLoop(`sweep of ${name}`, SWEEP_EVERY_MS, leadership.guard(work), log)
  /** What only one boot does; all but the schedules themselves goes on while they are switched off. */
  const leaderLoops = () => [
    startLoop("leadership", LEAD_EVERY_MS, () => leadership.renew(clock.now()), log),
    startLoop("deliveries", DELIVERIES_EVERY_MS, leadership.guard(webhooks.retry), log),
    startLoop("callbacks", CALLBACKS_EVERY_MS, leadership.guard(send), log),
    sweep("deliveries", webhooks.sweep),
    sweep("callbacks", now => callbacks.sweep(now)),
    startLoop("tokens", TOKENS_EVERY_MS, leadership.guard(connections.refresh), log),
    sweep("sign-ins", connections.sweep),
    sweep("fires", triggers.sweep),
    sweep("egress attempts", now => egressService.sweep(now)),
    sweep("artifacts", now => artifacts.sweep(now)),
    sweep("recordings", now => recordings.sweep(now)),
    ...(config["scheduler.enabled"]
      ? [
          startLoop("scheduler", FIRE_EVERY_MS, leadership.guard(triggers.schedule), log),
          startLoop("platform events", FIRE_EVERY_MS, leadership.guard(triggers.dispatch), log),
          startLoop("reconciler", RECONCILE_EVERY_MS, leadership.guard(triggers.reconcile), log),
        ]
      : []),
  ]
  let loops: readonly Loop[] = []

  return {
    http,
    auth,
    pats,
    artifacts,

    /** Goes on with what an earlier boot left, then starts the loops. How many runs were taken over. */
    async start(): Promise<number> {
      // The lock on the data directory proves that every other boot has ended.
      const takeOver = async () => {
        if (db.dialect === "sqlite") await leases.end(Number.MAX_SAFE_INTEGER)
        return await lease(clock.now())
      }
      // On a full disk the server comes up all the same, to be read from; the loop tries again.
      const resumed = (await ifThereIsRoom(takeOver)) ?? 0
      await ifThereIsRoom(() => leadership.renew(clock.now()))
      loops = [
        startLoop("wake", WAKE_EVERY_MS, () => wake(clock.now()), log),
        startLoop("lease", LEASE_RENEW_MS, () => lease(clock.now()), log),
        startLoop("guard", GUARD_EVERY_MS, async () => checkFiles(), log),
        startLoop("sweep", SWEEP_EVERY_MS, () => auth.sweep(), log),
        ...leaderLoops(),
      ]
      state = "ready"
      return resumed
    },

    /** Before the server is closed: it is not ready any more, and whoever waits for a run is answered as it stands. */
    drain(): void {
      state = "stopping"
      runs.halts.release()
    },

    /** How many runs are still in flight; they resume at the next start. */
    async stop(): Promise<number> {
      this.drain()
      await Promise.all(loops.map(l => l.stop()))
      await callbackSender.close()
      const inFlight = await runs.shutDown(config["shutdown.grace_s"] * 1000)
      // A lease runs out by itself, and the last uses of tokens are minutes at most.
      await ifThereIsRoom(() => leases.release(deps.bootId))
      await ifThereIsRoom(() => access.flush())
      await ifThereIsRoom(() => webhooks.flush())
      for (const connector of connectors.values()) connector.close?.()
      const children = [lua.close(), sqliteChildren.close(), feedChildren.close()]
      await Promise.all([...children, mcpClients.close(), mcpEndpoint.close()])
      egress.close()
      await ifThereIsRoom(() => attemptLog.flush())
      await db.close()
      return inFlight
    },
  }
}

function googleOf(config: Config) {
  const { "google.client_id": clientId, "google.client_secret": clientSecret, "google.issuer": issuer } = config
  return { clientId, clientSecret, issuer, scopes: config["google.scopes"] }
}

function whatsAppOf(config: Config) {
  const { "whatsapp.app_id": appId, "whatsapp.app_secret": appSecret, "whatsapp.config_id": configId } = config
  return { appId, appSecret, configId, url: config["whatsapp.graph_url"], version: config["whatsapp.graph_version"] }
}

/** Null when the disk is full. */
async function ifThereIsRoom<T>(work: () => Promise<T>): Promise<T | null> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof StorageFull || error instanceof JournalFull) return null
    throw error
  }
}

/** What a caller may try again; the layers that say it know no HTTP. */
function storageError(error: unknown): AppError | null {
  if (error instanceof JournalFull || error instanceof StorageFull) {
    const sentence = "the disk is full; free some space and try again"
    return new AppError("unavailable", sentence, { code: "DISK_FULL", retryAfterS: 5 })
  }
  if (error instanceof RunLost) {
    return new AppError("unavailable", "the run went on in another process; try again", { retryAfterS: 2 })
  }
  return null
}

export type App = Awaited<ReturnType<typeof createApp>>
