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
  /** Resolves when no change of that topic was under way: another may be by now. */
  settled(name: string): Promise<void>
  isChanging(name: string): boolean
  topic(name: string): Topic | undefined
  create(name: string, table: TableCodecs): Promise<Topic>
  environment(log: Log, topic: Topic): TableEnvironment
}

type AnyTable = Table<unknown, unknown>

type Opening = {
  table: Promise<AnyTable>
  /** It waits for a change of its topic, and has not looked at it yet. */
  isWaiting: boolean
}

export class StoreTables {
  readonly #host: TableHost
  readonly #tables = new Map<string, Opening>()

  constructor(host: TableHost) {
    this.#host = host
  }

  async open<KeyCodec extends CodecChoice, ValueCodec extends CodecChoice>(
    name: string,
    spec: TableSpec<KeyCodec, ValueCodec>,
  ): Promise<Table<CodecValue<KeyCodec>, CodecValue<ValueCodec>>> {
    const settings = checkTableSpec<unknown, unknown>(spec)
    checkTopicName(name)
    const { table: opening } = this.#tables.get(name) ?? this.#startOpening(name, settings)
    const table = await opening
    expectCodecs(name, table.codecs, settings)
    return table as unknown as Table<CodecValue<KeyCodec>, CodecValue<ValueCodec>>
  }

  #startOpening(name: string, settings: TableSettings<unknown, unknown>): Opening {
    const waiting = { isWaiting: true }
    const opening = Object.assign(waiting, { table: this.#open(name, settings, waiting) })
    this.#tables.set(name, opening)
    opening.table.catch(() => {
      // What could not be opened can be tried again.
      if (this.#tables.get(name) === opening) this.#tables.delete(name)
    })
    return opening
  }

  async #open(
    name: string,
    settings: TableSettings<unknown, unknown>,
    opening: { isWaiting: boolean },
  ): Promise<AnyTable> {
    do await this.#host.settled(name)
    while (this.#host.isChanging(name))
    opening.isWaiting = false
    const codecs = { key: settings.key.name, value: settings.value.name }
    const topic = this.#host.topic(name) ?? (await this.#host.create(name, codecs))
    if (topic.table === undefined) throw new TopicExistsError(`${name} is a topic, not a table`)
    expectCodecs(name, topic.table, settings)
    return Table.open(this.#host.environment(topic.log(0), topic), settings)
  }

  /** Closes a table whose topic is being deleted. One that waits for that will find another topic. */
  async close(name: string): Promise<void> {
    const opening = this.#tables.get(name)
    if (opening === undefined || opening.isWaiting) return
    this.#tables.delete(name)
    await closeOpened(opening)
  }

  async closeAll(): Promise<void> {
    const openings = [...this.#tables.values()]
    this.#tables.clear()
    await Promise.all(openings.map(closeOpened))
  }
}

async function closeOpened({ table: opening }: Opening): Promise<void> {
  // One that could not be opened was reported to who wanted it.
  const table = await opening.catch(() => undefined)
  await table?.closeWithStore()
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
