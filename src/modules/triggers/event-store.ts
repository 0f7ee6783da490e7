import { asc, eq } from "drizzle-orm"
import type { Database, Writer } from "../../storage/database.ts"
import type { Tables } from "../../storage/tables.ts"

export type EventRow = Tables["platformEvents"]["$inferSelect"]

export interface EventStore {
  insert(row: EventRow, tx: Writer): Promise<void>
  oldest(limit: number): Promise<readonly EventRow[]>
  delete(id: string): Promise<void>
}

export function createEventStore(db: Database): EventStore {
  const { platformEvents } = db.tables
  return {
    async insert(row, tx) {
      await tx.insert(platformEvents).values(row)
    },
    async oldest(limit) {
      return await db.read
        .select()
        .from(platformEvents)
        .orderBy(asc(platformEvents.createdAt), asc(platformEvents.id))
        .limit(limit)
    },
    async delete(id) {
      await db.write(async tx => {
        await tx.delete(platformEvents).where(eq(platformEvents.id, id))
      })
    },
  }
}
