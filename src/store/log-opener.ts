/**
 * Opens the logs of a store: what each is given, what the last stop left of it, and what is said when
 * something had to be cut, or cannot be known.
 */
import { CorruptionError, type LogError } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import { drain } from '../base/steps.ts'
import { Log } from '../log/log.ts'
import type { LogEnvironment } from '../log/log-environment.ts'
import { type LoadedLog, loadLog } from '../log/log-loader.ts'
import type { LogSettings } from '../log/log-settings.ts'
import { isMediaFailure } from '../platform/storage-failure.ts'
import type { WholeFrames } from '../record/group-mark.ts'
import type { Checkpoints } from './checkpoints.ts'
import {
  PartitionEnvironment,
  type SettingsSource,
  type SharedEnvironment,
  TopicEnvironment,
} from './partition-environment.ts'
import { systemTopic } from './store-layout.ts'
import type { StoreMetadata } from './store-metadata.ts'

export type OpenerParts = {
  /** What all logs share, but for the leader epoch. */
  readonly shared: Omit<SharedEnvironment, 'leaderEpoch' | 'raiseLeaderEpoch'>
  readonly checkpoints: Checkpoints
  readonly logger: Logger
  readonly wasClean: boolean
  /** Not asked for the store's own log, which it is read from. */
  readonly metadata: () => StoreMetadata
}

export class LogOpener {
  readonly #parts: OpenerParts
  #leaderEpoch = 0
  #shared: SharedEnvironment | undefined
  /** Which groups count; none are asked for once every log was recovered. */
  wholeFrames: readonly WholeFrames[] = []

  constructor(parts: OpenerParts) {
    this.#parts = parts
  }

  /** Of every log that is not replicated and is opened from here on; set it before the first topic's. */
  get leaderEpoch(): number {
    return this.#leaderEpoch
  }
  set leaderEpoch(epoch: number) {
    this.#leaderEpoch = epoch
  }

  #raiseLeaderEpoch(): void {
    const epoch = this.#leaderEpoch + 1
    // Durable before a record has it: recovery takes a batch of a higher epoch for damage.
    this.#parts.metadata().setLeaderEpochNow(epoch)
    this.#leaderEpoch = epoch
    if (this.#shared !== undefined) this.#shared.leaderEpoch = epoch
  }

  /** What the partitions of a topic share; their settings are those of the moment. */
  topicEnvironment(name: string, source: SettingsSource): TopicEnvironment {
    const entry = name === systemTopic ? undefined : this.#parts.metadata().topic(name)
    const facts = {
      name,
      topicId: entry?.id ?? '',
      isReplicated: entry?.isReplicated === true,
      mayHaveGaps: this.#mayHaveGaps(name, source.config.settings),
    }
    return new TopicEnvironment(facts, source)
  }

  #mayHaveGaps(topic: string, settings: LogSettings): boolean {
    // Nobody names records of the store's own table by offset: a repair may leave some out.
    if (topic === systemTopic) return true
    const entry = this.#parts.metadata().topic(topic)
    return settings.requiresKeys || entry?.isAdopted === true || entry?.hasHoles === true
  }

  environment(topic: TopicEnvironment, partition: number): LogEnvironment {
    const leaderEpoch = this.#leaderEpoch
    if (this.#shared?.leaderEpoch !== leaderEpoch) {
      const raiseLeaderEpoch = (): void => this.#raiseLeaderEpoch()
      this.#shared = { ...this.#parts.shared, leaderEpoch, raiseLeaderEpoch }
    }
    return new PartitionEnvironment(this.#shared, topic, partition)
  }

  /** Opens one log at once: after a clean stop, or a small one. @throws as `loadLog`. */
  open(env: LogEnvironment): Log {
    return this.opened(env, drain(this.#loading(env)))
  }

  #loading(env: LogEnvironment): Generator<number, LoadedLog> {
    const { checkpoints, wasClean } = this.#parts
    return loadLog(env, {
      isClean: wasClean,
      recoveryPoint: checkpoints.recoveryPoint(env.name),
      indexSeal: checkpoints.indexSeal(env.name),
      wholeFrames: this.wholeFrames,
      logStart: checkpoints.logStart(env.name),
      highWatermark: checkpoints.highWatermark(env.name),
    })
  }

  /**
   * `loadLog` in its steps, for `opened`; or what is wrong with the log: one that is damaged, or stands on
   * a bad sector, must not keep the others from being served.
   */
  *loadingUnlessDamaged(env: LogEnvironment): Generator<number, LoadedLog | LogError> {
    try {
      return yield* this.#loading(env)
    } catch (error) {
      if (!(error instanceof CorruptionError) && !isMediaFailure(error)) throw error
      const fields = { log: env.name, error: error.message }
      this.#parts.logger.error(fields, 'log cannot be recovered and stays closed')
      return error
    }
  }

  opened(env: LogEnvironment, loaded: LoadedLog): Log {
    if (loaded.cut !== undefined) this.#parts.logger.warn(loaded.cut, 'cut a damaged tail')
    return new Log(env, loaded)
  }
}
