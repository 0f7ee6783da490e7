/** What Redis says when it does not do what it was asked. */
export class RedisError extends Error {
  override readonly name = "RedisError"
}

/** The connection broke after a command was sent: nobody knows whether it was done. */
export class AnswerLost extends Error {
  override readonly name = "AnswerLost"
}
