/**
 * What the store itself remembers, in a table of its own: topics, deleted topics whose files may
 * still be there, the next free block of producer ids, and the leader epoch.
 */
import type { Log } from '../log/log.ts'
import { Table } from '../table/table.ts'

export type TopicEntry = {
  readonly id: string
  readonly partitions: number
  readonly config: Readonly<Record<string, string>>
  /** Found on disk, written by another program: its offsets may have holes. */
  readonly isAdopted?: boolean
}

type Entry = TopicEntry | { readonly value: number } | { readonly deleted: string }

/** Ids are handed out from blocks, so that most cost no write. */
const producerIdBlock = 1000
const topicPrefix = 'topic:'
const deletedPrefix = 'deleted:'
const producerIdKey = 'producer-ids'
const leaderEpochKey = 'leader-epoch'

export class StoreMetadata {
  readonly #table: Table<Entry>
  #nextProducerId = 0
  #producerIdLimit = 0
  #block: Promise<void> | undefined

  /** `log` belongs to this object from here on. */
  constructor(log: Log) {
    this.#table = new Table<Entry>(log)
    this.#nextProducerId = this.#producerIdLimit = this.#number(producerIdKey)
  }

  get leaderEpoch(): number {
    return this.#number(leaderEpochKey)
  }

  /** Durable on resolve. */
  setLeaderEpoch(epoch: number): Promise<void> {
    return this.#table.put(leaderEpochKey, { value: epoch })
  }

  *topics(): Generator<[name: string, entry: TopicEntry]> {
    for (const [key, entry] of this.#table.entries()) {
      if (key.startsWith(topicPrefix)) yield [key.slice(topicPrefix.length), entry as TopicEntry]
    }
  }

  topic(name: string): TopicEntry | undefined {
    return this.#table.get(topicPrefix + name) as TopicEntry | undefined
  }

  putTopic(name: string, entry: TopicEntry): Promise<void> {
    return this.#table.put(topicPrefix + name, entry)
  }

  /** From here on the topic is gone, even if its files outlive a crash. */
  async deleteTopic(name: string, id: string): Promise<void> {
    await this.#table.put(deletedPrefix + id, { deleted: name })
    await this.#table.delete(topicPrefix + name)
  }

  isDeleted(id: string): boolean {
    return this.#table.get(deletedPrefix + id) !== undefined
  }

  /** Whether files of a deleted topic of this name may still be there. */
  isDeletedName(name: string): boolean {
    for (const [, entry] of this.#table.entries()) {
      if ('deleted' in entry && entry.deleted === name) return true
    }
    return false
  }

  deletedIds(): string[] {
    const keys = Array.from(this.#table.entries(), ([key]) => key)
    return keys
      .filter((key) => key.startsWith(deletedPrefix))
      .map((key) => key.slice(deletedPrefix.length))
  }

  /** The files of a deleted topic are gone for good. */
  forgetDeleted(id: string): Promise<void> {
    return this.#table.delete(deletedPrefix + id)
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
      await this.#table.put(producerIdKey, { value: limit })
      this.#producerIdLimit = limit
    } finally {
      this.#block = undefined
    }
  }

  #number(key: string): number {
    const entry = this.#table.get(key)
    return entry !== undefined && 'value' in entry ? entry.value : 0
  }
}
