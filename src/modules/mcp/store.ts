import { and, asc, count, eq } from "drizzle-orm"
import type { Scope } from "../../connectors/connector.ts"
import type { Page, PageOf } from "../../http/paging.ts"
import { isUuid } from "../../kernel/ids.ts"
import type { JsonObject } from "../../kernel/json.ts"
import type { Database, Reader, Writer } from "../../storage/database.ts"
import type { Tables } from "../../storage/tables.ts"

export type InstanceRow = Tables["mcpInstances"]["$inferSelect"]
export type ProfileRow = Tables["mcpConfigProfiles"]["$inferSelect"]

/** An instance with its active profile; every instance has one. */
export interface InstanceWithProfile {
  readonly instance: InstanceRow
  readonly profile: ProfileRow | null
}

export type Also = (tx: Writer) => Promise<void>

export interface ProfileChange {
  readonly name?: string
  readonly config?: JsonObject
  readonly sourceSpec?: JsonObject
}

/** Instances and their profiles. Every row is looked up with its tenant and project; what is no UUID is nobody's id. */
export interface McpStore {
  /** Oldest first. */
  listInstances(scope: Scope, page: Page): Promise<PageOf<InstanceWithProfile>>
  findInstance(scope: Scope, id: string): Promise<InstanceWithProfile | null>
  /** All of one server, oldest first. */
  instancesOf(scope: Scope, serverId: string): Promise<readonly InstanceWithProfile[]>
  countInstances(scope: Scope): Promise<number>
  /** `also`: what has to be true in the same moment, as a secret in the vault. */
  insertInstance(instance: InstanceRow, profile: ProfileRow, also: Also): Promise<void>
  /** Inserts unless the project has one of this server already; tells which it is then. */
  insertFirstInstance(instance: InstanceRow, profile: ProfileRow): Promise<{ readonly id: string; readonly created: boolean }>
  renameInstance(scope: Scope, id: string, name: string, now: number): Promise<void>
  /** With its profiles. False: it was not there. */
  deleteInstance(scope: Scope, id: string, also: (profiles: readonly ProfileRow[], tx: Writer) => Promise<void>): Promise<boolean>
  /** Oldest first. */
  listProfiles(scope: Scope, instanceId: string, page: Page): Promise<PageOf<ProfileRow>>
  findProfile(scope: Scope, instanceId: string, id: string): Promise<ProfileRow | null>
  /** An active one takes the place of the one before. */
  insertProfile(profile: ProfileRow, also: Also): Promise<void>
  updateProfile(scope: Scope, instanceId: string, id: string, change: ProfileChange, now: number, also: Also): Promise<void>
  /** Makes it the only active one. False: it was not there. */
  activateProfile(scope: Scope, instanceId: string, id: string, now: number): Promise<boolean>
}

export function createMcpStore(db: Database): McpStore {
  const { mcpInstances: instances, mcpConfigProfiles: profiles } = db.tables
  const mine = ({ tenantId, projectId }: Scope) => and(eq(instances.tenantId, tenantId), eq(instances.projectId, projectId))
  const theInstance = (scope: Scope, id: string) => and(mine(scope), eq(instances.id, id))
  const ofInstance = ({ tenantId, projectId }: Scope, instanceId: string) =>
    and(eq(profiles.tenantId, tenantId), eq(profiles.projectId, projectId), eq(profiles.instanceId, instanceId))
  const theProfile = (scope: Scope, instanceId: string, id: string) => and(ofInstance(scope, instanceId), eq(profiles.id, id))

  const withProfile = (from: Reader | Writer) =>
    from
      .select({ instance: instances, profile: profiles })
      .from(instances)
      .leftJoin(profiles, and(eq(profiles.instanceId, instances.id), eq(profiles.active, true)))

  const serverInstances = (from: Reader | Writer, scope: Scope, serverId: string) =>
    withProfile(from)
      .where(and(mine(scope), eq(instances.serverId, serverId)))
      .orderBy(asc(instances.createdAt), asc(instances.id))

  async function insert(tx: Writer, instance: InstanceRow, profile: ProfileRow): Promise<void> {
    await tx.insert(instances).values(instance)
    await tx.insert(profiles).values(profile)
  }

  /** Touches every profile of the instance, so that two callers at once cannot leave two active. */
  async function deactivateAll(tx: Writer, scope: Scope, instanceId: string, now: number): Promise<void> {
    await tx.update(profiles).set({ active: false, updatedAt: now }).where(ofInstance(scope, instanceId))
  }

  return {
    async listInstances(scope, page) {
      const items = await withProfile(db.read)
        .where(mine(scope))
        .orderBy(asc(instances.createdAt), asc(instances.id))
        .limit(page.limit)
        .offset(page.offset)
      return { items, total: await this.countInstances(scope) }
    },
    async findInstance(scope, id) {
      if (!isUuid(id)) return null
      const [found] = await withProfile(db.read).where(theInstance(scope, id))
      return found ?? null
    },
    async instancesOf(scope, serverId) {
      return await serverInstances(db.read, scope, serverId)
    },
    async countInstances(scope) {
      const [row] = await db.read.select({ n: count() }).from(instances).where(mine(scope))
      return row?.n ?? 0
    },
    insertInstance: (instance, profile, also) =>
      db.write(async tx => {
        await insert(tx, instance, profile)
        await also(tx)
      }),
    insertFirstInstance: (instance, profile) =>
      db.write(async tx => {
        const [existing] = await serverInstances(tx, instance, instance.serverId)
        if (existing) return { id: existing.instance.id, created: false }
        await insert(tx, instance, profile)
        return { id: instance.id, created: true }
      }),
    renameInstance: (scope, id, name, now) =>
      db.write(async tx => void (await tx.update(instances).set({ name, updatedAt: now }).where(theInstance(scope, id)))),
    deleteInstance: (scope, id, also) =>
      db.write(async tx => {
        if (!isUuid(id)) return false
        const [found] = await tx.select({ id: instances.id }).from(instances).where(theInstance(scope, id))
        if (!found) return false
        await also(await tx.select().from(profiles).where(ofInstance(scope, id)), tx)
        await tx.delete(profiles).where(ofInstance(scope, id))
        await tx.delete(instances).where(theInstance(scope, id))
        return true
      }),
    async listProfiles(scope, instanceId, page) {
      const where = ofInstance(scope, instanceId)
      const order = [asc(profiles.createdAt), asc(profiles.id)]
      const items = await db.read
        .select()
        .from(profiles)
        .where(where)
        .orderBy(...order)
        .limit(page.limit)
        .offset(page.offset)
      const [row] = await db.read.select({ n: count() }).from(profiles).where(where)
      return { items, total: row?.n ?? 0 }
    },
    async findProfile(scope, instanceId, id) {
      if (!isUuid(instanceId) || !isUuid(id)) return null
      const [found] = await db.read
        .select()
        .from(profiles)
        .where(theProfile(scope, instanceId, id))
      return found ?? null
    },
    insertProfile: (profile, also) =>
      db.write(async tx => {
        if (profile.active) await deactivateAll(tx, profile, profile.instanceId, profile.createdAt)
        await tx.insert(profiles).values(profile)
        await also(tx)
      }),
    updateProfile: (scope, instanceId, id, change, now, also) =>
      db.write(async tx => {
        await tx
          .update(profiles)
          .set({ ...change, updatedAt: now })
          .where(theProfile(scope, instanceId, id))
        await also(tx)
      }),
    activateProfile: (scope, instanceId, id, now) =>
      db.write(async tx => {
        const [found] = await tx
          .select({ id: profiles.id })
          .from(profiles)
          .where(theProfile(scope, instanceId, id))
        if (!found) return false
        await deactivateAll(tx, scope, instanceId, now)
        await tx
          .update(profiles)
          .set({ active: true })
          .where(theProfile(scope, instanceId, id))
        return true
      }),
  }
}
