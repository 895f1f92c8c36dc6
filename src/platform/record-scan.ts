import { binding } from '../native/load-binding.ts'

/** What `scanRecords` found last. */
const facts = new Float64Array(3)

/** Of the records that were scanned last; valid until the next scan. */
export const scanned = {
  get minTimestampDelta(): number {
    return facts[0]!
  },
  get maxTimestampDelta(): number {
    return facts[1]!
  },
  get nullKeys(): number {
    return facts[2]!
  },
}

/**
 * Whether `bytes[start, end)`, uncompressed, is exactly `count` regular records, of which `scanned`
 * then tells; see NativeBinding. False: walk them (RecordCursor). Allocates nothing.
 */
export function scanRecords(bytes: Uint8Array, start: number, end: number, count: number): boolean {
  return binding.scanRecords(bytes, start, end, count, facts)
}
