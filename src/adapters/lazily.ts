type Methods = Readonly<Record<PropertyKey, (...args: unknown[]) => unknown>>
type AsyncMethods<T> = { readonly [K in keyof T]: (...args: never[]) => Promise<unknown> }

/**
 * Something whose methods all wait, made when the first of them is called. For what brings a large library along that many
 * instances never use: all of them together took 50 MB and two thirds of the time of a start.
 */
export function lazily<T extends AsyncMethods<T>>(make: () => Promise<T>): T {
  let made: Promise<T> | undefined
  const call =
    (name: PropertyKey) =>
    async (...args: unknown[]) => {
      if (name === "close" && made === undefined) return undefined // what was never made need not be closed
      made ??= make()
      const object = (await made) as unknown as Methods
      return await object[name]?.(...args)
    }
  // Whatever is asked of it is one of its methods, which the type says.
  return new Proxy({} as T, { get: (_, name) => (name === "then" ? undefined : call(name)) })
}
