/**
 * What must be true of a batch before a log takes it: the limits of the topic, and for the batch of a
 * client everything that its bytes claim. Nothing here knows where it will stand.
 */
import { BatchTooLargeError } from '../base/errors.ts'
import type { BatchBuilder } from '../record/batch-builder.ts'
import { validateProduced } from '../record/batch-validator.ts'
import { rebuildBatch } from '../record/rebuild-batch.ts'
import type { LogEnvironment } from './log-environment.ts'

/** A valid batch at `bytes[start, end)`, to be placed and written before the caller yields. */
export type CheckedBatch = {
  readonly bytes: Buffer
  readonly start: number
  readonly end: number
  /** When the log stamped it, or −1 when it keeps its producers' timestamps. */
  readonly appendTimeMs: number
}

/** A log's limits, and the clock that it stamps batches by. */
export type IntakeRules = Pick<LogEnvironment, 'settings' | 'clock'>

/**
 * The batch in `builder`: trusted, except for its size. The limit on the uncompressed size is the one
 * that reads have, so that nothing is stored that cannot be read.
 *
 * @returns bytes of the builder's, good until it is used again. @throws BatchTooLargeError; of a topic
 *          that stamps batches or wants keys also what `checkProduced` throws.
 */
export function finishBatch(builder: BatchBuilder, rules: IntakeRules): CheckedBatch {
  const { maxBatchBytes, maxDecompressedBytes, requiresKeys, timestampType } = rules.settings
  if (builder.sizeBytes > maxDecompressedBytes) {
    throw tooLarge(builder.sizeBytes, maxDecompressedBytes, 'decompressed')
  }
  const batch = builder.finish()
  if (batch.length > maxBatchBytes) throw tooLarge(batch.length, maxBatchBytes, 'message')
  if (requiresKeys || timestampType === 'append') {
    return checkProduced(batch, 0, batch.length, true, rules)
  }
  return { bytes: batch, start: 0, end: batch.length, appendTimeMs: -1 }
}

/**
 * The batch of a client at `bytes[start, end)`, which stay the caller's: its timestamps are put right in
 * place, and a topic that stores another codec has it built anew.
 *
 * @throws InvalidBatchError, CorruptBatchError, UnsupportedMagicError, UnsupportedCodecError,
 *         TimestampError, BatchTooLargeError.
 */
export function checkProduced(
  bytes: Buffer,
  start: number,
  end: number,
  allowZstd: boolean,
  { settings, clock }: IntakeRules,
): CheckedBatch {
  const { maxBatchBytes, maxDecompressedBytes, timestampType } = settings
  const nowMs = clock.now()
  const checked = validateProduced(bytes, start, end, {
    maxBatchBytes,
    maxDecompressedBytes,
    requiresKeys: settings.requiresKeys,
    timestampType,
    beforeMaxMs: settings.timestampBeforeMaxMs,
    afterMaxMs: settings.timestampAfterMaxMs,
    nowMs,
    codec: settings.compression,
    allowZstd,
  })
  const appendTimeMs = timestampType === 'append' ? nowMs : -1
  if (checked.action === 'keep') return { bytes, start, end, appendTimeMs }
  const rebuilt = rebuildBatch(bytes, start, {
    codec: checked.targetCodec,
    timestampType,
    nowMs,
    maxBatchBytes,
    maxDecompressedBytes,
  })
  return { bytes: rebuilt, start: 0, end: rebuilt.length, appendTimeMs }
}

function tooLarge(
  sizeBytes: number,
  limitBytes: number,
  limit: 'decompressed' | 'message',
): BatchTooLargeError {
  return new BatchTooLargeError({ sizeBytes, limitBytes, limit })
}
