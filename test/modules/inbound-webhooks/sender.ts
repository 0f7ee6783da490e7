import { createHmac } from "node:crypto"
import type { Answer, World } from "../../helpers/app.ts"

/** One address, and how to deliver to it. */
export interface Address {
  readonly id: string
  readonly secret: string
  readonly workflowId: string
}

export const stamped = (secret: string, body: string, seconds: number) =>
  `t=${seconds},v1=${createHmac("sha256", secret).update(`${seconds}.${body}`).digest("hex")}`
export const overBody = (secret: string, body: string) => `sha256=${createHmac("sha256", secret).update(body).digest("hex")}`

/** Made by the contributor, to act by its token. */
export async function address(world: World, workflowId: string, more: object = {}): Promise<Address> {
  const { contributor } = world.people
  const wish = { workflow_id: workflowId, automation_bearer: contributor.pat, ...more }
  const made = await world.call(world.as(contributor), "POST", "/v1/inbound-webhooks", wish)
  if (made.status !== 201) throw new Error(made.text)
  return { id: made.body.subscription.id, secret: made.body.signing_secret, workflowId }
}

/** Variant B, signed now unless `more` says otherwise. */
export function deliver(world: World, to: Address, body: unknown, more: Record<string, string> = {}): Promise<Answer> {
  const text = typeof body === "string" ? body : JSON.stringify(body)
  const signature = stamped(to.secret, text, Math.floor(world.time.now / 1000))
  return world.call({}, "POST", `/v1/inbound-webhooks/${to.id}`, text, { "x-agentruntime-signature": signature, ...more })
}

/** Variant A. */
export function deliverWithToken(world: World, to: Address, body: unknown, token: string): Promise<Answer> {
  const text = JSON.stringify(body)
  const headers = { "x-agentruntime-signature": overBody(to.secret, text), authorization: `Bearer ${token}` }
  return world.call({}, "POST", `/v1/inbound-webhooks/${to.id}`, text, headers)
}
