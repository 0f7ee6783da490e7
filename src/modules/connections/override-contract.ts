import { t } from "elysia"
import { CONNECTION_OVERRIDES_PER_WORKFLOW_MAX } from "../../kernel/limits.ts"

const id = t.String({ minLength: 1, maxLength: 200, pattern: "^[^\\u0000]*$" })
const overrideShape = t.Object({ instance_id: id, connection_id: id })
export type OverrideBody = typeof overrideShape.static

const overrides = t.Array(overrideShape, { maxItems: CONNECTION_OVERRIDES_PER_WORKFLOW_MAX })
export const overrideListShape = t.Object({ overrides })
export const overridesReplacedShape = t.Object({ status: t.Literal("ok") })
