/** What the flush coordinator and a log ask of each other. */
import type { RedoPrefix } from './journal-format.ts'
import type { JournalFrame, RedoPlace } from './journal-frame.ts'

/** What a log does in a round. */
export type StagePlan =
  /** It has nothing to make durable. */
  | 'clean'
  /** All it has stands in the frame: `journaled` follows when that is durable. */
  | 'staged'
  /** `sync` it. */
  | 'sync'

/** Something with dirty bytes: a log. */
export interface FlushTarget {
  readonly isFailed: boolean
  /**
   * Puts what waits for the kernel into the forming frame, which it gets in this turn, or hands it over
   * itself. Never throws.
   */
  settle(): void
  /**
   * Puts what is dirty and not yet in a frame into `frame`; undefined: there is no journal. Never
   * throws.
   */
  stage(frame: JournalFrame | undefined): StagePlan
  /** Puts all that is dirty into `frame`, whatever is asked of it; false when it must be synced. */
  stageAll(frame: JournalFrame): boolean
  /** Bytes that stand in memory and in the journal, and not in the segment's file yet. */
  readonly keptBytes: number
  /** Hands them to the kernel, while the device is busy. Never throws: they stay there when it fails. */
  writeBehind(): void
  /** What `stage` put into a frame, or found there, is durable. */
  journaled(): void
  /** The frame that held what was staged was dropped: nothing of it became durable. */
  unstage(): void
  /**
   * Makes durable, in the segments, what was written before the call. Never rejects: a failure is
   * final for the target, which tells those who wait for it.
   */
  sync(): Promise<void>
  /** The same, on this thread. Throws the failure. */
  syncNow(): void
  /** The journal failed: nothing becomes durable any more. */
  fail(error: unknown): void
}

/** What an atomic group writes to one log. */
export type GroupMember = {
  readonly target: FlushTarget
  readonly prefix: RedoPrefix
  readonly place: RedoPlace
  readonly bytes: Buffer
}
