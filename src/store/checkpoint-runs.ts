/**
 * When checkpoints are made, one at a time: every so often, after so many bytes, and when somebody asks.
 * Those that come by themselves take their time.
 */
import type { Clock, Timer } from '../base/clock.ts'
import { StorageError } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import type { FlushCoordinator } from '../flush/flush-coordinator.ts'
import type { FlushTarget } from '../flush/flush-target.ts'
import type { Log } from '../log/log.ts'
import type { Checkpoints } from './checkpoints.ts'

export type CheckpointParts = {
  readonly commit: FlushCoordinator
  readonly checkpoints: Checkpoints
  readonly clock: Clock
  readonly logger: Logger
  /** Between two that come by themselves, in ms. */
  readonly intervalMs: number
  readonly openLogs: () => Iterable<Log>
  /** @throws ClosedError. */
  readonly assertOpen: () => void
}

export class CheckpointRuns {
  readonly #parts: CheckpointParts
  #timer: Timer | undefined
  #running: Promise<void> | undefined
  /** Somebody waits for the one that is under way. */
  #isUrgent = false
  #isStopped = false

  constructor(parts: CheckpointParts) {
    this.#parts = parts
  }

  /** From here on they come by themselves. */
  start(): void {
    const { clock, intervalMs } = this.#parts
    this.#timer = clock.after(intervalMs, () => {
      this.soon()
      this.start()
    })
  }

  /** None begins any more; one that is under way makes haste. */
  stop(): void {
    this.#isStopped = true
    this.#isUrgent = true
    this.#timer?.cancel()
  }

  /** Resolves when none is under way. */
  async idle(): Promise<void> {
    // Whoever asked for it was told how it ended.
    await this.#running?.catch(() => {})
  }

  /** Makes one of all that was written before the call. @throws (rejects) StorageError, ClosedError. */
  async run(): Promise<void> {
    const { assertOpen } = this.#parts
    assertOpen()
    this.#isUrgent = true
    // One that is under way may be past what was written last.
    await this.idle()
    assertOpen()
    this.#isUrgent = true
    await (this.#running ?? this.#begin())
  }

  /** Makes one unless one is under way; nobody waits for it. */
  soon(): void {
    if (this.#isStopped || this.#running !== undefined) return
    this.#begin().catch((error: unknown) => {
      // The old checkpoint still holds: a later start checks more than it had to.
      this.#parts.logger.error({ error: String(error) }, 'the checkpoint failed')
    })
  }

  #begin(): Promise<void> {
    this.#running = this.#make().finally(() => {
      this.#running = undefined
      this.#isUrgent = false
      // So much was written meanwhile that the next one is due, which nobody says again.
      if (this.#parts.commit.checkpointShare >= 1) this.soon()
    })
    return this.#running
  }

  async #make(): Promise<void> {
    const { commit, checkpoints, openLogs } = this.#parts
    commit.checkpointed()
    const targets = this.#prepared([...openLogs()])
    const isUrgent = () => this.#isUrgent || commit.checkpointShare >= 1 / 4
    await commit.syncGently(targets, isUrgent)
    checkpoints.write(openLogs())
  }

  *#prepared(logs: readonly Log[]): Generator<FlushTarget> {
    for (const log of logs) {
      if (!log.isOpen || log.recoveryPoint >= log.endOffset) continue
      this.#prepare(log)
      yield log.flushTarget
    }
  }

  #prepare(log: Log): void {
    try {
      log.prepareCheckpoint()
    } catch (error) {
      // Recovery begins further back in this log then.
      if (!(error instanceof StorageError)) throw error
      this.#parts.logger.warn({ log: log.name, error: error.message }, 'indexes not written')
    }
  }
}
