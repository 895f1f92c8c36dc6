/**
 * Appends to several logs, all or none, visible at once.
 *
 * One batch a log is built, marked as a member of the group and written to one frame of the journal
 * together with everything of these logs that is not durable yet; then the batches go to their
 * segments. All of it happens in one turn of the event loop, so nobody in this process sees a part.
 * A killed process has the frame or not: replay completes the segments, or they have nothing. After a
 * loss of power a member whose frame is not whole is cut by recovery (record/group-mark.ts); a frame
 * that is whole is replayed. One sync of the journal makes the group durable.
 *
 * When a segment cannot be written the frame is written again without the group, and says so: whatever
 * a crash then leaves of its batches in the segments is cut by recovery, as if the frame were torn.
 */
import { assert } from '../base/assert.ts'
import type { Offset } from '../base/types.ts'
import type { FlushCoordinator } from '../flush/flush-coordinator.ts'
import type { GroupMember } from '../flush/flush-target.ts'
import { markGroup } from '../record/group-mark.ts'
import type { Log } from './log.ts'

/** What a group appends to one log. */
export type GroupPart = {
  readonly log: Log
  /** One checked batch from `log.encodeForGroup`; changed in place. */
  readonly batch: Buffer
}

/** A log whose records below `end` (exclusive) a group was made of. */
export type GroupInput = { readonly log: Log; readonly end: Offset }

export type GroupCalls = {
  /** Somebody waits for the group to be durable. */
  readonly isAwaited: boolean
  /**
   * Called in the turn in which the group is written, before anything is: throws when the group must
   * not be.
   */
  readonly check: () => void
  /** Called in that turn, with the base offset of each part, before others are told. */
  readonly written: (baseOffsets: readonly Offset[]) => void
}

/**
 * Writes the parts; every log at most once. What the inputs have not made durable yet goes into the
 * same frame or an earlier one: no crash leaves the group without them.
 *
 * @throws (rejects) what `check` throws; BatchTooLargeError, OffsetExhaustedError, StorageError,
 *         LogFailedError, ClosedError: nothing was appended.
 */
export async function appendGroup(
  commit: FlushCoordinator,
  { parts, inputs = [] }: { parts: readonly GroupPart[]; inputs?: readonly GroupInput[] },
  { isAwaited, check, written }: GroupCalls,
): Promise<void> {
  assert(new Set(parts.map(({ log }) => log)).size === parts.length, 'a log has one part')
  for (;;) {
    await commit.readyForGroup()
    // A truncation may have voided the journal since.
    if (!commit.hasJournal) continue
    check()
    // Placing may roll a segment, which leaves more to be staged.
    for (const { log, batch } of parts) log.placeForGroup(batch)
    const behind = inputs.filter(({ log, end }) => log.durableOffset < end)
    for (const { log } of behind) if (log.failure !== undefined) throw log.failure
    const dirty = [...parts, ...behind].filter(({ log }) => !commit.stageForGroup(log.flushTarget))
    if (dirty.length > 0) {
      await commit.syncAll(dirty.map(({ log }) => log.flushTarget))
      continue
    }
    const mark = commit.nextGroup
    for (const { batch } of parts) markGroup(batch, mark)
    const members = parts.map(({ log, batch }) => log.placeForGroup(batch))
    if (!commit.writeGroup(members, isAwaited)) {
      await commit.roomForGroup()
      continue
    }
    writeParts(commit, parts, { members, sequence: mark.sequence, written })
    return
  }
}

function writeParts(
  commit: FlushCoordinator,
  parts: readonly GroupPart[],
  group: {
    readonly members: readonly GroupMember[]
    readonly sequence: number
    readonly written: (baseOffsets: readonly Offset[]) => void
  },
): void {
  const { members, sequence, written } = group
  const baseOffsets = parts.map(({ log }) => log.endOffset)
  let done = 0
  try {
    for (const { log, batch } of parts) {
      log.writeForGroup(batch, sequence)
      done++
    }
  } catch (error) {
    try {
      commit.takeBackGroup(members[0] as GroupMember, sequence)
    } catch {
      // Every log has failed with the reason; the first error is the one to report.
    }
    for (let i = 0; i < done; i++) {
      const { log } = parts[i] as GroupPart
      log.undoGroup((members[i] as GroupMember).place.position, baseOffsets[i] as Offset)
    }
    throw error
  }
  written(baseOffsets)
  parts.forEach(({ log }, i) => {
    log.tellGroupWritten(baseOffsets[i] as Offset)
  })
}
