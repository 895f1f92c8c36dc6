/**
 * Storage in memory, for tests: of the contract, and of brokers that want no disk under them. It
 * does what the contract says, crashes included: what waits for `disk` is durable one turn of the
 * loop later, and `cutPower` takes what is not. Everything stays in memory until it is trimmed.
 */
import { ClosedError, InvalidOptionError, InvalidTopicError } from '../base/errors.ts'
import { knownOptions, oneOfOption } from '../base/option-fields.ts'
import type { DurabilityLevel } from '../base/types.ts'
import type { RecordInput } from '../record/record.ts'
import type {
  LogStorage,
  StorageAppendOptions,
  StorageExpectation,
  StorageGroup,
  StorageGroupAck,
  StorageTableSpec,
} from '../store/log-storage.ts'
import { checkTopicName } from '../store/store-layout.ts'
import { MemoryLog, MemoryLogData, type OffsetSpan, storedRecords } from './memory-log.ts'
import { MemoryOwner } from './memory-owner.ts'
import { MemoryTable, MemoryTableData, type NewValue } from './memory-table.ts'

/** What outlives the storage that is open on it. */
type Place = {
  readonly logs: Map<string, MemoryLogData>
  readonly tables: Map<string, MemoryTableData>
}

/** As StorageUnderTest. */
export type MemoryPlace = {
  open(): Promise<MemoryStorage>
  kill(): void
  cutPower(): void
}

/** An empty place in memory, to be given to `storageContract` or opened by a test. */
export function memoryStorage(): MemoryPlace {
  const place: Place = { logs: new Map(), tables: new Map() }
  let current: MemoryStorage | undefined
  return {
    async open() {
      current = new MemoryStorage(place)
      return current
    },
    kill() {
      current?.abandon()
    },
    cutPower() {
      current?.abandon()
      for (const log of place.logs.values()) log.loseUnsynced()
      for (const table of place.tables.values()) table.loseUnsynced()
    },
  }
}

export class MemoryStorage implements LogStorage {
  readonly #place: Place
  readonly #owner: MemoryOwner
  readonly #logs = new Map<string, MemoryLog>()
  readonly #tables = new Map<string, MemoryTable>()

  constructor(place: Place) {
    this.#place = place
    this.#owner = new MemoryOwner(() => {
      for (const log of place.logs.values()) log.synced()
      for (const table of place.tables.values()) table.synced()
    })
  }

  async log(name: string): Promise<MemoryLog> {
    this.#owner.assertOpen()
    checkTopicName(name)
    if (this.#place.tables.has(name)) throw new InvalidTopicError(`${name} is a table`)
    return had(this.#logs, name, () => {
      const data = had(this.#place.logs, name, () => new MemoryLogData(name))
      return new MemoryLog(data, this.#owner)
    })
  }

  async table(name: string, spec: StorageTableSpec): Promise<MemoryTable> {
    this.#owner.assertOpen()
    checkTopicName(name)
    knownOptions('table', spec, ['key', 'value'])
    for (const option of ['key', 'value'] as const) {
      oneOfOption(option, spec[option], { default: 'bytes', choices: ['bytes'] })
    }
    if (this.#place.logs.has(name)) throw new InvalidTopicError(`${name} is a log`)
    return had(this.#tables, name, () => {
      const data = had(this.#place.tables, name, () => new MemoryTableData(name))
      return new MemoryTable(data, this.#owner)
    })
  }

  async atomic(
    build: (group: MemoryGroup) => void,
    options: { readonly level?: DurabilityLevel } = {},
  ): Promise<StorageGroupAck> {
    this.#owner.assertOpen()
    knownOptions('atomic', options, ['level'])
    const level = this.#owner.level(options.level)
    const group = new MemoryGroup()
    let result: unknown
    try {
      result = build(group)
    } finally {
      group.end()
    }
    if (result instanceof Promise) {
      result.catch(() => {})
      const expected = 'a function that returns without waiting'
      throw new InvalidOptionError({ option: 'build', value: result, expected })
    }
    for (const { check } of group.members) check()
    const spans = group.members.flatMap(({ apply }) => apply() ?? [])
    await this.#owner.settled(level)
    return { level, appends: spans.map((span) => ({ ...span, level })) }
  }

  async flush(): Promise<void> {
    this.#owner.assertOpen()
    await this.#owner.settled('disk')
  }

  close(): Promise<void> {
    return this.#owner.close()
  }

  /** Ends all use, as the end of its process would. */
  abandon(): void {
    this.#owner.end()
  }
}

type Member = { readonly check: () => void; readonly apply: () => OffsetSpan | undefined }

export class MemoryGroup implements StorageGroup {
  readonly members: Member[] = []
  readonly #logs = new Set<MemoryLog>()
  #isOver = false

  append(
    log: MemoryLog,
    input: RecordInput | readonly RecordInput[],
    options: Pick<StorageAppendOptions, 'expect'> = {},
  ): void {
    knownOptions('append', options, ['expect'])
    const records = storedRecords(input)
    // All that a group appends to one log is one batch.
    const isFirst = !this.#logs.has(log)
    this.#logs.add(log)
    this.#add({
      check: () => log.check(options.expect),
      apply: () => log.add(records, isFirst),
    })
  }

  put(table: MemoryTable, key: Buffer, value: Buffer, options: StorageExpectation = {}): void {
    this.#change(table, key, { value }, options)
  }

  delete(table: MemoryTable, key: Buffer, options: StorageExpectation = {}): void {
    this.#change(table, key, 'delete', options)
  }

  #change(table: MemoryTable, key: Buffer, what: NewValue, options: StorageExpectation): void {
    knownOptions('change', options, ['expect'])
    const change = table.prepare(key, what, options, this.members.length)
    this.#add({ check: () => table.check(change), apply: () => table.make(change) })
  }

  #add(member: Member): void {
    if (this.#isOver) throw new ClosedError('the group is over: nothing can be added to it')
    this.members.push(member)
  }

  end(): void {
    this.#isOver = true
  }
}

function had<Value>(map: Map<string, Value>, name: string, make: () => Value): Value {
  const found = map.get(name)
  if (found !== undefined) return found
  const made = make()
  map.set(name, made)
  return made
}
