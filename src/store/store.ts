/**
 * A data directory of logs: open and recover, find, create and delete topics, close.
 *
 * One process at a time: the directory is locked while it is open. Topics and their settings live
 * in the store's own table; partition directories without an entry there (a directory that Kafka
 * wrote) are adopted.
 *
 * Past 500 lines because opening, creating and deleting must agree on one order of table entries,
 * directories and checkpoints: what a crash leaves of one is what the next has to understand.
 */
import {
  ClosedError,
  InvalidTopicError,
  TopicExistsError,
  UnknownTopicError,
} from '../base/errors.ts'
import { forEachLimited } from '../base/for-each-limited.ts'
import { Limiter } from '../base/limiter.ts'
import {
  booleanOption,
  functionOption,
  integerOption,
  knownOptions,
  oneOfOption,
  pathOption,
} from '../base/option-fields.ts'
import type { DurabilityLevel } from '../base/types.ts'
import { FlushCoordinator } from '../flush/flush-coordinator.ts'
import { journalSizesFor } from '../flush/flush-policy.ts'
import { JournalReplay, removeJournal } from '../flush/journal-replay.ts'
import { readWholeFrames, writeWholeFrames } from '../flush/whole-frames.ts'
import type { Log } from '../log/log.ts'
import { defaultLogSettings } from '../log/log-settings.ts'
import { SharedBuilders } from '../log/shared-builders.ts'
import type { DirectoryLock } from '../platform/file-system.ts'
import { SheddingFileSystem } from '../platform/shedding-file-system.ts'
import type { WholeFrames } from '../record/group-mark.ts'
import { SegmentFiles } from '../segment/segment-files.ts'
import type { Table } from '../table/table.ts'
import type { CodecChoice, CodecValue } from '../table/table-codec.ts'
import type { TableEnvironment, TableSpec } from '../table/table-settings.ts'
import {
  type AtomicAck,
  type AtomicOptions,
  type AtomicTransaction,
  type GroupHost,
  runAtomicGroup,
} from './atomic-group.ts'
import { CheckpointRuns } from './checkpoint-runs.ts'
import { Checkpoints } from './checkpoints.ts'
import { leaveCleanMarker, takeCleanMarker } from './clean-marker.ts'
import type { Consumer, ConsumerOptions } from './consumer.ts'
import { type PositionTable, positionsSpec } from './consumer-position.ts'
import { type FoundDirectories, findLogDirectories, segmentBytes } from './log-directories.ts'
import { LogOpener } from './log-opener.ts'
import { recoverLogs } from './log-recovery.ts'
import { loadMetaProperties } from './meta-properties.ts'
import type { TopicEnvironment } from './partition-environment.ts'
import { SpareSpace } from './spare-space.ts'
import { type ConsumerReport, StoreConsumers } from './store-consumers.ts'
import {
  checkTopicName,
  clusterTopic,
  groupsTopic,
  isSameTopicName,
  isStoreTopic,
  logDirectoryName,
  parseLogDirectoryName,
  positionsTopic,
  systemTopic,
} from './store-layout.ts'
import { StoreMetadata, type TopicEntry } from './store-metadata.ts'
import {
  checkStoreOptions,
  type RecoveryReport,
  type StoreOptions,
  type StoreSettings,
} from './store-options.ts'
import { type RetentionReport, StoreRetention } from './store-retention.ts'
import { expectNoTable, StoreTables, tableConfig } from './store-tables.ts'
import { type Placement, type ReplicaAssignments, type TableCodecs, Topic } from './topic.ts'
import { adoptTopics } from './topic-adoption.ts'
import { levelName, TopicConfig } from './topic-config.ts'
import {
  type Defaults,
  type DefaultsScope,
  defaultsScopes,
  TopicDefaults,
} from './topic-defaults.ts'
import { makeTopicDirectories } from './topic-directories.ts'
import { TopicRemoval } from './topic-removal.ts'
import { randomId } from './uuid.ts'

export type TopicSpec = {
  /** Default 1. */
  readonly partitions?: number
  /** Settings under Kafka's names; what is not set comes from the store. */
  readonly config?: Readonly<Record<string, string>>
  /**
   * The topic's logs are copies that the embedder keeps alike with a consensus of its own: it says
   * what is committed (`log.setCommitted`) and which leader epoch there is (`log.beginEpoch`), and
   * followers take what a leader wrote (`log.appendAt`). For good: it cannot be changed. Default
   * false.
   */
  readonly replicated?: boolean
} & Placement

/** Most partitions one topic may have; every one costs a directory. */
export const maxPartitions = 100_000

/**
 * Opens the data directory at `path`, making it when it is not there. What a relative path means is
 * settled by the call.
 *
 * After an unclean stop every log is checked from its recovery point on, and torn tails are cut;
 * `onRecovery` reports. A log with damage below that point stays closed: whoever asks for it gets
 * CorruptionError, and the others are served. Resolves when the store takes appends.
 *
 * @throws (rejects) InvalidOptionError, StoreLockedError (names the holder's pid),
 *         StoreFormatError, StorageError, CorruptionError (the store's own table is damaged).
 */
export function openStore(path: string | URL, options: StoreOptions = {}): Promise<Store> {
  return Store.open(path, options)
}

export class Store {
  /** The data directory, absolute. */
  readonly path: string
  readonly clusterId: string
  readonly nodeId: number
  readonly #settings: StoreSettings
  readonly #lock: DirectoryLock
  readonly #wasClean: boolean
  readonly #checkpoints: Checkpoints
  readonly #checkpointRuns: CheckpointRuns
  readonly #opener: LogOpener
  readonly #removal: TopicRemoval
  readonly #spare: SpareSpace
  readonly #commit: FlushCoordinator
  readonly #groupHost: GroupHost
  readonly #files: SegmentFiles
  readonly #builders = new SharedBuilders()
  /** Of topics, whose files are open until they are durable. */
  readonly #makers: Limiter
  readonly #topics = new Map<string, Topic>()
  readonly #topicsById = new Map<string, Topic>()
  readonly #pendingNames = new Set<string>()
  readonly #tables = new StoreTables({
    settled: (name) => this.#settled(name),
    isChanging: (name) => this.#pendingNames.has(name),
    topic: (name) => this.#topics.get(name),
    create: (name, table) => this.#createTable(name, table),
    environment: (log, topic) => this.#tableEnvironment(log, () => topic.config.settings.level),
  })
  readonly #consumers: StoreConsumers
  readonly #retention: StoreRetention
  #metadata!: StoreMetadata
  #systemLog!: Log
  #defaults: TopicDefaults
  #defaultsChange: Promise<void> = Promise.resolve()
  #recovery: RecoveryReport | undefined
  /** Every log was recovered: false when damage kept one from it. */
  #isRecovered = true
  #closing: Promise<void> | undefined

  private constructor(path: string, settings: StoreSettings, lock: DirectoryLock) {
    this.path = path
    const fileSystem = new SheddingFileSystem(
      settings.fileSystem,
      () => this.#files.shed(),
      settings.syncsAtOnce,
    )
    this.#files = new SegmentFiles(fileSystem, settings.maxOpenFiles)
    this.#makers = new Limiter(settings.syncsAtOnce)
    this.#settings = { ...settings, fileSystem }
    this.#lock = lock
    const { logger, config, level } = settings
    const isUsualLevel = level === defaultLogSettings.level
    this.#defaults = new TopicDefaults({
      started: isUsualLevel ? config : { [levelName]: level, ...config },
    })
    const meta = loadMetaProperties(fileSystem, path, settings)
    this.clusterId = meta.clusterId
    this.nodeId = meta.nodeId
    this.#wasClean = takeCleanMarker(fileSystem, path)
    this.#spare = new SpareSpace(fileSystem, path, logger)
    this.#checkpoints = new Checkpoints(fileSystem, path, logger, this.#spare)
    const { journalBytes, checkpointBytes } = settings
    this.#commit = new FlushCoordinator({
      fileSystem,
      directory: path,
      clock: settings.clock,
      logger,
      journalSizes: () => {
        return journalBytes === undefined ? journalSizesFor(this.#logCount()) : [journalBytes]
      },
      checkpointBytes,
      random: settings.random,
      onCheckpointDue: () => this.#checkpointRuns.soon(),
      onFailure: (error) => {
        for (const log of this.#openLogs()) log.flushTarget.fail(error)
      },
    })
    const { clock, random } = settings
    this.#checkpointRuns = new CheckpointRuns({
      commit: this.#commit,
      checkpoints: this.#checkpoints,
      clock,
      logger,
      intervalMs: settings.checkpointIntervalMs,
      openLogs: () => this.#openLogs(),
      assertOpen: () => this.#assertOpen(),
    })
    const writeStarts = (): void => {
      this.#checkpoints.write(this.#openLogs(), { makesRoom: true })
    }
    this.#opener = new LogOpener({
      shared: {
        path,
        fileSystem,
        files: this.#files,
        clock,
        logger,
        random,
        commit: this.#commit,
        builders: this.#builders,
        onRecoveryPointLowered: writeStarts,
      },
      checkpoints: this.#checkpoints,
      logger,
      wasClean: this.#wasClean,
      metadata: () => this.#metadata,
    })
    this.#removal = new TopicRemoval({
      fileSystem,
      path,
      logger,
      checkpoints: this.#checkpoints,
      metadata: () => this.#metadata,
    })
    this.#groupHost = {
      commit: this.#commit,
      builders: this.#builders,
      level: settings.level,
      now: () => settings.clock.now(),
    }
    this.#consumers = new StoreConsumers({
      openTable: () => this.#tables.open(positionsTopic, positionsSpec) as Promise<PositionTable>,
      hasTable: () => this.#topics.has(positionsTopic),
      topic: (name) => this.#topics.get(name),
      level: () => settings.level,
      logger,
    })
    this.#retention = new StoreRetention({
      clock,
      logger,
      intervalMs: settings.retentionIntervalMs,
      onWarning: settings.onRetentionWarning,
      topics: () => this.#topics.values(),
      isThere: (topic) => this.#topics.get(topic.name) === topic,
      environment: (topic, partition) => {
        return this.#opener.environment(this.#opener.topicEnvironment(topic.name, topic), partition)
      },
      logStart: (name) => this.#checkpoints.logStart(name),
      writeStarts,
      positions: () => this.#consumers.positions(),
    })
  }

  static async open(directory: string | URL, options: StoreOptions): Promise<Store> {
    const path = pathOption('path', directory)
    const settings = checkStoreOptions(options)
    // Refuses bad defaults before anything is touched.
    new TopicConfig(settings.config)
    settings.fileSystem.makeDirectory(path)
    const lock = settings.fileSystem.lockDirectory(path)
    try {
      const store = new Store(path, settings, lock)
      try {
        await store.#load()
      } catch (error) {
        await store.#abandon()
        throw error
      }
      return store
    } catch (error) {
      lock.release()
      throw error
    }
  }

  /** Lets go of what a failed open has opened so far. */
  async #abandon(): Promise<void> {
    if (this.#systemLog === undefined) return
    for (const log of this.#openLogs()) log.abandon()
    await this.#commit.close(false)
  }

  /** Level appends wait for unless they or their topic say otherwise. */
  get level(): DurabilityLevel {
    return this.#settings.level
  }

  /** What topics get that do not set it themselves. */
  get topicDefaults(): TopicDefaults {
    return this.#defaults
  }

  /**
   * Epoch of every log that is not replicated; grows by one with each unclean stop and each truncation of
   * such a log, and never goes back.
   */
  get leaderEpoch(): number {
    return this.#opener.leaderEpoch
  }

  /** Changes the store has made of itself: topics, settings and the like. Grows, also over restarts. */
  get metadataOffset(): number {
    return this.#systemLog.endOffset
  }

  /** The option, or what it is by default. */
  get maxOpenFiles(): number {
    return this.#settings.maxOpenFiles
  }

  /** The last stop was clean, so nothing had to be checked. */
  get wasClean(): boolean {
    return this.#wasClean
  }

  /** What opening after an unclean stop took; undefined when the stop was clean. */
  get recovery(): RecoveryReport | undefined {
    return this.#recovery
  }

  /** All topics by name, without the store's own. */
  topics(): IterableIterator<Topic> {
    return this.#topics.values()
  }

  topic(name: string): Topic | undefined {
    return this.#topics.get(name)
  }

  topicById(id: string): Topic | undefined {
    return this.#topicsById.get(id)
  }

  /**
   * The log of a topic's partition. A topic that does not exist is created, with as many
   * partitions as it takes.
   *
   * @throws (rejects) InvalidTopicError, UnknownPartitionError, InvalidOptionError, ClosedError,
   *         CorruptionError (its end cannot be known: records there are damaged or missing).
   */
  async log(name: string, options: { readonly partition?: number } = {}): Promise<Log> {
    this.#assertOpen()
    knownOptions('log', options, ['partition'])
    const partition = integerOption('partition', options.partition, {
      default: 0,
      min: 0,
      max: maxPartitions - 1,
    })
    checkTopicName(name)
    while (this.#pendingNames.has(name)) await new Promise((resolve) => setImmediate(resolve))
    const topic = this.#topics.get(name)
    if (topic !== undefined) return expectNoTable(topic).log(partition)
    return (await this.createTopic(name, { partitions: partition + 1 })).log(partition)
  }

  /** Throws what `createTopic` would, and creates nothing. */
  validateTopic(name: string, spec: TopicSpec = {}): void {
    this.#checkNew(name, spec)
    if ([groupsTopic, clusterTopic].some((kept) => isSameTopicName(name, kept))) {
      throw new InvalidTopicError(`${name} is kept for a table of the server`)
    }
  }

  #checkNew(name: string, spec: TopicSpec): void {
    this.#assertOpen()
    checkTopicName(name)
    const known = ['partitions', 'config', 'replicationFactor', 'assignments', 'replicated']
    knownOptions('createTopic', spec, known)
    integerOption('replicationFactor', spec.replicationFactor, { default: 1, min: 1, max: 32_767 })
    booleanOption('replicated', spec.replicated, { default: false })
    integerOption('partitions', spec.partitions, { default: 1, min: 1, max: maxPartitions })
    this.topicConfig(spec.config)
    if (isSameTopicName(name, systemTopic) || isSameTopicName(name, positionsTopic)) {
      throw ownTopic(name)
    }
    if (this.#topics.has(name) || this.#pendingNames.has(name)) {
      throw new TopicExistsError(`topic ${name} exists already`)
    }
    for (const other of this.#topics.keys()) {
      if (!isSameTopicName(other, name)) continue
      throw new InvalidTopicError(
        `topic ${name} collides with ${other}: "." and "_" count as equal`,
      )
    }
  }

  /**
   * Creates a topic, durably. @throws (rejects) InvalidTopicError, TopicExistsError,
   * InvalidOptionError, StorageError, ClosedError.
   */
  async createTopic(name: string, spec: TopicSpec = {}): Promise<Topic> {
    this.validateTopic(name, spec)
    const { partitions = 1, config = {}, replicationFactor, assignments, replicated = false } = spec
    return this.#create(name, {
      id: randomId(),
      partitions,
      config,
      ...(replicationFactor === undefined ? {} : { replicationFactor }),
      ...(assignments === undefined ? {} : { assignments }),
      ...(replicated ? { isReplicated: true } : {}),
    })
  }

  async #create(name: string, entry: TopicEntry): Promise<Topic> {
    this.#pendingNames.add(name)
    try {
      this.#forgetCheckpoints(name, 0, entry.partitions)
      await this.#metadata.putTopic(name, entry)
      try {
        await this.#makeDirectories(name, entry, 0)
      } catch (error) {
        await this.#undoCreate(name, entry)
        throw error
      }
      return this.#register(name, entry)
    } finally {
      this.#pendingNames.delete(name)
    }
  }

  /** A topic whose directories could not be made must not appear at the next open. */
  async #undoCreate(name: string, entry: TopicEntry): Promise<void> {
    await this.#metadata.deleteTopic(name, entry.id)
    const { renamed, isWhole } = await this.#removal.setAsideIfPossible(name, entry.partitions)
    this.#removal.removeInBackground(renamed, isWhole ? [entry.id] : [])
  }

  /**
   * Drops what the checkpoint files say of logs that begin anew: an old recovery point would have
   * unwritten bytes trusted, an old log start would have new records dropped.
   */
  #forgetCheckpoints(name: string, first: number, end: number): void {
    for (let partition = first; partition < end; partition++) {
      this.#checkpoints.forget(logDirectoryName(name, partition))
    }
    this.#checkpoints.writeForgotten(this.#openLogs())
  }

  /**
   * Makes the directories a topic lacks, durably; from partition `first` on in the place of what a
   * deleted topic left there.
   */
  async #makeDirectories(name: string, entry: TopicEntry, first: number): Promise<void> {
    const added = Array.from({ length: entry.partitions - first }, (_, i) => first + i)
    await this.#makers.run(async () => {
      const left = this.#removal.setAsideDeleted(name, added, entry.id)
      await makeTopicDirectories(this.#settings.fileSystem, this.path, name, entry, first)
      if (left.length > 0) this.#removal.removeInBackground(left, [])
    })
  }

  /** Waits until no other change of the topic is under way. */
  async #settled(name: string): Promise<void> {
    while (this.#pendingNames.has(name)) await new Promise((resolve) => setImmediate(resolve))
    this.#assertOpen()
  }

  /** Runs one change of a topic when no other is under way. */
  async #changing<Result>(
    name: string,
    change: (topic: Topic) => Promise<Result>,
  ): Promise<Result> {
    while (this.#pendingNames.has(name)) await new Promise((resolve) => setImmediate(resolve))
    this.#assertOpen()
    const topic = this.#known(name)
    this.#pendingNames.add(name)
    try {
      return await change(topic)
    } finally {
      this.#pendingNames.delete(name)
    }
  }

  /**
   * Deletes a topic and, in the background, its files. Transfers under way finish; readers get
   * ClosedError. @throws (rejects) UnknownTopicError, InvalidTopicError (a table), ClosedError.
   */
  deleteTopic(name: string): Promise<void> {
    return this.#changing(name, (topic) => this.#delete(name, expectNoTable(topic)))
  }

  async #delete(name: string, topic: Topic): Promise<void> {
    // More than the topic has, when it could not be grown to these: their directories would be adopted.
    const partitions = this.#metadata.topic(name)?.partitions ?? topic.partitionCount
    await this.#metadata.deleteTopic(name, topic.id)
    this.#topics.delete(name)
    this.#topicsById.delete(topic.id)
    for (const log of topic.openLogs()) log.abandon()
    const { renamed, isWhole } = await this.#removal.setAsideIfPossible(name, partitions)
    await this.#settings.fileSystem.syncDirectory(this.path)
    // What is left goes at the next open, or when its place is wanted: its id stays marked as deleted.
    this.#removal.removeInBackground(renamed, isWhole ? [topic.id] : [])
    await this.#consumers.topicDeleted()
  }

  /** Grows a topic to `total` partitions, durably; `assignments` are then of all of them. */
  addPartitions(
    name: string,
    total: number,
    assignments: ReplicaAssignments | undefined = undefined,
  ): Promise<void> {
    return this.#changing(name, async (topic) => {
      expectNoTable(topic)
      const partitions = integerOption('partitions', total, {
        default: 0,
        min: topic.partitionCount + 1,
        max: maxPartitions,
      })
      const entry: TopicEntry = {
        ...(this.#metadata.topic(name) as TopicEntry),
        partitions,
        ...(assignments === undefined ? {} : { assignments }),
      }
      this.#forgetCheckpoints(name, topic.partitionCount, partitions)
      await this.#metadata.putTopic(name, entry)
      await this.#makeDirectories(name, entry, topic.partitionCount)
      topic.grow(partitions)
      topic.place(entry)
    })
  }

  /**
   * Changes what a topic sets itself, durably; its logs follow at once.
   *
   * @param change from what it sets to what it shall set, under Kafka's names. Called when no other
   *               change of the topic is under way.
   * @throws (rejects) UnknownTopicError, InvalidTopicError (a table), InvalidOptionError,
   *         StorageError, ClosedError.
   */
  alterTopicConfig(
    name: string,
    change: (config: Readonly<Record<string, string>>) => Readonly<Record<string, string>>,
  ): Promise<void> {
    return this.#changing(name, async (topic) => {
      expectNoTable(topic)
      const entry = this.#metadata.topic(name) as TopicEntry
      const config = this.topicConfig(functionOption('change', change)(entry.config))
      await this.#metadata.putTopic(name, { ...entry, config: config.overrides })
      // Made anew: the defaults may have changed meanwhile.
      topic.configure(this.topicConfig(config.overrides))
    })
  }

  /**
   * Changes what topics get that do not set it themselves, durably; their logs follow at once. It
   * goes before what the store is opened with, from here on and at every later open.
   *
   * @param change from what was given for `scope` to what shall be, under the names topics have for
   *               it. Called when no other such change is under way.
   * @throws (rejects) what `change` throws, InvalidOptionError, StorageError, ClosedError.
   */
  alterTopicDefaults(scope: DefaultsScope, change: (given: Defaults) => Defaults): Promise<void> {
    const changed = this.#defaultsChange.then(async () => {
      this.#assertOpen()
      oneOfOption('scope', scope, { default: scope, choices: defaultsScopes })
      const given = functionOption('change', change)(this.#defaults[scope])
      new TopicConfig(given)
      await this.#metadata.putDefaults(scope, given)
      this.#defaults = this.#defaults.with(scope, given)
      for (const topic of this.#topics.values()) {
        topic.configure(this.topicConfig(topic.config.overrides))
      }
    })
    this.#defaultsChange = changed.catch(() => {}) // Whoever asked for it is told.
    return changed
  }

  /** Says which nodes have which partition, durably. */
  assignReplicas(name: string, assignments: ReplicaAssignments): Promise<void> {
    return this.#changing(name, async (topic) => {
      const entry = { ...(this.#metadata.topic(name) as TopicEntry), assignments }
      await this.#metadata.putTopic(name, entry)
      topic.place(entry)
    })
  }

  /**
   * The table of that name, a durable ordered map; see Table. One that does not exist is made. Two
   * calls give the same object, made with what the first one said.
   *
   * @throws (rejects) InvalidOptionError, TableCodecError (it has other codecs), TopicExistsError
   *         (a topic that is no table has the name), InvalidTopicError, StoreFormatError, ClosedError.
   */
  table<const KeyCodec extends CodecChoice, const ValueCodec extends CodecChoice>(
    name: string,
    spec: TableSpec<KeyCodec, ValueCodec>,
  ): Promise<Table<CodecValue<KeyCodec>, CodecValue<ValueCodec>>> {
    if (isStoreTopic(name)) return Promise.reject(ownTopic(name))
    return this.#tables.open(name, spec)
  }

  /** All tables by name, with the names of their codecs. */
  tables(): Map<string, TableCodecs> {
    const tables = [...this.#topics.values()].filter((topic) => {
      return topic.table !== undefined && !isStoreTopic(topic.name)
    })
    return new Map(tables.map((topic) => [topic.name, topic.table as TableCodecs]))
  }

  /** Deletes a table as `deleteTopic` does a topic. @throws (rejects) UnknownTopicError, ClosedError. */
  async deleteTable(name: string): Promise<void> {
    if (isStoreTopic(name)) throw ownTopic(name)
    await this.#changing(name, async (topic) => {
      if (topic.table === undefined) throw new UnknownTopicError(`no table ${name}`)
      await this.#tables.close(name)
      await this.#delete(name, topic)
    })
  }

  #createTable(name: string, table: TableCodecs): Promise<Topic> {
    if (name !== positionsTopic) this.#checkNew(name, {})
    return this.#create(name, { id: randomId(), partitions: 1, config: tableConfig, table })
  }

  #tableEnvironment(log: Log, level: () => DurabilityLevel): TableEnvironment {
    const { fileSystem, clock, logger, random } = this.#settings
    return { log, fileSystem, clock, logger, random, level }
  }

  /**
   * Makes appends to logs and changes of tables together or not at all: after any crash, and for any
   * reader. `collect` says what and must not wait; one sync makes all of it durable.
   *
   * @throws (rejects) what `collect` throws, ConflictError, InvalidOptionError, BatchTooLargeError,
   *         StorageError, ClosedError: nothing was written. LogFailedError: the group may be there, as
   *         a whole, when the store is opened again.
   */
  async atomic(
    collect: (tx: AtomicTransaction) => void,
    options: AtomicOptions = {},
  ): Promise<AtomicAck> {
    this.#assertOpen()
    return runAtomicGroup(this.#groupHost, collect, options)
  }

  /**
   * A named consumer of `log`: an iteration that goes on, also after a restart, where it committed;
   * see Consumer. `log` is one of this store's.
   * @throws (rejects) InvalidOptionError, OffsetOutOfRangeError (`from`), StoreFormatError, ClosedError.
   */
  consumer(name: string, log: Log, options: ConsumerOptions = {}): Promise<Consumer> {
    return this.#consumers.open(name, log, options)
  }

  /** Every named consumer with the logs it has committed in, and its lag there. Opens these logs. */
  consumers(): Promise<ConsumerReport[]> {
    return this.#consumers.list()
  }

  /**
   * Forgets what a consumer has committed, durably, and closes its handles. One that is not known is
   * no error. @throws (rejects) InvalidOptionError, ClosedError.
   */
  deleteConsumer(name: string): Promise<void> {
    return this.#consumers.delete(name)
  }

  /**
   * Removes the segments that the topics' retention settings let go now; the store does so by itself
   * every `retentionIntervalMs`. A log that cannot be trimmed does not keep the others.
   * @throws (rejects) the first failure, in the end: StorageError, LogFailedError. ClosedError.
   */
  async enforceRetention(): Promise<RetentionReport> {
    this.#assertOpen()
    return this.#retention.run()
  }

  /** A producer id never given out before by this store. */
  allocateProducerId(): Promise<number> {
    this.#assertOpen()
    return this.#metadata.nextProducerId()
  }

  /** Bytes of a partition's segments; its log is not opened for that. @internal */
  partitionBytes(topic: Topic, partition: number): number {
    const log = topic.openLog(partition)
    if (log !== undefined) return log.sizeBytes
    const directory = `${this.path}/${logDirectoryName(topic.name, partition)}`
    return segmentBytes(this.#settings.fileSystem, directory)
  }

  /** Bytes that may still be written where the data directory is, and all there are. */
  space(): { freeBytes: number; totalBytes: number } {
    return this.#settings.fileSystem.space(this.path)
  }

  /** Makes everything appended so far to any log durable. */
  async flush(): Promise<void> {
    this.#assertOpen()
    await Promise.all(Array.from(this.#openLogs(), (log) => log.flush()))
  }

  /**
   * Flushes and closes every log, notes the clean stop and releases the directory. A second call
   * waits for the first. @throws (rejects) LogFailedError: the directory was released, but records
   * not acknowledged as durable may not be.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** `close` was not called. */
  get isOpen(): boolean {
    return this.#closing === undefined
  }

  /** Resolves when no topic is being made or changed: a half would be there, or written after the lock. */
  async #noChanges(): Promise<void> {
    while (this.#pendingNames.size > 0) await new Promise((resolve) => setImmediate(resolve))
  }

  async #close(): Promise<void> {
    this.#checkpointRuns.stop()
    try {
      await this.#noChanges()
      await this.#removal.idle()
      await this.#retention.stop()
      this.#consumers.closeAll()
      await this.#tables.closeAll()
      await this.#metadata.close()
      const logs = [...this.#openLogs()]
      const failed = logs.filter((log) => log.failure !== undefined)
      await this.#checkpointRuns.idle()
      const isClean = (await closeAll(logs, this.#settings.syncsAtOnce)) && this.#isRecovered
      await this.#commit.idle()
      await this.#files.idle()
      const failure = logs.find(
        (log) => log.failure !== undefined && !failed.includes(log),
      )?.failure
      if (failure !== undefined) throw failure
      this.#checkpoints.write(logs, { makesRoom: true })
      await this.#commit.close(isClean)
      if (isClean) {
        this.#checkpoints.write(logs, { isLast: true })
        leaveCleanMarker(this.#settings.fileSystem, this.path)
      }
    } finally {
      // What failed may have kept the journal open; the next open of this process replays it.
      await this.#commit.close(false)
      this.#lock.release()
    }
  }

  async #load(): Promise<void> {
    const { fileSystem, clock, logger } = this.#settings
    const startedMs = clock.elapsedMs()
    const replay = this.#readJournal()
    this.#opener.wholeFrames = this.#wasClean ? [] : this.#readWholeFrames(replay)
    await replay.replay(logDirectoryName(systemTopic, 0), {
      topicId: '',
      logStart: this.#checkpoints.logStart(logDirectoryName(systemTopic, 0)),
    })
    const found = findLogDirectories(fileSystem, this.path, logger)
    await this.#openSystemLog(found.hasSystemLog)
    await this.#replayTopics(replay)
    const isFresh = !found.hasSystemLog && found.topics.size === 0
    this.#opener.leaderEpoch = this.#metadata.leaderEpoch
    if (!this.#wasClean && !isFresh) await this.#setLeaderEpoch(this.leaderEpoch + 1)
    const leftovers = await this.#adopt(found)
    for (const [name, entry] of this.#metadata.topics()) {
      await makeTopicDirectories(fileSystem, this.path, name, entry)
      this.#register(name, entry)
    }
    if (!this.#wasClean && !isFresh) {
      const checkedBytes = await this.#recoverLogs()
      const elapsedMs = Math.round(clock.elapsedMs() - startedMs)
      this.#recovery = { replayedBytes: replay.replayedBytes, checkedBytes, elapsedMs }
      logger.info(this.#recovery, 'recovered after an unclean stop')
    }
    // Only now: until every log was recovered the journal tells which groups are torn.
    const { wholeFrames } = this.#opener
    writeWholeFrames(fileSystem, this.path, this.#isRecovered ? [] : wholeFrames)
    replay.finish(logger)
    this.#opener.wholeFrames = []
    this.#commit.enableJournal()
    // A topic whose deletion was cut short is here still: its mark belongs to the next try.
    const deletedIds = this.#metadata.deletedIds().filter((id) => !this.#topicsById.has(id))
    this.#removal.removeInBackground([...found.deleted, ...leftovers], deletedIds)
    this.#spare.keep(this.#logCount())
    this.#checkpointRuns.start()
    this.#retention.start()
  }

  /** What a crash left in the journal; after a clean stop there is nothing to say in it. */
  #readJournal(): JournalReplay {
    const { fileSystem } = this.#settings
    if (this.#wasClean) removeJournal(fileSystem, this.path)
    return new JournalReplay(fileSystem, this.path)
  }

  /** Those of the journal, and of earlier ones that a log not recovered since may still need. */
  #readWholeFrames({ lastFrame }: JournalReplay): WholeFrames[] {
    const kept = readWholeFrames(this.#settings.fileSystem, this.path)
    if (lastFrame === undefined) return kept
    return [...kept.filter(({ journalId }) => journalId !== lastFrame.journalId), lastFrame]
  }

  /** Writes back what the journal holds of topics that are still there. */
  #replayTopics(replay: JournalReplay): Promise<void> {
    return replay.replayAll((name) => {
      const topic = parseLogDirectoryName(name)?.topic
      const topicId = topic === undefined ? undefined : this.#metadata.topic(topic)?.id
      return { topicId, logStart: this.#checkpoints.logStart(name) }
    })
  }

  async #openSystemLog(exists: boolean): Promise<void> {
    const { fileSystem } = this.#settings
    const directory = `${this.path}/${logDirectoryName(systemTopic, 0)}`
    if (!exists) {
      fileSystem.makeDirectory(directory)
      await fileSystem.syncDirectory(this.path)
    }
    const source = { config: { settings: defaultLogSettings } }
    const topic = this.#opener.topicEnvironment(systemTopic, source)
    this.#systemLog = this.#opener.open(this.#opener.environment(topic, 0))
    const environment = this.#tableEnvironment(this.#systemLog, () => 'disk')
    this.#metadata = await StoreMetadata.open(environment, this.#spare)
    for (const scope of defaultsScopes) {
      this.#defaults = this.#defaults.with(scope, this.#metadata.defaults(scope))
    }
  }

  /** @returns directories to be removed. */
  async #adopt(found: FoundDirectories): Promise<readonly string[]> {
    const { fileSystem, logger } = this.#settings
    const { leftovers, latestEpoch } = await adoptTopics(found, {
      fileSystem,
      path: this.path,
      logger,
      metadata: this.#metadata,
      removal: this.#removal,
    })
    // Epochs never go back, whoever led before.
    if (latestEpoch >= this.leaderEpoch) {
      await this.#setLeaderEpoch(latestEpoch + (this.#wasClean ? 0 : 1))
    }
    return leftovers
  }

  async #setLeaderEpoch(epoch: number): Promise<void> {
    this.#opener.leaderEpoch = epoch
    await this.#metadata.setLeaderEpoch(epoch)
  }

  #register(name: string, entry: TopicEntry): Topic {
    const { id, table } = entry
    const identity = table === undefined ? { name, id } : { name, id, table }
    let shared: TopicEnvironment | undefined
    const topic = new Topic(
      identity,
      entry.partitions,
      this.topicConfig(entry.config),
      (self, index) => {
        this.#assertOpen()
        // The files may be those of a new topic of that name.
        if (this.#topics.get(name) !== self) throw new UnknownTopicError(`${name} is deleted`)
        shared ??= this.#opener.topicEnvironment(name, self)
        return this.#opener.open(this.#opener.environment(shared, index))
      },
    )
    topic.place(entry)
    this.#topics.set(name, topic)
    this.#topicsById.set(topic.id, topic)
    return topic
  }

  /**
   * The settings of a topic that sets `overrides` itself. @throws InvalidOptionError for an unknown
   * name or a value out of range.
   *
   * @internal
   */
  topicConfig(overrides: Readonly<Record<string, string>> = {}): TopicConfig {
    return new TopicConfig(overrides, defaultLogSettings, this.#defaults.effective)
  }

  /** @returns bytes checked. */
  async #recoverLogs(): Promise<number> {
    const { fileSystem, onRecovery } = this.#settings
    const parts = { fileSystem, checkpoints: this.#checkpoints, onRecovery }
    const { checkedBytes, isWhole } = await recoverLogs(this.#topics.values(), this.#opener, parts)
    this.#isRecovered = isWhole
    // Before anything is appended: what was cut below a recovery point is not durable any more.
    this.#checkpoints.write(this.#openLogs())
    return checkedBytes
  }

  /** Logs of all topics, opened or not. */
  #logCount(): number {
    let count = 1
    for (const { partitionCount } of this.#topics.values()) count += partitionCount
    return count
  }

  *#openLogs(): Generator<Log> {
    yield this.#systemLog
    for (const topic of this.#topics.values()) yield* topic.openLogs()
  }

  /**
   * Syncs what is not yet durable in the segments and moves the recovery points there, so that the
   * next start after a crash looks at nothing that was written before this call. Runs by itself
   * every `checkpointIntervalMs` and every `checkpointBytes`.
   *
   * A log that fails meanwhile is left out; see `Log.failure`. @throws (rejects) StorageError: the
   * old recovery points still hold. ClosedError.
   */
  checkpoint(): Promise<void> {
    return this.#checkpointRuns.run()
  }

  #known(name: string): Topic {
    const topic = this.#topics.get(name)
    if (topic === undefined || this.#pendingNames.has(name)) {
      if (typeof name !== 'string') checkTopicName(name)
      throw new UnknownTopicError(`no topic ${name}`)
    }
    return topic
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) throw new ClosedError(`store ${this.path} is closed`)
  }
}

/**
 * Closes `logs`, so many at once.
 * @returns whether everything in every log is on stable storage, in place.
 */
async function closeAll(logs: readonly Log[], atOnce: number): Promise<boolean> {
  let isClean = true
  await forEachLimited(logs, atOnce, async (log) => {
    isClean = (await log.closeWithStore()) && isClean
  })
  return isClean
}

function ownTopic(name: string): InvalidTopicError {
  return new InvalidTopicError(`${name} belongs to the store itself`)
}
