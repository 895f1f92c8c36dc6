/**
 * What can be set per log. A topic's settings object is shared by its partitions and read at every
 * use, so that a change acts at once. Sizes are bytes, times are milliseconds.
 */
import type { DurabilityLevel } from '../base/types.ts'
import { dayMs, gibibyte, mebibyte } from '../base/units.ts'
import { type FlushPolicy, neverFlush } from '../flush/flush-policy.ts'
import type { CodecName } from '../record/codec-name.ts'
import type { SegmentSettings } from '../segment/segment.ts'
import { keepForever, type RetentionPolicy } from './retention.ts'

export type LogSettings = SegmentSettings & {
  /** A segment rolls when its first record is this much older than the one to append. */
  readonly segmentMs: number
  /** Rolls are spread by up to this much, so that many logs do not roll at once. */
  readonly segmentJitterMs: number
  /** Largest whole batch accepted, after any recompression. */
  readonly maxBatchBytes: number
  /** Largest records section a compressed batch may expand to. */
  readonly maxDecompressedBytes: number
  /** Whose clock stamps records: the producer's, or this log's at the append. */
  readonly timestampType: 'create' | 'append'
  /** Oldest and furthest-future producer timestamps accepted, relative to now. */
  readonly timestampBeforeMaxMs: number
  readonly timestampAfterMaxMs: number
  /** Codec batches are stored in; `producer` keeps whatever they came in. */
  readonly compression: 'producer' | CodecName
  /** Records without a key are refused (compacted topics). */
  readonly requiresKeys: boolean
  /** When data nobody waits for is flushed. */
  readonly flush: FlushPolicy
  /** When old segments go by themselves. */
  readonly retention: RetentionPolicy
  /** How long files of a removed segment stay on disk, under another name; 0 = not at all. */
  readonly deleteDelayMs: number
  /** An idempotent producer silent for this long is forgotten. */
  readonly producerExpiryMs: number
  /** Level an append waits for unless it says otherwise. */
  readonly level: DurabilityLevel
}

export const defaultLogSettings: LogSettings = {
  segmentBytes: gibibyte,
  segmentMs: 7 * dayMs,
  segmentJitterMs: 0,
  indexIntervalBytes: 4096,
  indexBytes: 10 * mebibyte,
  maxBatchBytes: 1_048_588,
  maxDecompressedBytes: 128 * mebibyte,
  timestampType: 'create',
  timestampBeforeMaxMs: Number.MAX_SAFE_INTEGER,
  timestampAfterMaxMs: Number.MAX_SAFE_INTEGER,
  compression: 'producer',
  requiresKeys: false,
  flush: neverFlush,
  retention: keepForever,
  deleteDelayMs: 0,
  producerExpiryMs: dayMs,
  level: 'disk',
}
