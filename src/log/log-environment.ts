/** What a log needs from its store: disk, clock, settings, and what all logs share. */
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { FlushCoordinator } from '../flush/flush-coordinator.ts'
import type { FileSystem } from '../platform/file-system.ts'
import type { SegmentFiles } from '../segment/segment-files.ts'
import type { LogSettings } from './log-settings.ts'
import type { SharedBuilders } from './shared-builders.ts'

/** Where the files of a log are. */
export type LogHome = {
  readonly fileSystem: FileSystem
  /** The partition directory, `<store>/<topic>-<partition>`; it exists. */
  readonly directory: string
}

export type LogEnvironment = LogHome & {
  /** Open `.log` files of all logs. */
  readonly files: SegmentFiles
  /** `<topic>-<partition>`, for messages. */
  readonly name: string
  /** Tells the topic from an earlier one of its name; empty for the store's own log. */
  readonly topicId: string
  readonly clock: Clock
  readonly logger: Logger
  /** Uniform in [0, 1). */
  readonly random: () => number
  /** Live: the topic swaps what it returns. */
  readonly settings: LogSettings
  readonly commit: FlushCoordinator
  /** Epoch stamped into appended batches, unless the log is replicated. Grows by `raiseLeaderEpoch`. */
  readonly leaderEpoch: number
  /** The embedder replicates the log: leader epochs and high watermark are its own. */
  readonly isReplicated?: boolean
  readonly builders: SharedBuilders
  /** The log may lack offsets, because it was compacted, here or by another program. */
  readonly mayHaveGaps?: boolean
  /**
   * A truncation or trim made the checkpointed recovery point or log start wrong: both must be
   * durable on return.
   */
  readonly onRecoveryPointLowered: () => void
  /**
   * A truncation begins: what is appended from here on has a higher leader epoch than what goes, so
   * that who has read that can tell. Durable on return. Throws StorageError, LogFailedError.
   */
  readonly raiseLeaderEpoch: () => void
}
