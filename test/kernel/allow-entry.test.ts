import { expect, test } from "bun:test"
import { allowEntryText, parseAllowEntry } from "../../src/kernel/allow-entry.ts"

test.each([
  ["ollama.lan", "ollama.lan"],
  ["Ollama.LAN.:11434", "ollama.lan:11434"],
  ["bücher.example", "xn--bcher-kva.example"],
  ["10.0.0.0/8", "10.0.0.0/8"],
  ["10.1.2.3", "10.1.2.3"],
  ["10.1.2.3/32", "10.1.2.3"],
  ["10.1.2.3:5432", "10.1.2.3:5432"],
  ["FD00::/8", "fd00::/8"],
  ["[fd00:0:0::7]:8080", "[fd00::7]:8080"],
  ["fd00::7", "fd00::7"],
])("the entry %s is shown as %s, which means the same", (given, shown) => {
  const entry = parseAllowEntry(given)
  if (entry === null) throw new Error("it is no entry")
  expect(allowEntryText(entry)).toBe(shown)
  expect(parseAllowEntry(shown)).toEqual(entry)
})
