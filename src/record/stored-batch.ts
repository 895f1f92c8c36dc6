/** Judging bytes that already stand in a log: what recovery and reads ask of them. */
import { baseOffsetAt } from './batch-format.ts'
import { BatchView, explainImpossibleBatch, measureBatch } from './batch-view.ts'
import { readInt64OrNaN } from './int64.ts'

/**
 * - `ok`                whole, right CRC, possible fields
 * - `incomplete`        more bytes are needed: a torn tail
 * - `impossible-length` no batch has that length: zeros of a preallocated tail, or garbage
 * - `legacy-magic`      a batch of format 0 or 1
 * - `unknown-magic`     neither 0, 1 nor 2
 * - `crc`               the bytes are not those that were written
 * - `fields`            right CRC, but negative counts, or offsets beyond 2^53 − 1
 */
export type StoredBatchState =
  | 'ok'
  | 'incomplete'
  | 'impossible-length'
  | 'legacy-magic'
  | 'unknown-magic'
  | 'crc'
  | 'fields'

/**
 * Judges the batch that begins at `position` by header and CRC; records are not walked. Reads
 * every byte of the batch once (9 GB/s through the addon). Throws nothing.
 *
 * @param end  exclusive bound of valid bytes, at most `bytes.length`.
 */
export function checkStoredBatch(bytes: Buffer, position: number, end: number): StoredBatchState {
  const size = measureBatch(bytes, position, end)
  if (size === 0) return 'incomplete'
  if (size < 0) return explainImpossibleBatch(bytes, position, end)
  const view = new BatchView().at(bytes, position)
  if (!view.hasValidCrc()) return 'crc'
  return hasPossibleFields(view) ? 'ok' : 'fields'
}

function hasPossibleFields(view: BatchView): boolean {
  // Read raw: the getters throw for offsets out of range, and this must not.
  const baseOffset = readInt64OrNaN(view.bytes, view.position + baseOffsetAt)
  const { lastOffsetDelta, recordCount } = view
  return (
    baseOffset >= 0 &&
    Number.isSafeInteger(baseOffset + lastOffsetDelta + 1) &&
    lastOffsetDelta >= 0 &&
    recordCount >= 0 &&
    recordCount <= lastOffsetDelta + 1
  )
}
