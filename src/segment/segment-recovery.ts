/**
 * Recovery of one segment after an unclean stop: check every batch, cut what is not whole, build
 * the indexes anew. What lies before the last saved index entry below the recovery point is left
 * alone, so that the time it takes depends on what was written since the last checkpoint.
 *
 * The first batch that is incomplete, impossible, fails its checksum or does not follow the one
 * before ends the scan, and the file is cut there: what follows was never acknowledged as durable.
 * Below the recovery point it was, so a fault there is damage, which is reported and left as it is.
 *
 * What is kept is written once more, in place. After a failed fdatasync the kernel takes pages for
 * clean that never reached the disk: the process that saw the failure is gone, reads still find them,
 * and the next fdatasync would pass over them.
 */
import { LogError } from '../base/errors.ts'
import type { FilePosition, Offset } from '../base/types.ts'
import type { BatchView } from '../record/batch-view.ts'
import { isOfTornGroup, type WholeFrames } from '../record/group-mark.ts'
import type { IndexSeal } from './index-seal.ts'
import { maxRelativeOffset, type Segment } from './segment.ts'

export type SegmentRecovery = {
  /** Offset after the last batch kept; the base offset when none was. */
  readonly nextOffset: Offset
  /** Batches looked at and kept. */
  readonly batchCount: number
  /** Bytes looked at. */
  readonly checkedBytes: number
  /** What was cut, when something was. */
  readonly cut: { position: FilePosition; bytes: number; reason: string } | undefined
}

export type RecoveryRules = {
  /** Records below are known to be durable: their checksums are left to those who read them. */
  readonly trustedBelow: Offset
  /** Index files that were whole when records below `trustedBelow` became durable. */
  readonly indexSeal: IndexSeal | undefined
  /** No offset may be missing: false for logs that were compacted. */
  readonly isDense: boolean
  /** Which groups count that batches are of. */
  readonly wholeFrames: readonly WholeFrames[]
  /** Every batch of a dense log has a leader epoch from 0 to this. */
  readonly maxLeaderEpoch: number
}

/** Bytes scanned between two yields: the caller may report progress and let the loop turn. */
const yieldBytes = 32 * 1024 * 1024

/**
 * Scans `segment`, which must be sealed and closed to readers, and leaves it sealed with fresh
 * indexes in memory. Yields the bytes scanned since the last yield, now and then.
 *
 * @param onBatch called for every batch kept, in order; the view is valid during the call only.
 */
export function* recoverSegment(
  segment: Segment,
  rules: RecoveryRules,
  onBatch: (batch: BatchView) => void,
): Generator<number, SegmentRecovery> {
  const seal = rules.indexSeal?.baseOffset === segment.baseOffset ? rules.indexSeal : undefined
  if (seal === undefined) segment.resetIndexes()
  const resumed = seal === undefined ? undefined : segment.resumeIndexes(rules.trustedBelow, seal)
  const scanner = segment.scan('whole', resumed?.position)
  let nextOffset = resumed?.baseOffset ?? segment.baseOffset
  let leaderEpoch = -1
  let batchCount = 0
  const start: number = scanner.position
  let yielded = start
  for (;;) {
    const step = scanner.next()
    const checkedBytes = scanner.position - start
    if (step === 'end') {
      segment.rewrite(start)
      return { nextOffset, batchCount, checkedBytes, cut: undefined }
    }
    const fault =
      step === 'batch'
        ? faultOf(segment, scanner.view, { nextOffset, leaderEpoch }, rules)
        : `${step} batch`
    if (fault !== undefined) {
      if (nextOffset < rules.trustedBelow) {
        const known = `everything below offset ${rules.trustedBelow} was durable`
        throw segment.corruption(
          scanner.position,
          `${fault} where ${nextOffset} goes on and ${known},`,
        )
      }
      const cut = {
        position: scanner.position,
        bytes: segment.sizeBytes - scanner.position,
        reason: fault,
      }
      segment.truncate(scanner.position, nextOffset)
      segment.rewrite(start)
      return { nextOffset, batchCount, checkedBytes, cut }
    }
    const { view } = scanner
    segment.indexStored(view.lastOffset, scanner.position, view.sizeBytes, view.maxTimestamp)
    onBatch(view)
    nextOffset = view.nextOffset
    leaderEpoch = view.leaderEpoch
    batchCount++
    if (scanner.position - yielded >= yieldBytes) {
      yield scanner.position - yielded
      yielded = scanner.position
    }
  }
}

/** Where the batches before end, and the epoch of the last of them. */
type BeforeBatch = { readonly nextOffset: Offset; readonly leaderEpoch: number }

function faultOf(
  segment: Segment,
  batch: BatchView,
  before: BeforeBatch,
  rules: RecoveryRules,
): string | undefined {
  try {
    return findFault(segment, batch, before, rules)
  } catch (error) {
    // The base offset is outside the checksum: any eight bytes can stand there.
    if (error instanceof LogError) return error.message
    throw error
  }
}

function findFault(
  segment: Segment,
  batch: BatchView,
  before: BeforeBatch,
  rules: RecoveryRules,
): string | undefined {
  const { nextOffset } = before
  const isTrusted = nextOffset < rules.trustedBelow
  if (!isTrusted && !batch.hasValidCrc()) return 'checksum mismatch'
  if (!isTrusted && isOfTornGroup(batch, rules.wholeFrames))
    return 'part of a group that is not whole'
  if (batch.lastOffsetDelta < 0) return 'negative last offset delta'
  if (batch.maxTimestamp < -1) return 'negative timestamp'
  if (batch.baseOffset < nextOffset) return 'offset below the one expected'
  if (batch.lastOffset - segment.baseOffset > maxRelativeOffset) return 'offset beyond the segment'
  if (!rules.isDense) return undefined
  // Neither field is under the checksum.
  if (batch.baseOffset !== nextOffset) return 'offset above the one expected'
  if (batch.leaderEpoch < 0 || batch.leaderEpoch > rules.maxLeaderEpoch) {
    return 'leader epoch that never was'
  }
  if (batch.leaderEpoch < before.leaderEpoch) return 'leader epoch below the one before'
  return undefined
}
