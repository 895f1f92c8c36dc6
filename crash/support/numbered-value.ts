/**
 * Values that say what they are, so that a record read back can be told from any other:
 *
 *     value := id "|" filler
 *     id    := source "#" number "@" index "/" count
 *
 * A source is one order of sends to one log; its numbers are 0, 1, 2, …. `index` of `count` is the
 * record's place in its batch, 0 of 1 where the client decides what a batch is. The filler follows
 * from the id, so a value that is damaged or cut anywhere does not pass.
 */
export type RecordId = {
  readonly source: string
  readonly number: number
  readonly index: number
  readonly count: number
}

/** Most fillers are short; one in sixteen spans several index intervals. */
const shortFillerBytes = 200
const longFillerBytes = 2_500
/** Values of sources with this in their name are large: they make segments that reserve blocks ahead. */
export const largeMark = '~'
const largeFillerBytes = 60_000

export function formatId({ source, number, index, count }: RecordId): string {
  return `${source}#${number}@${index}/${count}`
}

export function parseId(id: string): RecordId | undefined {
  const match = /^([^#|]+)#(\d+)@(\d+)\/(\d+)$/.exec(id)
  if (match === null) return undefined
  const [, source, number, index, count] = match
  return { source: source!, number: Number(number), index: Number(index), count: Number(count) }
}

/** The ids of `count` records that are sent as one batch. */
export function batchIds(source: string, firstNumber: number, count: number): string[] {
  return Array.from({ length: count }, (_, index) =>
    formatId({ source, number: firstNumber + index, index, count }),
  )
}

export function valueFor(id: string): string {
  return `${id}|${fillerOf(id)}`
}

/** The id of a value, or undefined when the value is not what was sent under any id. */
export function idOf(value: string): string | undefined {
  const end = value.indexOf('|')
  if (end < 0) return undefined
  const id = value.slice(0, end)
  return value === valueFor(id) ? id : undefined
}

function fillerOf(id: string): string {
  const hash = hashOf(id)
  const usualBytes = hash % 16 === 0 ? longFillerBytes : shortFillerBytes
  const length = hash % (id.includes(largeMark) ? largeFillerBytes : usualBytes)
  return hash
    .toString(36)
    .repeat(Math.ceil(length / 6))
    .slice(0, length)
}

/** FNV-1a. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash >>> 0
}
