import { LLM_STARTS_PER_TURN } from "../../kernel/limits.ts"

/**
 * Lets so many calls begin in one turn of the event loop. Callers come in hundreds at once, and each request takes half a
 * millisecond to be made: 200 together would hold everybody else up for 100 ms.
 */
export class Starts {
  private left = LLM_STARTS_PER_TURN
  private turn: Promise<void> | null = null

  async mine(): Promise<void> {
    while (this.left === 0 && this.turn !== null) await this.turn
    this.left--
    this.turn ??= new Promise(resolve =>
      setImmediate(() => {
        this.left = LLM_STARTS_PER_TURN
        this.turn = null
        resolve()
      }),
    )
  }
}
