/**
 * How a batch says that it belongs to an atomic group of several logs: in the fields of an idempotent
 * producer, with an id that no producer has and no client may send.
 *
 *     producerId    = −2 − id of the journal that holds the group's frame
 *     baseSequence  = number of that frame, modulo 2^31
 *
 * Everybody else takes a negative producer id for none. Recovery looks at it: the batch counts only if
 * the frame is there whole, or went when all of it had been written back.
 */
import { baseSequenceAt, producerIdAt } from './batch-format.ts'
import { type BatchView, sealBatch } from './batch-view.ts'
import { writeInt32, writeInt64 } from './int64.ts'

export type GroupMark = {
  /** Below 2^32. */
  readonly journalId: number
  readonly sequence: number
}

/** Which frames of a journal count, as recovery finds it. */
export type WholeFrames = {
  readonly journalId: number
  /** The last frame that is whole. */
  readonly sequence: number
  /** Frames whose groups were taken back, because a segment could not be written. */
  readonly takenBack: readonly number[]
}

const firstGroupId = -2
const sequenceMask = 0x7fff_ffff
const halfOfSequences = 0x4000_0000

/** Marks the whole batch in `bytes`, and seals it anew. */
export function markGroup(bytes: Buffer, { journalId, sequence }: GroupMark): void {
  writeInt64(bytes, producerIdAt, firstGroupId - journalId)
  writeInt32(bytes, baseSequenceAt, sequence % (sequenceMask + 1))
  sealBatch(bytes, 0)
}

/**
 * Whether `batch` is of a group whose frame is not whole, or that was taken back.
 *
 * @param journals those that the batch may be older than; of others all frames count.
 */
export function isOfTornGroup(batch: BatchView, journals: readonly WholeFrames[]): boolean {
  return journals.some((frames) => isTornIn(frames, batch))
}

function isTornIn(last: WholeFrames, batch: BatchView): boolean {
  if (batch.producerId !== firstGroupId - last.journalId) return false
  for (const sequence of last.takenBack) {
    if (((batch.baseSequence - sequence) & sequenceMask) === 0) return true
  }
  // Frames alive at once are few, so the shorter way round is the right one.
  const ahead = (batch.baseSequence - last.sequence) & sequenceMask
  return ahead > 0 && ahead < halfOfSequences
}
