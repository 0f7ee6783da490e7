import { findAdapter } from "../../connectors/catalog.ts"
import type { ConfigSchema, Scope } from "../../connectors/connector.ts"
import type { Page, PageOf } from "../../http/paging.ts"
import { type Clock, rfc3339 } from "../../kernel/clock.ts"
import { AppError } from "../../kernel/errors.ts"
import type { Ids } from "../../kernel/ids.ts"
import type { JsonObject } from "../../kernel/json.ts"
import type { ProfileBody, ProfileInput, ProfilePatch } from "./contract.ts"
import type { KnownServers } from "./known-servers.ts"
import type { ProfileSecrets } from "./profile-secrets.ts"
import type { ProfileValues } from "./profile-values.ts"
import type { McpStore, ProfileRow } from "./store.ts"
import { checkWiring, connectionIdsIn, type SealedWiring, sealWiring, sourcesOf, type Wiring } from "./wiring.ts"

/** Profiles of one instance. */
const PROFILES_MAX = 50

export interface ProfileDeps {
  readonly store: McpStore
  readonly servers: KnownServers
  readonly values: ProfileValues
  readonly secrets: ProfileSecrets
  readonly envAllowed: readonly string[]
  readonly clock: Clock
  readonly ids: Ids
  /** A profile is not what it was. */
  readonly changed: () => void
}

/** The wiring of instances (contract G-25). Whatever is not this project's is `not_found`. */
export interface ProfileService {
  list(scope: Scope, instanceId: string, page: Page): Promise<PageOf<ProfileBody>>
  create(scope: Scope, instanceId: string, input: ProfileInput): Promise<ProfileBody>
  patch(scope: Scope, instanceId: string, id: string, patch: ProfilePatch): Promise<ProfileBody>
  /** Makes it the only active one. */
  activate(scope: Scope, instanceId: string, id: string): Promise<ProfileBody>
  /** What is stored of the wiring that somebody gives for a profile. Throws `invalid` for one that does not fit. */
  wire(scope: Scope, schema: ConfigSchema, profileId: string, input: ProfilePatch, before: Wiring): Promise<SealedWiring>
}

export function createProfileService(deps: ProfileDeps): ProfileService {
  const { store, servers, values, secrets, clock, ids } = deps

  async function schemaOf(scope: Scope, instanceId: string): Promise<ConfigSchema> {
    const found = await store.findInstance(scope, instanceId)
    if (!found) throw noInstance()
    const { serverId, serverSlug } = found.instance
    const server = await servers.byId(scope, serverId)
    return server?.configSchema ?? findAdapter(serverSlug)?.configSchema ?? {}
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
      const id = ids.uuid()
      const sealed = await this.wire(scope, schema, id, input, NOTHING)
      const { total } = await store.listProfiles(scope, instanceId, { limit: 1, offset: 0 })
      if (total >= PROFILES_MAX) throw new AppError("invalid", `an instance has at most ${PROFILES_MAX} configuration profiles`)
      const now = clock.now()
      const row: ProfileRow = {
        id,
        instanceId,
        tenantId: scope.tenantId,
        projectId: scope.projectId,
        name: input.name,
        active: input.active ?? false,
        ...sealed.wiring,
        createdAt: now,
        updatedAt: now,
      }
      await store.insertProfile(row, secrets.change(scope.tenantId, id, NOTHING, sealed.wiring, sealed.secrets))
      deps.changed()
      return bodyOf(row)
    },
    async patch(scope, instanceId, id, patch) {
      const schema = await schemaOf(scope, instanceId)
      const before = await one(scope, instanceId, id)
      const sealed = await this.wire(scope, schema, id, patch, before)
      const change = { ...(patch.name !== undefined && { name: patch.name }), ...sealed.wiring }
      const also = secrets.change(scope.tenantId, id, before, sealed.wiring, sealed.secrets)
      await store.updateProfile(scope, instanceId, id, change, clock.now(), also)
      deps.changed()
      return bodyOf(await one(scope, instanceId, id))
    },
    async activate(scope, instanceId, id) {
      await schemaOf(scope, instanceId)
      await store.activateProfile(scope, instanceId, id, clock.now())
      deps.changed()
      return bodyOf(await one(scope, instanceId, id))
    },
    async wire(scope, schema, profileId, input, before) {
      const given = wiringOf(input, before)
      const bound = input.connection_id === undefined ? {} : await values.bind(schema, scope, input.connection_id)
      const wiring = { config: without(given.config, bound), sourceSpec: { ...given.sourceSpec, ...bound } }
      checkWiring(schema, wiring, { profileId, envAllowed: deps.envAllowed })
      const known = new Set(connectionIdsIn(before))
      // One that was there before may be gone meanwhile; that is for the run to say, not for a change of something else.
      for (const id of connectionIdsIn(wiring)) if (!known.has(id)) await values.requireConnection(scope, id)
      return sealWiring(schema, wiring, profileId)
    },
  }
}

export function noInstance(): AppError {
  return new AppError("not_found", "no such MCP instance")
}

const NOTHING: Wiring = { config: {}, sourceSpec: {} }

/** Each given field replaces the old one whole; a value given for a key takes the place of the secret that was kept for it. */
function wiringOf(input: ProfilePatch, before: Wiring): Wiring {
  const config = (input.config ?? before.config) as JsonObject // it came as JSON
  if (input.source_spec !== undefined) return { config, sourceSpec: input.source_spec as JsonObject }
  const replaced = sourcesOf(before).filter(([key, { source }]) => source === "vault" && Object.hasOwn(config, key))
  return { config, sourceSpec: without(before.sourceSpec, Object.fromEntries(replaced)) }
}

function without(from: JsonObject, keys: object): JsonObject {
  return Object.fromEntries(Object.entries(from).filter(([key]) => !Object.hasOwn(keys, key)))
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
