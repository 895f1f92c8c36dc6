/**
 * Text in the format of Java's properties, as Kafka's server.properties is written: `key=value`,
 * `key: value` or `key value` lines, comments that begin with `#` or `!`, a backslash at the end of
 * a line that goes on, and the escapes \t \n \r \f \uXXXX.
 *
 * A key that stands twice is refused: Java takes the last one, which is not what a reader sees.
 */
import { UsageError } from './arguments.ts'

export type Property = {
  readonly key: string
  readonly value: string
  /** Line on which it begins, from 1. */
  readonly line: number
}

/** @param path for messages. @throws UsageError with path and line. */
export function parseProperties(text: string, path: string): Property[] {
  const lines = text.replace(/^\ufeff/, '').split(/\r\n|\n|\r/)
  const found = new Map<string, Property>()
  for (let at = 0; at < lines.length; at++) {
    const line = at + 1
    let logical = (lines[at] as string).trimStart()
    if (logical === '' || logical.startsWith('#') || logical.startsWith('!')) continue
    while (goesOn(logical) && at + 1 < lines.length) {
      logical = logical.slice(0, -1) + (lines[++at] as string).trimStart()
    }
    const property = { ...split(logical, `${path} line ${line}`), line }
    const earlier = found.get(property.key)
    if (earlier !== undefined) {
      throw new UsageError(
        `${path} line ${line}: ${property.key} stands in line ${earlier.line} too`,
      )
    }
    found.set(property.key, property)
  }
  return [...found.values()]
}

/** An even number of backslashes at the end is an escaped one. */
function goesOn(line: string): boolean {
  const backslashes = /\\*$/.exec(line)?.[0].length ?? 0
  return backslashes % 2 === 1
}

function split(line: string, place: string): { key: string; value: string } {
  // The key ends at the first separator that no backslash escapes.
  const [, key = '', value = ''] =
    /^((?:\\.|[^\\\s=:])*)(?:\s*[=:]\s*|\s+|$)([\s\S]*)$/.exec(line) ?? []
  if (key === '') throw new UsageError(`${place}: expected key=value`)
  return { key: unescaped(key, place), value: unescaped(value.trimEnd(), place) }
}

const escapes: Readonly<Record<string, string>> = { t: '\t', n: '\n', r: '\r', f: '\f' }

function unescaped(text: string, place: string): string {
  return text.replace(/\\(u[0-9a-fA-F]{4}|.|$)/g, (_, code: string) => {
    if (/^u..../.test(code)) return String.fromCharCode(Number.parseInt(code.slice(1), 16))
    if (code === 'u') throw new UsageError(`${place}: \\u without four hex digits`)
    return escapes[code] ?? code
  })
}

/** One line that reads back as the same key and value. */
export function formatProperty(key: string, value: string): string {
  const escaped = value
    .replace(/\\/g, '\\\\')
    .replace(/\n/g, '\\n')
    .replace(/\r/g, '\\r')
    .replace(/\t/g, '\\t')
    .replace(/^ /, '\\ ')
  return `${key}=${escaped}`
}
