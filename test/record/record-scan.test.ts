// Covers native/record_scan.cc with RecordCursor.scan and its use in batch-validator.ts.
// Goal: it makes no difference, but for speed, whether the records of a batch are scanned or walked.
// Method: any batch, whole or damaged behind a right checksum, is validated both ways by any rules.
import fc from 'fast-check'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { binding } from '../../src/native/load-binding.ts'
import { BatchBuilder } from '../../src/record/batch-builder.ts'
import { batchHeaderSize } from '../../src/record/batch-format.ts'
import { type ProduceRules, validateProduced } from '../../src/record/batch-validator.ts'
import { sealBatch } from '../../src/record/batch-view.ts'
import { RecordCursor } from '../../src/record/record-cursor.ts'
import { arbitraryRecords } from '../support/arbitrary-batch.ts'

const nowMs = 1_700_000_050_000

const arbitraryRules: fc.Arbitrary<ProduceRules> = fc
  .record({
    requiresKeys: fc.boolean(),
    timestampType: fc.constantFrom('create' as const, 'append' as const),
    boundMs: fc.constantFrom(0, 60_000, Number.MAX_SAFE_INTEGER),
  })
  .map(({ requiresKeys, timestampType, boundMs }) => ({
    maxBatchBytes: 1 << 24,
    maxDecompressedBytes: 1 << 24,
    requiresKeys,
    timestampType,
    beforeMaxMs: boundMs,
    afterMaxMs: boundMs,
    nowMs,
    codec: 'producer' as const,
    allowZstd: true,
  }))

/** Places, modulo the length of the records section, and bytes to put there. */
const arbitraryDamage = fc.array(
  fc.tuple(fc.nat(0xffff), fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 2, 3, 4, 6, 0x80))),
  { maxLength: 3 },
)

/** So short that most of their bytes are lengths, times and offsets. */
const tinyRecords = fc.array(fc.record({ value: fc.constantFrom('', 'x') }), {
  minLength: 8,
  maxLength: 12,
})

function outcome(batch: Buffer, rules: ProduceRules) {
  const bytes = Buffer.from(batch)
  try {
    return { result: validateProduced(bytes, 0, bytes.length, rules), bytes }
  } catch (error) {
    const { name, message, faults } = error as Error & { faults?: unknown }
    return { name, message, faults, bytes }
  }
}

afterEach(() => {
  vi.restoreAllMocks()
})

describe('scanning the records of a batch', () => {
  it('accepts and refuses what walking them does, with the same result', () => {
    const codecs = fc.constantFrom('none' as const, 'none' as const, 'lz4' as const)
    fc.assert(
      fc.property(
        fc.oneof(arbitraryRecords, tinyRecords),
        codecs,
        arbitraryRules,
        arbitraryDamage,
        (records, codec, rules, damage) => {
          const builder = new BatchBuilder({ codec })
          builder.addAll(records, nowMs)
          const batch = Buffer.from(builder.finish())
          const length = batch.length - batchHeaderSize
          for (const [place, byte] of damage) {
            batch[batchHeaderSize + (place % length)] = byte
          }
          sealBatch(batch, 0)
          const scanned = outcome(batch, rules)
          vi.spyOn(binding, 'scanRecords').mockReturnValue(false)
          const walked = outcome(batch, rules)
          vi.restoreAllMocks()
          expect(scanned).toEqual(walked)
        },
      ),
      { numRuns: 3000 },
    )
  })

  it('tells of records what producers write, through the addon', () => {
    if (binding.kind === 'portable') return
    fc.assert(
      fc.property(arbitraryRecords, (records) => {
        const builder = new BatchBuilder()
        builder.addAll(records, nowMs)
        const facts = new Float64Array(3)
        const bytes = builder.finish()
        const { length } = records
        expect(binding.scanRecords(bytes, batchHeaderSize, bytes.length, length, facts)).toBe(true)
        const cursor = new RecordCursor().open(bytes, 0)
        const base = cursor.batch.baseTimestamp
        const times: number[] = []
        let nullKeys = 0
        while (cursor.next()) {
          times.push(cursor.timestamp - base)
          if (cursor.keyStart < 0) nullKeys++
        }
        expect([...facts]).toEqual([Math.min(...times), Math.max(...times), nullKeys])
      }),
    )
  })
})
