/**
 * What the store itself remembers, in a table of its own: topics, deleted topics whose files may
 * still be there, the next free block of producer ids, the leader epoch, and defaults of topics
 * that were given while it was in use.
 */
import { Table } from '../table/table.ts'
import { checkTableSpec, type TableEnvironment } from '../table/table-settings.ts'
import type { SpareSpace } from './spare-space.ts'
import type { ReplicaAssignments, TableCodecs } from './topic.ts'
import type { Defaults, DefaultsScope } from './topic-defaults.ts'

export type TopicEntry = {
  readonly id: string
  readonly partitions: number
  readonly config: Readonly<Record<string, string>>
  readonly replicationFactor?: number
  readonly assignments?: ReplicaAssignments
  /** Found on disk, written by another program: its offsets may have holes. */
  readonly isAdopted?: boolean
  /** The topic is a table's log: the names of its codecs. */
  readonly table?: TableCodecs
  /** A repair took damaged records out: its offsets have holes. */
  readonly hasHoles?: boolean
  /** The embedder replicates the topic's logs: leader epochs and high watermarks are its own. */
  readonly isReplicated?: boolean
}

type Entry =
  | TopicEntry
  | { readonly value: number }
  | { readonly deleted: string }
  | { readonly defaults: Defaults }

/** Ids are handed out from blocks, so that most cost no write. */
const producerIdBlock = 1000
export const topicPrefix = 'topic:'
export const deletedPrefix = 'deleted:'
export const defaultsPrefix = 'defaults:'
export const producerIdKey = 'producer-ids'
export const leaderEpochKey = 'leader-epoch'

export class StoreMetadata {
  readonly #table: Table<string, Entry>
  /** So that topics can be deleted on a full disk, and told to keep less. */
  readonly #spare: SpareSpace
  #nextProducerId = 0
  #producerIdLimit = 0
  #block: Promise<void> | undefined

  private constructor(table: Table<string, Entry>, spare: SpareSpace) {
    this.#table = table
    this.#spare = spare
    this.#nextProducerId = this.#producerIdLimit = this.#number(producerIdKey)
  }

  /** The log of `env` belongs to the metadata from here on. @throws (rejects) StoreFormatError. */
  static async open(env: TableEnvironment, spare: SpareSpace): Promise<StoreMetadata> {
    const settings = checkTableSpec<string, Entry>({ key: 'string', value: 'json' })
    const table = await Table.open(env, settings)
    // What cannot be decoded is to be found now, not at its first use.
    for (const _ of table.range());
    return new StoreMetadata(table, spare)
  }

  /** Ends the snapshot that is being written, if one is. */
  close(): Promise<void> {
    return this.#table.closeWithStore()
  }

  get leaderEpoch(): number {
    return this.#number(leaderEpochKey)
  }

  /** Durable on resolve. */
  setLeaderEpoch(epoch: number): Promise<void> {
    return this.#spare.useLater(() => this.#put(leaderEpochKey, { value: epoch }))
  }

  /** The same, durable on return. Throws StorageError, LogFailedError. */
  setLeaderEpochNow(epoch: number): void {
    this.#spare.use(() => this.#table.putNow(leaderEpochKey, { value: epoch }))
  }

  /** Defaults of topics that were given for `scope`. */
  defaults(scope: DefaultsScope): Defaults {
    const entry = this.#table.get(defaultsPrefix + scope)
    return entry !== undefined && 'defaults' in entry ? entry.defaults : {}
  }

  /** Durable on resolve. */
  putDefaults(scope: DefaultsScope, defaults: Defaults): Promise<void> {
    return this.#spare.useLater(() => this.#put(defaultsPrefix + scope, { defaults }))
  }

  *topics(): Generator<[name: string, entry: TopicEntry]> {
    for (const [key, entry] of this.#table.range({ prefix: topicPrefix })) {
      yield [key.slice(topicPrefix.length), entry as TopicEntry]
    }
  }

  topic(name: string): TopicEntry | undefined {
    return this.#table.get(topicPrefix + name) as TopicEntry | undefined
  }

  /** Durable on resolve. */
  putTopic(name: string, entry: TopicEntry): Promise<void> {
    const put = () => this.#put(topicPrefix + name, entry)
    // Other settings may make room; what is new does not.
    const isNew = (this.topic(name)?.partitions ?? 0) < entry.partitions
    return isNew ? put() : this.#spare.useLater(put)
  }

  /** From here on the topic is gone, even if its files outlive a crash. */
  async deleteTopic(name: string, id: string): Promise<void> {
    await this.#spare.useLater(() => this.#put(deletedPrefix + id, { deleted: name }))
    await this.#delete(topicPrefix + name)
  }

  isDeleted(id: string): boolean {
    return this.#table.has(deletedPrefix + id)
  }

  /** Whether files of a deleted topic of this name may still be there. */
  isDeletedName(name: string): boolean {
    for (const [, entry] of this.#table.range({ prefix: deletedPrefix })) {
      if ('deleted' in entry && entry.deleted === name) return true
    }
    return false
  }

  deletedIds(): string[] {
    const keys = [...this.#table.keys({ prefix: deletedPrefix })]
    return keys.map((key) => key.slice(deletedPrefix.length))
  }

  /** The files of a deleted topic are gone for good. */
  async forgetDeleted(id: string): Promise<void> {
    await this.#delete(deletedPrefix + id)
  }

  /** A producer id never given out before, not even before a crash. */
  async nextProducerId(): Promise<number> {
    while (this.#nextProducerId === this.#producerIdLimit) {
      this.#block ??= this.#reserveBlock()
      await this.#block
    }
    return this.#nextProducerId++
  }

  async #reserveBlock(): Promise<void> {
    const limit = this.#producerIdLimit + producerIdBlock
    try {
      await this.#put(producerIdKey, { value: limit })
      this.#producerIdLimit = limit
    } finally {
      this.#block = undefined
    }
  }

  async #put(key: string, entry: Entry): Promise<void> {
    await this.#table.put(key, entry, { level: 'disk' })
  }

  #delete(key: string): Promise<void> {
    return this.#spare.useLater(() => this.#table.delete(key, { level: 'disk' }))
  }

  #number(key: string): number {
    const entry = this.#table.get(key)
    return entry !== undefined && 'value' in entry ? entry.value : 0
  }
}
