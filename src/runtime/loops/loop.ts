import { messageOf } from "../../kernel/errors.ts"

export interface Loop {
  /** Resolves when the round under way has ended. */
  stop(): Promise<void>
}

/** Repeats a round with a pause between; a round that fails is logged and does not end the loop. */
export function startLoop(
  name: string,
  everyMs: number,
  round: () => Promise<unknown>,
  log: { error(fields: object, message: string): void },
): Loop {
  let stopped = false
  let wake = () => {}
  const running = (async () => {
    while (!stopped) {
      try {
        await round()
      } catch (error) {
        log.error({ loop: name, error: messageOf(error) }, "a round of a background loop failed")
      }
      await new Promise<void>(resolve => {
        wake = resolve
        if (stopped) resolve()
        else setTimeout(resolve, everyMs)
      })
    }
  })()
  return {
    stop: () => {
      stopped = true
      wake()
      return running
    },
  }
}
