import fc from 'fast-check'
import type { RecordFields } from '../../src/record/record.ts'

/** Arbitraries for property tests over records and batches. */

const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array))
const text = fc.string({ maxLength: 60, unit: 'binary' })
const field = fc.oneof(bytes, text)

export const arbitraryTimestamp: fc.Arbitrary<number> = fc.oneof(
  fc.integer({ min: -1, max: 3 }),
  fc.integer({ min: 1_700_000_000_000, max: 1_700_000_100_000 }),
  // One less than the largest: after a record without a time (−1) the delta must be safe too.
  fc.nat({ max: Number.MAX_SAFE_INTEGER - 1 }),
)

export const arbitraryRecord: fc.Arbitrary<RecordFields> = fc.record(
  {
    key: fc.option(field),
    value: fc.option(field),
    headers: fc.array(fc.record({ key: text, value: fc.option(field) }), { maxLength: 4 }),
    timestamp: arbitraryTimestamp,
  },
  { requiredKeys: ['value'] },
) as fc.Arbitrary<RecordFields>

export const arbitraryRecords: fc.Arbitrary<RecordFields[]> = fc.array(arbitraryRecord, {
  minLength: 1,
  maxLength: 40,
})

/** Bytes as the format stores them; strings as UTF-8. */
export function storedBytes(value: string | Uint8Array | null | undefined): Buffer | null {
  if (value === null || value === undefined) return null
  return typeof value === 'string' ? Buffer.from(value, 'utf8') : Buffer.from(value)
}
