/** `import path from "x.wasm" with { type: "file" }`: where the embedded file is. */
declare module "*.wasm" {
  const path: string
  export default path
}
