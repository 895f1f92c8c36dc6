import { BatchTooLargeError } from '../base/errors.ts'
import { BatchBuilder } from './batch-builder.ts'
import { baseSequenceAt, leaderEpochAt, producerIdAt } from './batch-format.ts'
import { BatchView, sealBatch, stampAppendTime } from './batch-view.ts'
import type { CodecName } from './codec-name.ts'
import { writeInt32 } from './int64.ts'
import { RecordCursor } from './record-cursor.ts'

export type RebuildRules = {
  readonly codec: CodecName
  /** See `checkCompressionLevel`; undefined for the codec's default. */
  readonly level?: number
  readonly timestampType: 'create' | 'append'
  /** ms since the epoch; the append time with `append`. */
  readonly nowMs: number
  /** Largest whole batch, in bytes, after compression. */
  readonly maxBatchBytes: number
  /** Largest records section, in bytes, before compression. */
  readonly maxDecompressedBytes: number
}

/**
 * Encodes the valid batch at `position` anew with another codec, offsets 0, 1, 2, … and the
 * right timestamp type. Keys, values and headers are copied byte for byte; producer fields,
 * transactional bit and leader epoch are kept; base timestamp becomes the first record's. With
 * `append` every record takes `nowMs`.
 *
 * @returns  a batch of the caller's own, base offset 0. Throws BatchTooLargeError when it is
 *           larger than `maxBatchBytes`, and what RecordCursor throws.
 */
export function rebuildBatch(bytes: Buffer, position: number, rules: RebuildRules): Buffer {
  const view = new BatchView().at(bytes, position)
  const builder = new BatchBuilder({
    codec: rules.codec,
    ...(rules.level === undefined ? {} : { level: rules.level }),
  })
  const cursor = new RecordCursor({ maxDecompressedBytes: rules.maxDecompressedBytes })
  cursor.openAs(bytes, position, rules.timestampType === 'append' ? rules.nowMs : undefined)
  while (cursor.next()) {
    builder.addEncoded(cursor.source, cursor.bodyStart, cursor.recordEnd, cursor.timestamp)
  }
  builder.setTransactional(view.isTransactional)

  // The builder lives only here, so its buffer is the caller's to keep.
  const batch = builder.finish()
  if (batch.length > rules.maxBatchBytes) {
    const limitBytes = rules.maxBatchBytes
    throw new BatchTooLargeError({ sizeBytes: batch.length, limitBytes, limit: 'message' })
  }
  writeInt32(batch, leaderEpochAt, view.leaderEpoch)
  // Raw bytes: a producer without an id may have left odd values in the other two fields.
  bytes.copy(batch, producerIdAt, position + producerIdAt, position + baseSequenceAt + 4)
  if (rules.timestampType === 'append') stampAppendTime(batch, 0, rules.nowMs)
  else sealBatch(batch, 0)
  return batch
}
