/** The named consumers of a store: their table of positions, and which handles are open. */
import { ClosedError, InvalidOptionError, LogError } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import type { DurabilityLevel, Offset } from '../base/types.ts'
import { Log } from '../log/log.ts'
import { Consumer, type ConsumerOptions } from './consumer.ts'
import {
  type ConsumerLag,
  checkConsumerName,
  lagOf,
  type PositionEntry,
  type PositionTable,
  parsePositionKey,
  positionKey,
  validOffset,
} from './consumer-position.ts'
import { parseLogDirectoryName } from './store-layout.ts'
import type { Topic } from './topic.ts'

/** One consumer of one log, for an operator. */
export type ConsumerReport = {
  readonly name: string
  /** `<topic>-<partition>`. */
  readonly log: string
  /** Of a log that cannot be opened, as it was committed: it may lie outside of what is there. */
  readonly committed: Offset
  /** When that was, in ms since the epoch. */
  readonly committedMs: number
  readonly lag: ConsumerLag | undefined
  /** Why the log cannot be opened, and there is no `lag`. */
  readonly error?: LogError
}

/** What the consumers need of their store. */
export type ConsumerHost = {
  /** Opens the table of positions, making it when it is not there. */
  openTable(): Promise<PositionTable>
  /** The table was made, in this run or an earlier one. */
  hasTable(): boolean
  topic(name: string): Topic | undefined
  readonly logger: Logger
  level(): DurabilityLevel
}

/** Positions deleted in one batch. */
const deleteBatch = 1000

export class StoreConsumers {
  readonly #host: ConsumerHost
  readonly #handles = new Set<Consumer>()
  #table: Promise<PositionTable> | undefined

  constructor(host: ConsumerHost) {
    this.#host = host
  }

  async open(name: string, log: Log, options: ConsumerOptions): Promise<Consumer> {
    checkConsumerName(name)
    const topicId = this.#topicOf(log).id
    const table = await this.#positions()
    const consumer = new Consumer(
      {
        name,
        log,
        topicId,
        table,
        logger: this.#host.logger,
        level: this.#host.level,
        onClose: (closed) => this.#handles.delete(closed),
      },
      options,
    )
    this.#handles.add(consumer)
    return consumer
  }

  #topicOf(log: unknown): Topic {
    const place = log instanceof Log ? parseLogDirectoryName(log.name) : undefined
    const topic = place === undefined ? undefined : this.#host.topic(place.topic)
    if (topic !== undefined && topic.openLog(place!.partition) === log) return topic
    const expected = 'a log of this store, of a topic that was not deleted'
    throw new InvalidOptionError({ option: 'log', value: log, expected })
  }

  /** The table of positions; undefined when nobody ever had one. */
  async positions(): Promise<PositionTable | undefined> {
    return this.#host.hasTable() ? this.#positions() : undefined
  }

  #positions(): Promise<PositionTable> {
    this.#table ??= this.#open()
    // What could not be opened can be tried again.
    this.#table.catch(() => {
      this.#table = undefined
    })
    return this.#table
  }

  async #open(): Promise<PositionTable> {
    const table = await this.#host.openTable()
    await this.#sweep(table)
    return table
  }

  /** Drops positions in topics that are gone. */
  async #sweep(table: PositionTable): Promise<void> {
    const gone: string[] = []
    for (const [key, entry] of table.range()) {
      if (this.#topicAt(key)?.id !== entry.topicId) gone.push(key)
    }
    await this.#delete(table, gone, 'os')
  }

  #topicAt(key: string): Topic | undefined {
    const place = parseLogDirectoryName(parsePositionKey(key).log)
    return place === undefined ? undefined : this.#host.topic(place.topic)
  }

  async #delete(
    table: PositionTable,
    keys: readonly string[],
    level: DurabilityLevel,
  ): Promise<void> {
    for (let at = 0; at < keys.length; at += deleteBatch) {
      const changes = keys.slice(at, at + deleteBatch)
      await table.batch(
        changes.map((key) => ({ key, delete: true })),
        { level },
      )
    }
  }

  /** A topic was deleted: so are the positions in it. */
  async topicDeleted(): Promise<void> {
    if (this.#table === undefined) return
    try {
      await this.#sweep(await this.#table)
    } catch (error) {
      // They stand for nothing, and go when the table is opened again.
      if (!(error instanceof LogError)) throw error
      this.#host.logger.warn({ error: error.message }, 'positions in a deleted topic stay')
    }
  }

  /** Every consumer with every log it has committed in, by name. Opens these logs. */
  async list(): Promise<ConsumerReport[]> {
    const table = await this.positions()
    if (table === undefined) return []
    const reports: ConsumerReport[] = []
    for (const [key, entry] of table.range()) {
      const report = this.#report(key, entry)
      if (report !== undefined) reports.push(report)
    }
    return reports
  }

  #report(key: string, entry: PositionEntry): ConsumerReport | undefined {
    const { consumer: name, log: logName } = parsePositionKey(key)
    const topic = this.#topicAt(key)
    if (topic === undefined || topic.id !== entry.topicId) return undefined
    const { offset, committedMs } = entry
    try {
      const log = topic.partition(parseLogDirectoryName(logName)!.partition)
      if (log === undefined) return undefined
      const committed = validOffset(entry, log)
      return { name, log: logName, committed, committedMs, lag: lagOf(log, committed, entry) }
    } catch (error) {
      // One log that is damaged must not hide how all the others are.
      if (!(error instanceof LogError) || error instanceof ClosedError) throw error
      return { name, log: logName, committed: offset, committedMs, lag: undefined, error }
    }
  }

  /** Forgets what a consumer committed, in all logs, durably; its handles are closed. */
  async delete(name: string): Promise<void> {
    checkConsumerName(name)
    for (const handle of [...this.#handles]) if (handle.name === name) handle.close()
    const table = await this.positions()
    if (table === undefined) return
    await this.#delete(table, [...table.keys({ prefix: positionKey(name, '') })], 'disk')
  }

  /** Ends every iteration. */
  closeAll(): void {
    for (const handle of [...this.#handles]) handle.close()
  }
}
