/** What can be seen of a log from outside, compared with itself. Throws AssertionError. */
import { strict as assert } from 'node:assert'
import type { Offset } from '../../src/base/types.ts'
import type { Log } from '../../src/log/log.ts'
import type { LogCursor } from '../../src/log/log-cursor.ts'
import type { Segment } from '../../src/segment/segment.ts'

/** Of the record a cursor stands at. */
export type TextOf = (cursor: LogCursor) => string

/** Every value of a log from its start on, by cursor; asserts that no offset is missing. */
export function denseValues(log: Log, textOf: TextOf = valueAt): string[] {
  const values: string[] = []
  const { startOffset, endOffset } = log
  const cursor = log.cursor()
  while (cursor.next()) {
    if (cursor.offset !== startOffset + values.length) {
      assert.fail(
        `${log.name}: found offset ${cursor.offset} instead of ${startOffset + values.length}`,
      )
    }
    values.push(textOf(cursor))
  }
  assert.equal(startOffset + values.length, endOffset, `${log.name}: offsets that can be read`)
  return values
}

function valueAt({ source, valueStart, valueEnd }: LogCursor): string {
  return source.toString('latin1', valueStart, valueEnd)
}

type ScannedBatch = {
  readonly position: number
  readonly baseOffset: Offset
  readonly lastOffset: Offset
  readonly maxTimestamp: number
  readonly leaderEpoch: number
}

function scan(segment: Segment): ScannedBatch[] {
  const batches: ScannedBatch[] = []
  const scanner = segment.scan('whole')
  for (let step = scanner.next(); step !== 'end'; step = scanner.next()) {
    const { view, position } = scanner
    if (step !== 'batch' || !view.hasValidCrc()) {
      assert.fail(`${segment.path}: ${step === 'batch' ? 'bad CRC' : step} at byte ${position}`)
    }
    const { baseOffset, lastOffset, maxTimestamp, leaderEpoch } = view
    batches.push({ position, baseOffset, lastOffset, maxTimestamp, leaderEpoch })
  }
  return batches
}

/**
 * Index equals scan: looking up finds for every offset and time what a scan of the file finds, and
 * the leader epochs of the log are those of its batches.
 *
 * @param trimmedTo the highest offset the log was ever trimmed to.
 */
export function assertIndexesEqualScan(log: Log, trimmedTo = 0): void {
  for (const segment of log.segments) {
    const batches = scan(segment)
    let latest = -1
    for (const batch of batches) {
      const { position, baseOffset, lastOffset, maxTimestamp } = batch
      latest = Math.max(latest, maxTimestamp)
      for (const offset of [baseOffset, lastOffset]) {
        const found = segment.locate(offset)?.position
        if (found !== position) assert.fail(`${segment.path}: offset ${offset} found at ${found}`)
      }
      const timed = batches.find((one) => one.maxTimestamp >= maxTimestamp)?.position
      const found = segment.locateTimestamp(maxTimestamp, segment.baseOffset)?.position
      if (found !== timed) {
        assert.fail(`${segment.path}: time ${maxTimestamp} found at ${found} instead of ${timed}`)
      }
      if (lastOffset >= log.startOffset) {
        const offset = Math.max(baseOffset, log.startOffset)
        const epoch = log.epochOf(offset)
        // A crash may undo a trim, but not that the epochs below it were forgotten.
        if (epoch === -1 && offset < trimmedTo) continue
        assert.equal(epoch, batch.leaderEpoch, `${log.name}: epoch of ${offset}`)
      }
    }
    assert.equal(segment.maxTimestamp, latest, `${segment.path}: largest timestamp`)
  }
}
