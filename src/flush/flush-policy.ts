/**
 * When un-synced data of a log is due to be flushed although nobody waits for it, and by which way.
 * Pure: the log asks after every append and when its timer fires.
 */
import { poolThreads } from '../base/for-each-limited.ts'
import { kibibyte, mebibyte } from '../base/units.ts'

export type FlushPolicy = {
  /** Flush when this many records are not yet durable (`flush.messages`); Infinity = never. */
  readonly maxUnflushedRecords: number
  /** Flush when the oldest un-synced record is this old (`flush.ms`); Infinity = never. */
  readonly maxUnflushedMs: number
}

export const neverFlush: FlushPolicy = { maxUnflushedRecords: Infinity, maxUnflushedMs: Infinity }

/**
 * @param unflushedRecords records past the recovery point.
 * @param unflushedMs age of the oldest of them.
 */
export function isFlushDue(
  policy: FlushPolicy,
  unflushedRecords: number,
  unflushedMs: number,
): boolean {
  if (unflushedRecords === 0) return false
  return unflushedRecords >= policy.maxUnflushedRecords || unflushedMs >= policy.maxUnflushedMs
}

/**
 * Most bytes one log puts into a journal frame; more of them sync its segment directly. A frame is
 * ahead in the wait for the disk at every size, but its bytes are written twice: counting that, the
 * two break even at 160–250 KiB a log, whatever the number of logs (`npm run bench flush/sync-cost`).
 */
export const maxStagedBytes = 192 * 1024

/**
 * Whether a sync may run on the calling thread. The way through the thread pool costs a lone appender
 * 12–25 µs of 110 (`npm run bench flush/sync-cost`), and more on a busy machine; on a device that answers
 * in less than `fastSyncMs` on average the loop can afford to wait instead. The first answer decides for
 * the next ones; later a slow one sends the next ones to the pool: ten or so after one of some
 * milliseconds.
 */
export class SyncPace {
  #averageMs: number | undefined

  get isFast(): boolean {
    return this.#averageMs !== undefined && this.#averageMs < fastSyncMs
  }

  took(elapsedMs: number): void {
    const ms = Math.min(elapsedMs, slowSyncMs)
    if (this.#averageMs === undefined) this.#averageMs = ms
    else this.#averageMs += (ms - this.#averageMs) / averagedSyncs
  }
}

const fastSyncMs = 0.25
/** What a slow sync counts as, however slow. */
const slowSyncMs = 4
const averagedSyncs = 16

/**
 * How many logs of a region of the journal are synced at a time. Few of them have much each: all of it at
 * once keeps the next frames waiting at the device (64 appenders on 64 logs were 6 % slower).
 *
 * @param most how many the file system takes at best.
 */
export function writeBackAtOnce(logCount: number, most: number): number {
  return logCount > most ? most : Math.min(most, poolThreads)
}

/**
 * Sizes for the journal of a store with so many logs, best first. When a region is full every log in it is
 * synced: with thousands of them that costs more than all else unless each had some bytes (10,000 logs in
 * turn at 64 appenders: 70 k records/s with the least size, 88–108 k with the most, and no more with twice that).
 */
export function journalSizesFor(logCount: number): readonly number[] {
  const wanted = Math.min(logCount * journalBytesPerLog, mostJournalBytes)
  return wanted > leastJournalBytes ? [wanted, leastJournalBytes] : [leastJournalBytes]
}

const journalBytesPerLog = 32 * kibibyte
const leastJournalBytes = 32 * mebibyte
const mostJournalBytes = 128 * mebibyte
