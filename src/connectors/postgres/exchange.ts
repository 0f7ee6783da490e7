import type Connection from "pg/lib/connection.js"

export interface Field {
  readonly name: string
  readonly dataTypeID: number
}

export interface Hearing {
  parameters?(types: readonly number[]): void
  fields?(fields: readonly Field[]): void
  row?(values: readonly (string | null)[]): void
  /** The server's word for what it did, e.g. `INSERT 0 5`. */
  done?(tag: string): void
}

/**
 * What is asked of the server in one go, and what it answers as it comes: the driver takes it as it takes its cursors. Its own
 * queries neither describe a statement without running it nor stop after some rows, and its cursors hold rows in parts however
 * large they are.
 */
export class Exchange {
  readonly #settled = Promise.withResolvers<void>()
  readonly settled = this.#settled.promise
  #failure: unknown = null

  constructor(
    private readonly say: (connection: Connection) => void,
    private readonly hearing: Hearing = {},
  ) {}

  submit(connection: Connection): void {
    this.say(connection)
  }

  /** The server is ready for the next one. The driver forgets an exchange at its error, so it is not the one to say this. */
  ready(): void {
    if (this.#failure === null) this.#settled.resolve()
    else this.#settled.reject(this.#failure)
  }

  /** There will be no more answers. A server that goes says why before it closes the connection. */
  broke(error: unknown): void {
    this.#settled.reject(this.#failure ?? error)
  }

  handleParameterDescription({ dataTypeIDs }: { readonly dataTypeIDs: readonly number[] }): void {
    this.hearing.parameters?.(dataTypeIDs)
  }

  handleRowDescription({ fields }: { readonly fields: readonly Field[] }): void {
    this.hearing.fields?.(fields)
  }

  handleDataRow({ fields }: { readonly fields: readonly (string | null)[] }): void {
    if (this.#failure === null) this.hearing.row?.(fields)
  }

  handleCommandComplete({ text }: { readonly text: string }): void {
    this.hearing.done?.(text)
  }

  handleError(error: unknown): void {
    this.#failure ??= error
  }

  handleCopyInResponse(connection: Connection): void {
    connection.sendCopyFail("COPY from the client is not supported")
    connection.sync()
  }

  handleCopyData(): void {}
  handleEmptyQuery(): void {}
  handlePortalSuspended(): void {}
  handleReadyForQuery(): void {}
}
