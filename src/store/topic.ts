/** One topic: its id, its settings and its partitions, which open on first use. */
import { UnknownPartitionError } from '../base/errors.ts'
import type { Log } from '../log/log.ts'
import { isInternalTopic } from './store-layout.ts'
import type { TopicConfig } from './topic-config.ts'

export type TableCodecs = { readonly key: string; readonly value: string }

/** Node ids of each partition, the preferred leader first. */
export type ReplicaAssignments = readonly (readonly number[])[]

/** What a server of several node ids tells its clients; to the store it means nothing. */
export type Placement = {
  readonly replicationFactor?: number
  readonly assignments?: ReplicaAssignments
}

export class Topic {
  readonly name: string
  /** 16 bytes in base64url; a new one every time a topic of that name is created. */
  readonly id: string
  /** The topic is the log of a table, which alone may write it: the names of its codecs. */
  readonly table: TableCodecs | undefined
  #config: TopicConfig
  #partitionCount: number
  #placement: Placement = {}
  readonly #logs: (Log | undefined)[] = []
  readonly #refused = new Map<number, Error>()
  readonly #open: (topic: Topic, partition: number) => Log

  /** Made by the store, which passes how a partition's log is opened. @internal */
  constructor(
    identity: { readonly name: string; readonly id: string; readonly table?: TableCodecs },
    partitionCount: number,
    config: TopicConfig,
    open: (topic: Topic, partition: number) => Log,
  ) {
    this.name = identity.name
    this.id = identity.id
    this.table = identity.table
    this.#partitionCount = partitionCount
    this.#config = config
    this.#open = open
  }

  get config(): TopicConfig {
    return this.#config
  }

  get partitionCount(): number {
    return this.#partitionCount
  }

  /** How many nodes shall have each partition. */
  get replicationFactor(): number {
    return this.#placement.replicationFactor ?? 1
  }

  /** Which nodes have which partition, where somebody said so. */
  get assignments(): ReplicaAssignments | undefined {
    return this.#placement.assignments
  }

  get isInternal(): boolean {
    return this.table !== undefined || isInternalTopic(this.name)
  }

  /**
   * The log of a partition, opened when it is not yet; undefined when there is no such one.
   * @throws CorruptionError its end cannot be known: records there are damaged or missing.
   */
  partition(index: number): Log | undefined {
    if (!Number.isInteger(index) || index < 0 || index >= this.#partitionCount) return undefined
    const refusal = this.#refused.get(index)
    if (refusal !== undefined) throw refusal
    this.#logs[index] ??= this.#open(this, index)
    return this.#logs[index]
  }

  /** Like `partition`, but throws UnknownPartitionError. */
  log(index: number): Log {
    const log = this.partition(index)
    if (log !== undefined) return log
    const asked = typeof index === 'number' ? index : `of type ${typeof index}`
    throw new UnknownPartitionError(
      `topic ${this.name} has no partition ${asked}: it has ${this.#partitionCount}`,
    )
  }

  /** The log of a partition when it is open already. @internal */
  openLog(index: number): Log | undefined {
    return this.#logs[index]
  }

  /** Logs that are open now. @internal */
  openLogs(): Log[] {
    return this.#logs.filter((log) => log !== undefined)
  }

  /** Store only: puts a log that was recovered at open in its place. @internal */
  adopt(index: number, log: Log): void {
    this.#logs[index] = log
  }

  /** Store only: the log could not be recovered; whoever asks for it gets `error`. @internal */
  refuse(index: number, error: Error): void {
    this.#refused.set(index, error)
  }

  /** Store only. @internal */
  place(placement: Placement): void {
    this.#placement = placement
  }

  /** Store only: the logs read their settings through this object. @internal */
  configure(config: TopicConfig): void {
    this.#config = config
    for (const log of this.openLogs()) log.settingsChanged()
  }

  /** Store only. @internal */
  grow(partitionCount: number): void {
    this.#partitionCount = partitionCount
  }
}
