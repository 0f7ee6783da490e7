import type { Clock } from "../../kernel/clock.ts"
import type { Ids } from "../../kernel/ids.ts"
import type { JsonObject } from "../../kernel/json.ts"
import type { Writer } from "../../storage/database.ts"
import type { FireOutcome } from "../../storage/schema/triggers.ts"
import { type EVENT_TYPES, eventConfigOf } from "./config.ts"
import type { EventRow, EventStore } from "./event-store.ts"
import { type FireStartDeps, FireStarter } from "./fire-start.ts"
import { insertFireIfEnabled } from "./fire-statements.ts"
import type { FireRow, FireStore } from "./fire-store.ts"
import type { TriggerRow, TriggerStore } from "./store.ts"

const BATCH = 100

export interface PlatformEvent {
  readonly tenantId: string
  readonly projectId: string
  readonly type: (typeof EVENT_TYPES)[number]
  /** Of a connection: its id, and its `provider`, which triggers may filter by. */
  readonly data: JsonObject
}

/** What other modules tell of; triggers that wait for it hear of it soon after. */
export interface PlatformEvents {
  /** In the transaction of what happened, so that both are there or neither. */
  publish(event: PlatformEvent, tx: Writer): Promise<void>
}

export function createPlatformEvents(deps: { store: EventStore; clock: Clock; ids: Ids }): PlatformEvents {
  return {
    publish: async (event, tx) => await deps.store.insert({ id: deps.ids.uuid(), ...event, createdAt: deps.clock.now() }, tx),
  }
}

export interface EventDispatchDeps extends FireStartDeps {
  readonly events: Pick<EventStore, "oldest" | "delete">
  readonly triggers: Pick<TriggerStore, "waitingFor">
  readonly fires: Pick<FireStore, "keep">
  /** Always the same id for the same text. */
  readonly uuidOf: (text: string) => string
  readonly count: (outcome: FireOutcome, n: number) => void
}

/**
 * A round of the loop that starts what waits for platform events; it resolves with how many events were done. The ids of a fire
 * and its run come from the event and the trigger, so an event that is gone through again starts nothing twice.
 */
export function createEventDispatch(deps: EventDispatchDeps): (now: number) => Promise<number> {
  /** False when it has to be tried again. */
  async function fire(row: TriggerRow, event: EventRow, now: number, starter: FireStarter): Promise<boolean> {
    const id = deps.uuidOf(`${event.id}:${row.id}`)
    const runId = deps.uuidOf(`${event.id}:${row.id}:run`)
    const fired: FireRow = {
      ...{ id, triggerId: row.id, source: "event", scheduledFor: null, outcome: "fired", reason: null },
      ...{ runId, at: now, queuedAt: null },
    }
    const payload = { ...event.data, event_type: event.type }
    const also = [insertFireIfEnabled(fired)]
    const start = await starter.start({ row, runId, triggerType: "platform_event", payload, also })
    switch (start.type) {
      case "started":
        deps.count("fired", 1)
        return true
      case "outdated":
      case "exists":
        return true
      case "later":
        return false
      case "refused": {
        const missed: FireRow = { ...fired, outcome: "missed", reason: start.reason, runId: null }
        const kept = await deps.fires.keep([insertFireIfEnabled(missed)])
        if (kept === "stored") deps.count("missed", 1)
        return kept !== "full"
      }
    }
  }

  return async now => {
    const starter = new FireStarter(deps)
    let done = 0
    for (const event of await deps.events.oldest(BATCH)) {
      const waiting = (await deps.triggers.waitingFor(event, event.type)).filter(row => hears(row, event))
      for (const row of waiting) if (!(await fire(row, event, now, starter))) return done
      await deps.events.delete(event.id)
      done++
    }
    return done
  }
}

function hears(row: TriggerRow, event: EventRow): boolean {
  const { provider_filter } = eventConfigOf(row)
  return row.createdAt <= event.createdAt && (provider_filter === null || provider_filter === event.data.provider)
}
