/**
 * Which segments of a log may go: a decision without side effects. The rules are Kafka's.
 *
 * | rule  | a segment goes while                                                              |
 * | ----- | --------------------------------------------------------------------------------- |
 * | start | the next one begins at or below the log start                                     |
 * | bytes | without it the log still has `maxBytes` or more                                   |
 * | time  | its largest timestamp, or its file's age without one, is more than `maxAgeMs` ago |
 *
 * Each rule walks from the oldest segment and stops at the first it does not apply to. What reaches
 * beyond the high watermark stays, and so does an empty active segment; an active one that holds
 * something goes when a rule says so, after the log was rolled.
 *
 * Segments with records that a named consumer has not committed are held, oldest cut first, as long
 * as they are no more than `maxHeldBytes` together.
 */
import type { Offset } from '../base/types.ts'

export type RetentionPolicy = {
  /** In ms; Infinity: for ever. */
  readonly maxAgeMs: number
  /** Infinity: any size. */
  readonly maxBytes: number
  /** Consumers whose unread records are held. */
  readonly retainFor: readonly string[]
  /** Bytes held for them at most, beyond what the rules keep. */
  readonly maxHeldBytes: number
}

export const keepForever: RetentionPolicy = {
  maxAgeMs: Infinity,
  maxBytes: Infinity,
  retainFor: [],
  maxHeldBytes: Infinity,
}

/** What the rules look at; a `Segment` is one. */
export type RetainedSegment = {
  readonly baseOffset: Offset
  readonly sizeBytes: number
  /** ms since the epoch; read only when the rule by time gets that far. */
  readonly largestTimestamp: number
}

export type RetentionBounds = {
  readonly logStart: Offset
  readonly highWatermark: Offset
  readonly logEnd: Offset
  /** First offset the slowest of `retainFor` has not committed; undefined: nothing is held. */
  readonly holdOffset: Offset | undefined
  readonly nowMs: number
}

export type RetentionPlan = {
  /** How many segments go, the oldest first. */
  readonly count: number
  /** The active segment is one of them: it must be rolled before. */
  readonly includesActive: boolean
  /** Where the log begins then; the log start when nothing goes. */
  readonly start: Offset
  /** Bytes the rules let go and a consumer holds: before any of them is cut because of the cap. */
  readonly heldBytes: number
  /** How many of the segments that go were held, and are cut because of `maxHeldBytes`. */
  readonly cutCount: number
}

/** `segments` in offset order, the active one last. */
export function segmentsToDelete(
  segments: readonly RetainedSegment[],
  policy: RetentionPolicy,
  bounds: RetentionBounds,
): RetentionPlan {
  const { logStart, holdOffset = Infinity } = bounds
  const deletable = deletableCount(segments, policy, bounds)
  // What is trimmed away nobody can read any more.
  const hold = Math.max(holdOffset, logStart)
  let count = 0
  while (count < deletable && endOf(segments, count, bounds) <= hold) count++
  let heldBytes = 0
  for (let i = count; i < deletable; i++) heldBytes += segments[i]!.sizeBytes
  let leftBytes = heldBytes
  const free = count
  while (leftBytes > policy.maxHeldBytes) leftBytes -= segments[count++]!.sizeBytes
  const start = count === 0 ? logStart : endOf(segments, count - 1, bounds)
  return {
    count,
    includesActive: count === segments.length,
    start: start > logStart ? start : logStart,
    heldBytes,
    cutCount: count - free,
  }
}

/** How many segments the rules let go, whoever has read them. */
function deletableCount(
  segments: readonly RetainedSegment[],
  policy: RetentionPolicy,
  bounds: RetentionBounds,
): number {
  const { logStart, highWatermark, nowMs } = bounds
  const most = segments.findIndex((segment, i) => {
    const isEmptyActive = i === segments.length - 1 && segment.sizeBytes === 0
    return isEmptyActive || endOf(segments, i, bounds) > highWatermark
  })
  const limit = most < 0 ? segments.length : most
  let belowStart = 0
  while (belowStart < segments.length - 1 && segments[belowStart + 1]!.baseOffset <= logStart) {
    belowStart++
  }
  let excessBytes = segments.reduce((sum, { sizeBytes }) => sum + sizeBytes, -policy.maxBytes)
  let tooLarge = 0
  while (tooLarge < limit && excessBytes - segments[tooLarge]!.sizeBytes >= 0) {
    excessBytes -= segments[tooLarge++]!.sizeBytes
  }
  let tooOld = 0
  if (policy.maxAgeMs !== Infinity) {
    while (tooOld < limit && nowMs - segments[tooOld]!.largestTimestamp > policy.maxAgeMs) tooOld++
  }
  return Math.min(limit, Math.max(belowStart, tooLarge, tooOld))
}

/** Exclusive. */
function endOf(
  segments: readonly RetainedSegment[],
  index: number,
  { logEnd }: RetentionBounds,
): Offset {
  return segments[index + 1]?.baseOffset ?? logEnd
}
