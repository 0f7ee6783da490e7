import { type TProperties, type TSchemaOptions, Type } from "typebox"

/** What several tools take, in GitHub's own names. */
export const REPOSITORY = {
  owner: Type.String({ minLength: 1, description: "The user or organisation that has the repository." }),
  repo: Type.String({ minLength: 1, description: "Name of the repository, without its owner." }),
}
export const PULL = { pull_number: Type.Integer({ minimum: 1, description: "Number of the pull request." }) }
export const ISSUE = { issue_number: Type.Integer({ minimum: 1, description: "Number of the issue." }) }
export const PAGE = {
  per_page: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, description: "Results on a page, 30 unless set." })),
  page: Type.Optional(Type.Integer({ minimum: 1, description: "Which page, from 1." })),
}
export const DIRECTION = { direction: oneOf(["asc", "desc"]) }
export const SINCE = { since: Type.Optional(Type.String({ description: "Only what changed since, e.g. 2026-01-31T00:00:00Z." })) }

export function input<Properties extends TProperties>(properties: Properties) {
  return Type.Object(properties, { additionalProperties: false })
}

export function oneOf(values: readonly string[], options: TSchemaOptions = {}) {
  return Type.Optional(Type.Enum([...values], options))
}

export function text(description: string) {
  return Type.Optional(Type.String({ description }))
}

export function texts(description: string) {
  return Type.Optional(Type.Array(Type.String(), { description }))
}

export function flag(description: string) {
  return Type.Optional(Type.Boolean({ description }))
}
