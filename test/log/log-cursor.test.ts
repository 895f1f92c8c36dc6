/**
 * Goal: a cursor gives every record once and in order, whatever happens to the log meanwhile. Method:
 * random histories of appends, trims, truncations and steps with random bounds beside a list of records;
 * and compacted batches, whose offsets have gaps.
 */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { Offset } from '../../src/base/types.ts'
import { assignOffset } from '../../src/record/batch-view.ts'
import { openOn, simDisk } from '../support/log-inspection.ts'
import { rawBatch, rawRecord } from '../support/raw-batch.ts'

const record = fc.record({
  keyBytes: fc.constantFrom(-1, -1, 0, 3),
  // Lengths whose varints have one, two and three bytes.
  valueBytes: fc.constantFrom(-1, 0, 1, 20, 63, 64, 100, 8191, 8192),
  headerCount: fc.constantFrom(0, 0, 0, 0, 1),
  timestamp: fc.constantFrom(1000, 1001, 9000, 80_000),
})
const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ append: fc.array(record, { minLength: 1, maxLength: 9 }) }) },
  {
    weight: 6,
    arbitrary: fc.record({ read: fc.nat(12), upTo: fc.option(fc.nat(40), { nil: undefined }) }),
  },
  { weight: 1, arbitrary: fc.record({ trim: fc.double({ min: 0, max: 1, noNaN: true }) }) },
  { weight: 1, arbitrary: fc.record({ truncate: fc.double({ min: 0, max: 1, noNaN: true }) }) },
  { weight: 1, arbitrary: fc.record({ from: fc.double({ min: 0, max: 1, noNaN: true }) }) },
)

it('gives each record once and in order, below every bound', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
      const store = await openOn(simDisk())
      await store.createTopic('t', { config: { 'segment.bytes': '100000' } })
      const log = await store.log('t')
      const records: string[] = []
      let cursor = log.cursor()
      let next = 0
      const place = (share: number): number =>
        log.startOffset + Math.floor(share * (log.endOffset - log.startOffset))
      for (const one of steps) {
        if ('append' in one) {
          const added = one.append.map(({ keyBytes, valueBytes, headerCount, timestamp }, i) => ({
            key: bytesOf(keyBytes, i),
            value: bytesOf(valueBytes, records.length + i),
            headers: headerCount === 0 ? {} : { name: 'value' },
            timestamp,
          }))
          await log.append(added, { level: 'os' })
          records.push(...added.map(shown))
        } else if ('trim' in one) log.trim(place(one.trim))
        else if ('truncate' in one) {
          log.truncate(place(one.truncate))
          records.length = log.endOffset
        } else if ('from' in one) {
          next = place(one.from)
          cursor = log.cursor({ from: next })
        } else {
          const upTo = one.upTo === undefined ? undefined : ((next + one.upTo) as Offset)
          for (let i = 0; i < one.read; i++) {
            if (next < log.startOffset || next > log.endOffset) {
              expect(() => cursor.next(upTo)).toThrow('is outside')
              break
            }
            const isThere = next < Math.min(log.endOffset, upTo ?? log.endOffset)
            expect(cursor.next(upTo)).toBe(isThere)
            if (!isThere) break
            expect(cursor.offset).toBe(next)
            expect(shown(cursor.record())).toBe(records[next])
            next++
          }
        }
      }
      await store.close()
    }),
    { numRuns: 400 },
  )
})

/** A compacted batch: which of its offsets still have a record, and how many are missing before it. */
const sparseBatch = fc.record({
  gap: fc.nat(3),
  isThere: fc.array(fc.boolean(), { minLength: 1, maxLength: 12 }),
})

it('passes over offsets that compaction left empty, and stays below every bound', async () => {
  const batches = fc.array(sparseBatch, { minLength: 1, maxLength: 8 })
  const bounds = fc.array(fc.option(fc.nat(9), { nil: undefined }), { minLength: 1 })
  await fc.assert(
    fc.asyncProperty(batches, bounds, fc.nat(60), fc.nat(60), async (given, steps, from, mark) => {
      const store = await openOn(simDisk())
      await store.createTopic('t', { replicated: true, config: { 'cleanup.policy': 'compact' } })
      const log = await store.log('t')
      const offsets: number[] = []
      for (const { gap, isThere } of given) {
        const base = log.endOffset + gap
        const deltas = [...isThere.keys()].filter((delta) => isThere[delta])
        offsets.push(...deltas.map((delta) => base + delta))
        const batch = rawBatch({
          lastOffsetDelta: isThere.length - 1,
          recordCount: deltas.length,
          records: Buffer.concat(deltas.map((offsetDelta) => rawRecord({ offsetDelta }))),
        })
        assignOffset(batch, 0, base as Offset, 1)
        await log.appendAt(base, 1, batch, { level: 'os' })
      }
      const committed = Math.min(mark, log.endOffset)
      log.setCommitted(committed)
      const start = Math.min(from, log.endOffset)
      const cursor = log.cursor({ from: start })
      let at = offsets.findIndex((offset) => offset >= start)
      if (at < 0) at = offsets.length
      for (const step of steps) {
        const upTo = step === undefined ? undefined : ((cursor.nextOffset + step) as Offset)
        const isThere = at < offsets.length && offsets[at]! < (upTo ?? committed)
        expect(cursor.next(upTo)).toBe(isThere)
        if (isThere) expect(cursor.offset).toBe(offsets[at++])
      }
      await store.close()
    }),
    { numRuns: 400 },
  )
})

function bytesOf(length: number, fill: number): Buffer | null {
  return length < 0 ? null : Buffer.alloc(length, fill & 0xff)
}

function shown(record: {
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: object
  readonly timestamp: number
}): string {
  const { key, value, headers, timestamp } = record
  const [keyText, valueText] = [key, value].map((bytes) => bytes?.toString('hex') ?? 'null')
  return [keyText, valueText, Object.keys(headers).length, timestamp].join(' ')
}
