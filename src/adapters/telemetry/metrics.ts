import { Counter, collectDefaultMetrics, Gauge, Registry } from "prom-client"

export interface Metrics {
  readonly egressAttempts: { add(result: "allowed" | "refused", n: number): void }
  readonly triggerFires: { add(outcome: string, n: number): void }
  readonly triggersLate: { set(n: number): void }
  readonly webhookDeliveries: { add(result: string, n: number): void }
  /** In the text format of Prometheus. */
  text(): Promise<string>
  readonly contentType: string
}

export interface MetricSources {
  readonly runsInMemory: () => number
}

/** How often the event loop is looked at for its lag. */
const LAG_EVERY_MS = 500
/** Read as 0 on Bun, or not at all: worse than nothing. */
const NOT_ON_BUN = [
  "nodejs_eventloop_lag_seconds",
  "nodejs_eventloop_lag_min_seconds",
  "nodejs_eventloop_lag_max_seconds",
  "nodejs_eventloop_lag_mean_seconds",
  "nodejs_eventloop_lag_stddev_seconds",
  "nodejs_eventloop_lag_p50_seconds",
  "nodejs_eventloop_lag_p90_seconds",
  "nodejs_eventloop_lag_p99_seconds",
  "nodejs_active_resources",
  "nodejs_active_resources_total",
  "nodejs_active_handles",
  "nodejs_active_handles_total",
  "nodejs_active_requests",
  "nodejs_active_requests_total",
  "nodejs_version_info",
  "nodejs_gc_duration_seconds",
  "nodejs_heap_space_size_total_bytes",
  "nodejs_heap_space_size_used_bytes",
  "nodejs_heap_space_size_available_bytes",
]

/** No label ever names a workspace or a project: whoever reads metrics may be a stranger to both. */
export function createMetrics({ runsInMemory }: MetricSources): Metrics {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
  for (const name of NOT_ON_BUN) registry.removeSingleMetric(name)

  const triggerFires = new Counter({
    name: "agentruntime_trigger_fires_total",
    help: "Moments of schedules, requests to run now and platform events, by what became of them.",
    labelNames: ["outcome"],
    registers,
  })
  const triggersLate = new Gauge({
    name: "agentruntime_triggers_late",
    help: "Schedules that are more than two periods behind.",
    registers,
  })
  const egressAttempts = new Counter({
    name: "agentruntime_egress_attempts_total",
    help: "Attempts to reach something outside, each redirect too, by whether the egress policy let them out.",
    labelNames: ["result"],
    registers,
  })
  const webhookDeliveries = new Counter({
    name: "agentruntime_webhook_deliveries_total",
    help: "Requests to inbound webhooks, by what became of them.",
    labelNames: ["result"],
    registers,
  })
  new Gauge({
    name: "agentruntime_runs_in_memory",
    help: "Runs that move now; one that waits for a person or a moment costs a row only.",
    registers,
    collect() {
      this.set(runsInMemory())
    },
  })
  watchLag(registers)

  return {
    triggerFires: { add: (outcome, n) => triggerFires.inc({ outcome }, n) },
    triggersLate: { set: n => triggersLate.set(n) },
    webhookDeliveries: { add: (result, n) => webhookDeliveries.inc({ result }, n) },
    egressAttempts: { add: (result, n) => egressAttempts.inc({ result }, n) },
    text: () => registry.metrics(),
    contentType: registry.contentType,
  }
}

/** How much later than asked for a timer came, at the worst since the last look. */
function watchLag(registers: Registry[]): void {
  let worstMs = 0
  let expected = performance.now() + LAG_EVERY_MS
  setInterval(() => {
    worstMs = Math.max(worstMs, performance.now() - expected)
    expected = performance.now() + LAG_EVERY_MS
  }, LAG_EVERY_MS).unref()
  new Gauge({
    name: "agentruntime_event_loop_lag_seconds",
    help: "The longest that the process was busy with one thing since the last reading, beyond a millisecond or two.",
    registers,
    collect() {
      this.set(worstMs / 1000)
      worstMs = 0
    },
  })
}
