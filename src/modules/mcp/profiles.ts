import { findAdapter } from "../../connectors/catalog.ts"
import type { ConfigSchema, Connectors, Scope } from "../../connectors/connector.ts"
import type { Page, PageOf } from "../../http/paging.ts"
import { type Clock, rfc3339 } from "../../kernel/clock.ts"
import { AppError } from "../../kernel/errors.ts"
import type { Ids } from "../../kernel/ids.ts"
import type { JsonObject } from "../../kernel/json.ts"
import type { ProfileBody, ProfileInput, ProfilePatch } from "./contract.ts"
import type { McpStore, ProfileRow } from "./store.ts"
import { checkWiring, NO_CONNECTIONS, type Wiring } from "./wiring.ts"

/** Profiles of one instance. */
const PROFILES_MAX = 50

export interface ProfileDeps {
  readonly store: McpStore
  readonly connectors: Connectors
  readonly clock: Clock
  readonly ids: Ids
}

/** The wiring of instances (contract G-25). Whatever is not this project's is `not_found`. */
export interface ProfileService {
  list(scope: Scope, instanceId: string, page: Page): Promise<PageOf<ProfileBody>>
  create(scope: Scope, instanceId: string, input: ProfileInput): Promise<ProfileBody>
  patch(scope: Scope, instanceId: string, id: string, patch: ProfilePatch): Promise<ProfileBody>
  /** Makes it the only active one. */
  activate(scope: Scope, instanceId: string, id: string): Promise<ProfileBody>
}

export function createProfileService({ store, connectors, clock, ids }: ProfileDeps): ProfileService {
  async function schemaOf(scope: Scope, instanceId: string): Promise<ConfigSchema> {
    const found = await store.findInstance(scope, instanceId)
    if (!found) throw noInstance()
    const slug = found.instance.serverSlug
    return connectors.get(slug)?.configSchema ?? findAdapter(slug)?.configSchema ?? {}
  }

  async function one(scope: Scope, instanceId: string, id: string): Promise<ProfileRow> {
    const found = await store.findProfile(scope, instanceId, id)
    if (!found) throw new AppError("not_found", "no such configuration profile")
    return found
  }

  return {
    async list(scope, instanceId, page) {
      await schemaOf(scope, instanceId)
      const { items, total } = await store.listProfiles(scope, instanceId, page)
      return { items: items.map(bodyOf), total }
    },
    async create(scope, instanceId, input) {
      const schema = await schemaOf(scope, instanceId)
      const wiring = wiringOf(input, { config: {}, sourceSpec: {} })
      checkWiring(schema, wiring)
      const { total } = await store.listProfiles(scope, instanceId, { limit: 1, offset: 0 })
      if (total >= PROFILES_MAX) throw new AppError("invalid", `an instance has at most ${PROFILES_MAX} configuration profiles`)
      const now = clock.now()
      const row: ProfileRow = {
        id: ids.uuid(),
        instanceId,
        tenantId: scope.tenantId,
        projectId: scope.projectId,
        name: input.name,
        active: input.active ?? false,
        ...wiring,
        createdAt: now,
        updatedAt: now,
      }
      await store.insertProfile(row)
      return bodyOf(row)
    },
    async patch(scope, instanceId, id, patch) {
      const schema = await schemaOf(scope, instanceId)
      const wiring = wiringOf(patch, await one(scope, instanceId, id))
      checkWiring(schema, wiring)
      const named = patch.name === undefined ? {} : { name: patch.name }
      await store.updateProfile(scope, instanceId, id, { ...named, ...wiring }, clock.now())
      return bodyOf(await one(scope, instanceId, id))
    },
    async activate(scope, instanceId, id) {
      await schemaOf(scope, instanceId)
      await store.activateProfile(scope, instanceId, id, clock.now())
      return bodyOf(await one(scope, instanceId, id))
    },
  }
}

export function noInstance(): AppError {
  return new AppError("not_found", "no such MCP instance")
}

/** Each given field replaces the old one whole. Throws `invalid` for a connection. */
function wiringOf(input: ProfilePatch, before: Wiring): Wiring {
  if (input.connection_id !== undefined) throw new AppError("invalid", `connection_id: ${NO_CONNECTIONS}`)
  return {
    config: (input.config ?? before.config) as JsonObject, // it came as JSON
    sourceSpec: (input.source_spec ?? before.sourceSpec) as JsonObject,
  }
}

function bodyOf(row: ProfileRow): ProfileBody {
  return {
    id: row.id,
    instance_id: row.instanceId,
    name: row.name,
    active: row.active,
    config: { ...row.config },
    source_spec: { ...row.sourceSpec },
    created_at: rfc3339(row.createdAt),
    updated_at: rfc3339(row.updatedAt),
  }
}
