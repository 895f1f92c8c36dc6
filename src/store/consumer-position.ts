/**
 * How far each named consumer has come in each log: entries of one table of the store.
 *
 *     key   = <consumer>/<log>                       billing/orders-0
 *     value = { offset, epoch, committedMs, isCaughtUp, topicId }
 *
 * The leader epoch of the record before the position tells after an unclean stop whether that record
 * is still the one that was read: a position may be durable before the log is. The topic's id keeps a
 * topic made anew under an old name from inheriting positions.
 */
import { InvalidOptionError } from '../base/errors.ts'
import type { Offset } from '../base/types.ts'
import type { Log } from '../log/log.ts'
import type { Table } from '../table/table.ts'

export type PositionEntry = {
  /** First offset not consumed. */
  readonly offset: Offset
  /** Leader epoch of the record before it; at the log start, of the one there or of what comes next. */
  readonly epoch: number
  /** When it was committed, in ms since the epoch. */
  readonly committedMs: number
  /** Nothing was left to read then: what came later is no older than the commit. */
  readonly isCaughtUp: boolean
  /** Id of the topic that had the log. */
  readonly topicId: string
}

export type PositionTable = Table<string, PositionEntry>

/** Codecs of the table. */
export const positionsSpec = { key: 'string', value: 'json' } as const

/** How far a consumer is behind a log. Bounds from indexes, without reading records. */
export type ConsumerLag = {
  /** Offsets between the committed position, or the log start if that is higher, and the end. */
  readonly records: number
  /** Bytes of them, rounded up by an index interval and a batch at most. */
  readonly bytes: number
  /** How old the first of them is at most, in ms; 0 when there is none. */
  readonly ageMs: number
}

/** Throws InvalidOptionError unless `name` may name a consumer. */
export function checkConsumerName(name: unknown): asserts name is string {
  if (typeof name === 'string' && /^[a-zA-Z0-9._-]{1,249}$/.test(name)) return
  const expected = '1–249 characters of a–z A–Z 0–9 . _ -'
  throw new InvalidOptionError({ option: 'consumer', value: name, expected })
}

export function positionKey(consumer: string, log: string): string {
  return `${consumer}/${log}`
}

export function parsePositionKey(key: string): { consumer: string; log: string } {
  const slash = key.indexOf('/')
  return { consumer: key.slice(0, slash), log: key.slice(slash + 1) }
}

/** What is to be stored for a commit of `offset`, which lies inside the log. */
export function positionOf(log: Log, topicId: string, offset: Offset): PositionEntry {
  return {
    offset,
    epoch: epochBefore(log, offset),
    committedMs: log.clock.now(),
    isCaughtUp: offset >= log.highWatermark,
    topicId,
  }
}

/** At the log start a truncation to below it must be told too: by what stands there, or comes next. */
function epochBefore(log: Log, offset: Offset): number {
  const epoch = log.epochOf(Math.max(offset - 1, log.startOffset))
  return epoch < 0 ? log.leaderEpoch : epoch
}

/**
 * Where a stored position is in the log as it is now: records before it that a crash took are to be
 * read again, as whatever stands in their place.
 */
export function validOffset(entry: PositionEntry, log: Log): Offset {
  const { endOffset } = log
  const known = entry.epoch < 0 ? -1 : log.endOfEpoch(entry.epoch).endOffset
  const end = known >= 0 && known < endOffset ? known : endOffset
  return Math.min(entry.offset, end) as Offset
}

/** How far a position is behind; `from` may be below the log start. */
export function lagOf(log: Log, from: Offset, entry: PositionEntry | undefined): ConsumerLag {
  const first = Math.max(from, log.startOffset) as Offset
  const records = log.highWatermark - first
  if (records <= 0) return { records: 0, bytes: 0, ageMs: 0 }
  const { bytes, timestamp } = log.indexedDistance(first)
  const isSinceCommit = entry?.isCaughtUp === true && entry.offset === first
  const since = isSinceCommit ? Math.max(timestamp, entry.committedMs) : timestamp
  return { records, bytes, ageMs: since < 0 ? 0 : Math.max(log.clock.now() - since, 0) }
}
