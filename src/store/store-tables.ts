/** The tables of a store: which are open, and what keeps them apart from other topics. */
import { InvalidTopicError, TopicExistsError } from '../base/errors.ts'
import { mebibyte } from '../base/units.ts'
import type { Log } from '../log/log.ts'
import { Table } from '../table/table.ts'
import type { CodecChoice, CodecValue } from '../table/table-codec.ts'
import { expectCodec } from '../table/table-loader.ts'
import {
  checkTableSpec,
  type TableEnvironment,
  type TableSettings,
  type TableSpec,
} from '../table/table-settings.ts'
import { checkTopicName } from './store-layout.ts'
import type { TableCodecs, Topic } from './topic.ts'

const tableSegmentBytes = 16 * mebibyte

/**
 * Settings of a table's topic: its snapshots alone decide what may go, and its log holds its records
 * as they were written, whatever the store's defaults are. Segments are small because removing one
 * makes the loop wait: 7 ms for 16 MiB. A batch may fill one: its size is the owner's affair.
 */
export const tableConfig: Readonly<Record<string, string>> = {
  'cleanup.policy': 'delete',
  'file.delete.delay.ms': '0',
  'max.message.bytes': String(tableSegmentBytes),
  'message.timestamp.type': 'CreateTime',
  'retention.bytes': '-1',
  'retention.ms': '-1',
  'segment.bytes': String(tableSegmentBytes),
}

/** What the tables need of their store. */
export type TableHost = {
  /** Resolves when no change of that topic is under way. */
  settled(name: string): Promise<void>
  topic(name: string): Topic | undefined
  create(name: string, table: TableCodecs): Promise<Topic>
  environment(log: Log, topic: Topic): TableEnvironment
}

type AnyTable = Table<unknown, unknown>

export class StoreTables {
  readonly #host: TableHost
  readonly #tables = new Map<string, Promise<AnyTable>>()

  constructor(host: TableHost) {
    this.#host = host
  }

  async open<KeyCodec extends CodecChoice, ValueCodec extends CodecChoice>(
    name: string,
    spec: TableSpec<KeyCodec, ValueCodec>,
  ): Promise<Table<CodecValue<KeyCodec>, CodecValue<ValueCodec>>> {
    const settings = checkTableSpec<unknown, unknown>(spec)
    checkTopicName(name)
    let opening = this.#tables.get(name)
    if (opening === undefined) {
      opening = this.#open(name, settings)
      this.#tables.set(name, opening)
      // What could not be opened can be tried again.
      opening.catch(() => this.#tables.delete(name))
    }
    const table = await opening
    expectCodecs(name, table.codecs, settings)
    return table as unknown as Table<CodecValue<KeyCodec>, CodecValue<ValueCodec>>
  }

  async #open(name: string, settings: TableSettings<unknown, unknown>): Promise<AnyTable> {
    await this.#host.settled(name)
    const codecs = { key: settings.key.name, value: settings.value.name }
    const topic = this.#host.topic(name) ?? (await this.#host.create(name, codecs))
    if (topic.table === undefined) throw new TopicExistsError(`${name} is a topic, not a table`)
    expectCodecs(name, topic.table, settings)
    return Table.open(this.#host.environment(topic.log(0), topic), settings)
  }

  /** Closes a table that is about to be deleted. */
  async close(name: string): Promise<void> {
    const opening = this.#tables.get(name)
    this.#tables.delete(name)
    // One that could not be opened was reported to who wanted it.
    const table = await opening?.catch(() => undefined)
    await table?.close()
  }

  async closeAll(): Promise<void> {
    await Promise.all(Array.from(this.#tables.keys(), (name) => this.close(name)))
  }
}

function expectCodecs(
  name: string,
  found: TableCodecs,
  settings: TableSettings<unknown, unknown>,
): void {
  expectCodec(name, 'key', found.key, settings.key.name)
  expectCodec(name, 'value', found.value, settings.value.name)
}

/** Throws InvalidTopicError for a table: its log is not to be used as a topic. */
export function expectNoTable(topic: Topic): Topic {
  if (topic.table === undefined) return topic
  throw new InvalidTopicError(`${topic.name} is a table: use store.table and store.deleteTable`)
}
