/**
 * What the store gives to one log: a name, and the rest shared. Many logs are open at once, so that
 * each has three fields here and nothing of its own that can be told from them.
 */
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { FlushCoordinator } from '../flush/flush-coordinator.ts'
import type { LogEnvironment } from '../log/log-environment.ts'
import type { LogSettings } from '../log/log-settings.ts'
import type { SharedBuilders } from '../log/shared-builders.ts'
import type { FileSystem } from '../platform/file-system.ts'
import type { SegmentFiles } from '../segment/segment-files.ts'
import { logDirectoryName } from './store-layout.ts'

/** The same for all logs of a store. */
export type SharedEnvironment = Pick<
  LogEnvironment,
  | 'fileSystem'
  | 'files'
  | 'clock'
  | 'logger'
  | 'random'
  | 'commit'
  | 'builders'
  | 'onRecoveryPointLowered'
  | 'raiseLeaderEpoch'
> & {
  /** The data directory. */
  readonly path: string
  /** As in LogEnvironment. */
  leaderEpoch: number
}

/** Whose settings they are: a topic, as a rule. */
export type SettingsSource = { readonly config: { readonly settings: LogSettings } }

export type TopicFacts = {
  readonly name: string
  readonly topicId: string
  readonly isReplicated: boolean
  readonly mayHaveGaps: boolean
}

/**
 * The same for all partitions of a topic. A class, so that logs of many topics find the settings of
 * each by the same way, which the compiler then knows.
 */
export class TopicEnvironment implements TopicFacts {
  readonly name: string
  readonly topicId: string
  readonly isReplicated: boolean
  readonly #mayHaveGaps: boolean
  readonly #source: SettingsSource

  constructor(facts: TopicFacts, source: SettingsSource) {
    this.name = facts.name
    this.topicId = facts.topicId
    this.isReplicated = facts.isReplicated
    this.#mayHaveGaps = facts.mayHaveGaps
    this.#source = source
  }

  /** Live, as those of a log are. */
  get settings(): LogSettings {
    return this.#source.config.settings
  }
  get mayHaveGaps(): boolean {
    return this.#mayHaveGaps || this.settings.requiresKeys
  }
}

export class PartitionEnvironment implements LogEnvironment {
  readonly #store: SharedEnvironment
  readonly #topic: TopicEnvironment
  readonly name: string

  constructor(store: SharedEnvironment, topic: TopicEnvironment, partition: number) {
    this.#store = store
    this.#topic = topic
    this.name = logDirectoryName(topic.name, partition)
  }

  get directory(): string {
    return `${this.#store.path}/${this.name}`
  }
  get topicId(): string {
    return this.#topic.topicId
  }
  get isReplicated(): boolean {
    return this.#topic.isReplicated
  }
  get settings(): LogSettings {
    return this.#topic.settings
  }
  get mayHaveGaps(): boolean {
    return this.#topic.mayHaveGaps
  }
  get fileSystem(): FileSystem {
    return this.#store.fileSystem
  }
  get files(): SegmentFiles {
    return this.#store.files
  }
  get clock(): Clock {
    return this.#store.clock
  }
  get logger(): Logger {
    return this.#store.logger
  }
  get random(): () => number {
    return this.#store.random
  }
  get commit(): FlushCoordinator {
    return this.#store.commit
  }
  get leaderEpoch(): number {
    return this.#store.leaderEpoch
  }
  get builders(): SharedBuilders {
    return this.#store.builders
  }
  get onRecoveryPointLowered(): () => void {
    return this.#store.onRecoveryPointLowered
  }
  get raiseLeaderEpoch(): () => void {
    return this.#store.raiseLeaderEpoch
  }
}
