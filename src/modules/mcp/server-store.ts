import { and, asc, count, desc, eq, sql } from "drizzle-orm"
import type { Page, PageOf } from "../../http/paging.ts"
import { isUuid } from "../../kernel/ids.ts"
import { type Database, UniqueViolation } from "../../storage/database.ts"
import type { Tables } from "../../storage/tables.ts"

export type ServerRow = Tables["mcpServers"]["$inferSelect"]
export type VersionRow = Tables["mcpServerVersions"]["$inferSelect"]

export interface ServerWithVersion {
  readonly server: ServerRow
  /** The active one. */
  readonly version: VersionRow | null
}

export type ServerChange = Partial<Omit<ServerRow, "id" | "tenantId" | "service" | "createdBy" | "createdAt">>

interface Owner {
  readonly tenantId: string
}

export interface Use {
  readonly id: string
  readonly projectId: string
}

export interface VersionSize {
  readonly version: string
  /** Of its tools as JSON. */
  readonly chars: number
}

/** Servers that workspaces registered, and their versions. Every row is looked up with its tenant. */
export interface ServerStore {
  /** Oldest first. */
  list(owner: Owner, page: Page): Promise<PageOf<ServerWithVersion>>
  find(owner: Owner, id: string): Promise<ServerWithVersion | null>
  findByUrl(owner: Owner, canonicalUrl: string): Promise<ServerWithVersion | null>
  /** `full`: the workspace has `max` already. */
  insert(row: ServerRow, max: number): Promise<"inserted" | "taken" | "full">
  /** False: another server of the workspace has that address. */
  update(owner: Owner, id: string, change: ServerChange): Promise<boolean>
  /** Its instances in all projects of the workspace. */
  instances(owner: Owner, id: string): Promise<readonly Use[]>
  /** With its versions; not while there are instances. */
  remove(owner: Owner, id: string): Promise<"removed" | "in_use" | "missing">
  /** Newest first. */
  versions(owner: Owner, serverId: string, limit: number): Promise<readonly VersionRow[]>
  /** Newest first, without reading what they hold. */
  versionSizes(owner: Owner, serverId: string): Promise<readonly VersionSize[]>
  /** Null: this version there is. The server's active one, if `change` comes with it. */
  publish(row: VersionRow, change: ServerChange | null): Promise<boolean>
}

export function createServerStore(db: Database): ServerStore {
  const { mcpServers: servers, mcpServerVersions: versions, mcpInstances: instances } = db.tables
  const of = ({ tenantId }: Owner) => eq(servers.tenantId, tenantId)
  const the = (owner: Owner, id: string) => and(of(owner), eq(servers.id, id))
  const versionsOf = ({ tenantId }: Owner, serverId: string) =>
    and(eq(versions.tenantId, tenantId), eq(versions.serverId, serverId))
  const instancesOf = ({ tenantId }: Owner, serverId: string) =>
    and(eq(instances.tenantId, tenantId), eq(instances.serverId, serverId))

  const newestFirst = [desc(versions.createdAt), desc(versions.id)]

  const withVersion = () =>
    db.read
      .select({ server: servers, version: versions })
      .from(servers)
      .leftJoin(versions, and(eq(versions.id, servers.activeVersionId), eq(versions.tenantId, servers.tenantId)))

  return {
    async list(owner, page) {
      const items = await withVersion()
        .where(of(owner))
        .orderBy(asc(servers.createdAt), asc(servers.id))
        .limit(page.limit)
        .offset(page.offset)
      return { items, total: await db.read.$count(servers, of(owner)) }
    },
    async find(owner, id) {
      if (!isUuid(id)) return null
      const [found] = await withVersion().where(the(owner, id))
      return found ?? null
    },
    async findByUrl(owner, canonicalUrl) {
      const [found] = await withVersion().where(and(of(owner), eq(servers.canonicalUrl, canonicalUrl)))
      return found ?? null
    },
    insert: (row, max) =>
      takenInstead("taken", () =>
        db.write(async tx => {
          const [there] = await tx.select({ n: count() }).from(servers).where(of(row))
          if ((there?.n ?? 0) >= max) return "full"
          await tx.insert(servers).values(row)
          return "inserted"
        }),
      ),
    update: (owner, id, change) =>
      takenInstead(false, () =>
        db.write(async tx => {
          await tx.update(servers).set(change).where(the(owner, id))
          return true
        }),
      ),
    async instances(owner, id) {
      return await db.read
        .select({ id: instances.id, projectId: instances.projectId })
        .from(instances)
        .where(instancesOf(owner, id))
    },
    remove: (owner, id) =>
      db.write(async tx => {
        if (!isUuid(id)) return "missing"
        const [found] = await tx.select({ id: servers.id }).from(servers).where(the(owner, id))
        if (!found) return "missing"
        const [used] = await tx.select({ id: instances.id }).from(instances).where(instancesOf(owner, id)).limit(1)
        if (used) return "in_use"
        await tx.delete(versions).where(versionsOf(owner, id))
        await tx.delete(servers).where(the(owner, id))
        return "removed"
      }),
    async versions(owner, serverId, limit) {
      return await db.read
        .select()
        .from(versions)
        .where(versionsOf(owner, serverId))
        .orderBy(...newestFirst)
        .limit(limit)
    },
    async versionSizes(owner, serverId) {
      const chars = sql`length(cast(${versions.tools} as text))`.mapWith(Number)
      return await db.read
        .select({ version: versions.version, chars })
        .from(versions)
        .where(versionsOf(owner, serverId))
        .orderBy(...newestFirst)
    },
    publish: (row, change) =>
      takenInstead(false, () =>
        db.write(async tx => {
          await tx.insert(versions).values(row)
          if (change) await tx.update(servers).set(change).where(the(row, row.serverId))
          return true
        }),
      ),
  }
}

async function takenInstead<T>(taken: T, write: () => Promise<T>): Promise<T> {
  try {
    return await write()
  } catch (error) {
    if (error instanceof UniqueViolation) return taken
    throw error
  }
}
