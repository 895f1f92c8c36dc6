import { CorruptBatchError } from '../base/errors.ts'
import type { Offset } from '../base/types.ts'
import { crc32c } from '../platform/crc32c.ts'
import {
  appendTimeBit,
  attributesAt,
  baseOffsetAt,
  baseSequenceAt,
  baseTimestampAt,
  batchHeaderSize,
  batchLengthAt,
  batchOverhead,
  batchPrefixSize,
  codecMask,
  controlBit,
  crcAt,
  crcCoveredFrom,
  currentMagic,
  deleteHorizonBit,
  lastOffsetDeltaAt,
  leaderEpochAt,
  magicAt,
  maxTimestampAt,
  minBatchLength,
  minLegacyLength,
  producerEpochAt,
  producerIdAt,
  recordCountAt,
  transactionalBit,
} from './batch-format.ts'
import { type CodecName, codecNameOf } from './codec-name.ts'
import {
  readInt16,
  readInt32,
  readInt64OrNaN,
  readUint32,
  writeInt32,
  writeInt64,
} from './int64.ts'
import { advanceSequence } from './sequence.ts'

const noBytes = Buffer.alloc(0)

/**
 * Reads one batch header in place: no copy, no allocation, reusable through `at`.
 *
 * The view trusts the caller that `measureBatch` (or the network frame) vouched for the bytes:
 * it checks neither size nor CRC on its own. Getters of 64-bit fields throw CorruptBatchError when
 * the value is beyond ±(2^53 − 1). The bytes belong to the caller; the view shows what they hold
 * at the moment of each call.
 */
export class BatchView {
  bytes: Buffer = noBytes
  /** Where the batch begins in `bytes`. */
  position = 0

  /** Points the view at the batch that begins at `position`; `bytes` must hold its header. */
  at(bytes: Buffer, position: number): this {
    if (position < 0 || position + batchHeaderSize > bytes.length) {
      throw new CorruptBatchError(
        `no batch header at byte ${position}: ${bytes.length} bytes, ${batchHeaderSize} needed`,
      )
    }
    this.bytes = bytes
    this.position = position
    return this
  }

  /** Whole size in bytes, header included. */
  get sizeBytes(): number {
    return batchOverhead + readInt32(this.bytes, this.position + batchLengthAt)
  }

  /** Offset of the first record the batch was produced with, inclusive. */
  get baseOffset(): Offset {
    return this.#int64(baseOffsetAt, 'base offset') as Offset
  }

  /** Offset of the last record the batch was produced with, inclusive. */
  get lastOffset(): Offset {
    return checkedOffset(this.baseOffset + this.lastOffsetDelta)
  }

  /** Offset the next batch begins at or after. */
  get nextOffset(): Offset {
    return checkedOffset(this.baseOffset + this.lastOffsetDelta + 1)
  }

  /** Epoch of the leader that appended it, −1 unknown. */
  get leaderEpoch(): number {
    return readInt32(this.bytes, this.position + leaderEpochAt)
  }

  get magic(): number {
    return (this.bytes[this.position + magicAt]! << 24) >> 24
  }

  /** The stored CRC-32C, unsigned. */
  get crc(): number {
    return readUint32(this.bytes, this.position + crcAt)
  }

  /** All 16 bits, signed; only the low seven have a meaning. */
  get attributes(): number {
    return readInt16(this.bytes, this.position + attributesAt)
  }

  /** 0–7; 5–7 name no codec. */
  get codecId(): number {
    return this.#lowAttributes() & codecMask
  }

  /** Throws UnsupportedCodecError for ids 5–7. */
  get codec(): CodecName {
    return codecNameOf(this.codecId)
  }

  get timestampType(): 'create' | 'append' {
    return (this.#lowAttributes() & appendTimeBit) === 0 ? 'create' : 'append'
  }

  get isTransactional(): boolean {
    return (this.#lowAttributes() & transactionalBit) !== 0
  }

  get isControl(): boolean {
    return (this.#lowAttributes() & controlBit) !== 0
  }

  /** True when `baseTimestamp` is the time after which tombstones in here may be dropped. */
  get hasDeleteHorizon(): boolean {
    return (this.#lowAttributes() & deleteHorizonBit) !== 0
  }

  /** Last offset − base offset, as produced. */
  get lastOffsetDelta(): number {
    return readInt32(this.bytes, this.position + lastOffsetDeltaAt)
  }

  /** ms since the epoch that record deltas count from; −1 none; see `hasDeleteHorizon`. */
  get baseTimestamp(): number {
    return this.#int64(baseTimestampAt, 'base timestamp')
  }

  /** Largest record timestamp, or the append time, in ms since the epoch; −1 none. */
  get maxTimestamp(): number {
    return this.#int64(maxTimestampAt, 'max timestamp')
  }

  /** −1 when the producer was not idempotent. */
  get producerId(): number {
    return this.#int64(producerIdAt, 'producer id')
  }

  get producerEpoch(): number {
    return readInt16(this.bytes, this.position + producerEpochAt)
  }

  /** Sequence of the first record, −1 none. */
  get baseSequence(): number {
    return readInt32(this.bytes, this.position + baseSequenceAt)
  }

  /** Sequence of the last record, wrapping from 2^31 − 1 to 0; −1 none. */
  get lastSequence(): number {
    const first = this.baseSequence
    return first < 0 ? -1 : advanceSequence(first, this.lastOffsetDelta)
  }

  /** Records present; fewer than `lastOffsetDelta + 1` after compaction, even 0. */
  get recordCount(): number {
    return readInt32(this.bytes, this.position + recordCountAt)
  }

  /** Where the records (or their compressed form) begin and end in `bytes`; `end` exclusive. */
  get recordsStart(): number {
    return this.position + batchHeaderSize
  }

  get recordsEnd(): number {
    return this.position + this.sizeBytes
  }

  /** Computes the CRC over the whole batch, which must lie in `bytes`. False if its size lies. */
  hasValidCrc(): boolean {
    const size = this.sizeBytes
    if (size < batchHeaderSize || this.position + size > this.bytes.length) return false
    return crc32c(this.bytes, this.position + crcCoveredFrom, this.position + size) === this.crc
  }

  #lowAttributes(): number {
    // Readers of the format look at the low byte only.
    return this.bytes[this.position + attributesAt + 1]!
  }

  #int64(at: number, field: string): number {
    const value = readInt64OrNaN(this.bytes, this.position + at)
    if (Number.isNaN(value)) throw unsafeField(field, this.position)
    return value
  }
}

function unsafeField(field: string, position: number): CorruptBatchError {
  return new CorruptBatchError(
    `${field} of the batch at byte ${position} is beyond 2^53 − 1, which this engine refuses`,
  )
}

function checkedOffset(value: number): Offset {
  if (!Number.isSafeInteger(value)) {
    throw new CorruptBatchError('batch reaches past offset 2^53 − 1, which this engine refuses')
  }
  return value as Offset
}

/**
 * Size of the batch that begins at `position`, judged by its first 17 bytes.
 *
 * @param end  exclusive bound of valid bytes, at most `bytes.length`.
 * @returns    whole size in bytes when the batch lies inside `end`; 0 when it is incomplete (more
 *             bytes are needed); −1 when no batch of this format can begin here (length below 49
 *             or magic other than 2): `explainImpossibleBatch` says which.
 */
export function measureBatch(bytes: Buffer, position: number, end: number): number {
  if (end - position < batchOverhead) return 0
  const length = readInt32(bytes, position + batchLengthAt)
  if (length < minLegacyLength) return -1
  if (end - position < batchPrefixSize) return length < minBatchLength ? -1 : 0
  if (bytes[position + magicAt] !== currentMagic || length < minBatchLength) return -1
  return length > end - position - batchOverhead ? 0 : length + batchOverhead
}

/** Why `measureBatch` said −1. A legacy batch (magic 0 or 1) is told apart from garbage. */
export function explainImpossibleBatch(
  bytes: Buffer,
  position: number,
  end: number,
): 'legacy-magic' | 'unknown-magic' | 'impossible-length' {
  const length = end - position < batchOverhead ? 0 : readInt32(bytes, position + batchLengthAt)
  if (length < minLegacyLength || end - position < batchPrefixSize) return 'impossible-length'
  const magic = bytes[position + magicAt]!
  if (magic < currentMagic) return 'legacy-magic'
  return magic === currentMagic ? 'impossible-length' : 'unknown-magic'
}

/**
 * Gives the batch its place in the log: writes base offset and leader epoch, nothing else.
 * Both are outside the CRC, which stays valid.
 */
export function assignOffset(
  bytes: Buffer,
  position: number,
  baseOffset: Offset,
  leaderEpoch: number,
): void {
  writeInt64(bytes, position + baseOffsetAt, baseOffset)
  writeInt32(bytes, position + leaderEpochAt, leaderEpoch)
}

/**
 * Marks every record of the batch as appended at `timestampMs`: sets the timestamp-type bit and
 * maxTimestamp and computes the CRC anew. Deltas and baseTimestamp stay as they are.
 */
export function stampAppendTime(bytes: Buffer, position: number, timestampMs: number): void {
  bytes[position + attributesAt + 1] = bytes[position + attributesAt + 1]! | appendTimeBit
  writeInt64(bytes, position + maxTimestampAt, timestampMs)
  sealBatch(bytes, position)
}

/**
 * Marks the batch as carrying its producers' own timestamps, the largest of which is
 * `maxTimestampMs`, and computes the CRC anew.
 */
export function stampCreateTime(bytes: Buffer, position: number, maxTimestampMs: number): void {
  bytes[position + attributesAt + 1] = bytes[position + attributesAt + 1]! & ~appendTimeBit
  writeInt64(bytes, position + maxTimestampAt, maxTimestampMs)
  sealBatch(bytes, position)
}

/** Writes the CRC of the batch at `position`, whose length field is right. */
export function sealBatch(bytes: Buffer, position: number): void {
  const end = position + batchOverhead + readInt32(bytes, position + batchLengthAt)
  writeInt32(bytes, position + crcAt, crc32c(bytes, position + crcCoveredFrom, end))
}
