/**
 * The atomic group: appends to logs and changes of tables that are made together or not at all.
 *
 *     await store.atomic((tx) => {
 *       tx.append(output, { key, value })
 *       tx.put(counts, key, count + 1)
 *       tx.commitPosition(consumer)
 *     })
 *
 * The callback only collects; what it collected is checked and written in one turn of the event loop
 * (log/group-append.ts). One log or one table alone needs no group: a batch is atomic by itself.
 */
import { ClosedError, ConflictError, InvalidOptionError } from '../base/errors.ts'
import { functionOption, integerOption, knownOptions, oneOfOption } from '../base/option-fields.ts'
import type { DurabilityLevel, Offset } from '../base/types.ts'
import type { FlushCoordinator } from '../flush/flush-coordinator.ts'
import { appendGroup, type GroupPart } from '../log/group-append.ts'
import { Log } from '../log/log.ts'
import type { Ack } from '../log/log-options.ts'
import type { SharedBuilders } from '../log/shared-builders.ts'
import type { RecordInput } from '../record/record.ts'
import type { EncodedChanges } from '../table/encoded-changes.ts'
import { type BatchChange, Table } from '../table/table.ts'
import { Consumer } from './consumer.ts'

export type AtomicOptions = {
  /** Level to wait for. Default: the store's. */
  readonly level?: DurabilityLevel
}

export type AtomicAck = {
  /** Level the group had reached when the promise resolved. */
  readonly level: DurabilityLevel
  /** Where the records of each `tx.append` are, in the order of the calls. */
  readonly appends: readonly Ack[]
}

/** What the callback of `store.atomic` may do. It is over when the callback returns. */
export interface AtomicTransaction {
  /**
   * Appends records to `log`. All records of one log are one batch, in the order of the calls.
   * @param options.expect the group is made only if the log ends here then, else ConflictError.
   */
  append(
    log: Log,
    records: RecordInput | readonly RecordInput[],
    options?: { readonly expect?: number },
  ): void
  /** Sets a key; with `expect` only if the key holds that value then (undefined: no value). */
  put<Key, Value>(
    table: Table<Key, Value>,
    key: Key,
    value: Value,
    options?: { readonly expect?: Value | undefined },
  ): void
  delete<Key, Value>(
    table: Table<Key, Value>,
    key: Key,
    options?: { readonly expect?: Value | undefined },
  ): void
  /**
   * Commits all before `offset`, by default what the consumer has handed out, as its `commit` does:
   * with the same errors, of which ERR_COMMIT_STALE also comes when another handle commits meanwhile,
   * and ConflictError when the log is truncated meanwhile.
   * Records before it are as durable as the group: no crash leaves the group without what it was made of.
   */
  commitPosition(consumer: Consumer, offset?: number): void
}

/** What the group needs of its store. */
export type GroupHost = {
  readonly commit: FlushCoordinator
  readonly builders: SharedBuilders
  readonly level: DurabilityLevel
  readonly now: () => number
}

type AnyTable = Table<unknown, unknown>
type LogWork = { readonly records: RecordInput[]; expect: number | undefined }
/** `truncations`: of the consumer's log, when the group was collected. */
type Commit = { readonly offset: Offset; readonly truncations: number }
type TableWork = { readonly table: AnyTable; readonly changes: EncodedChanges }

const levels: readonly DurabilityLevel[] = ['memory', 'os', 'disk']

class Collector implements AtomicTransaction {
  readonly logs = new Map<Log, LogWork>()
  readonly tables = new Map<AnyTable, BatchChange<unknown, unknown>[]>()
  /** Log of each append, and how many records precede and belong to it. */
  readonly appends: { readonly log: Log; readonly first: number; readonly count: number }[] = []
  /** Up to where each consumer commits. */
  readonly commits = new Map<Consumer, Commit>()
  isOver = false
  readonly #host: GroupHost

  constructor(host: GroupHost) {
    this.#host = host
  }

  append(
    log: Log,
    records: RecordInput | readonly RecordInput[],
    options: { readonly expect?: number } = {},
  ): void {
    this.#assertOpen()
    if (!(log instanceof Log)) {
      throw new InvalidOptionError({ option: 'log', value: log, expected: 'a log of this store' })
    }
    this.#assertOwn(log)
    knownOptions('append', options, ['expect'])
    const input = Array.isArray(records) ? (records as RecordInput[]) : [records as RecordInput]
    if (input.length === 0) {
      throw new InvalidOptionError({ option: 'records', value: records, expected: 'one or more' })
    }
    const work = this.logs.get(log) ?? { records: [], expect: undefined }
    if (options.expect !== undefined) {
      // What the log must end at before the group, whichever append says so.
      const expect = integerOption('expect', options.expect, { default: 0, min: 0 })
      if (work.expect !== undefined && work.expect !== expect) {
        throw new InvalidOptionError({
          option: 'expect',
          value: expect,
          expected: String(work.expect),
        })
      }
      work.expect = expect
    }
    this.appends.push({ log, first: work.records.length, count: input.length })
    work.records.push(...input)
    this.logs.set(log, work)
  }

  put<Key, Value>(
    table: Table<Key, Value>,
    key: Key,
    value: Value,
    options: { readonly expect?: Value | undefined } = {},
  ): void {
    this.#change(table, { key, value, ...this.#expectation(options) })
  }

  delete<Key, Value>(
    table: Table<Key, Value>,
    key: Key,
    options: { readonly expect?: Value | undefined } = {},
  ): void {
    this.#change(table, { key, delete: true, ...this.#expectation(options) })
  }

  commitPosition(consumer: Consumer, offset?: number): void {
    this.#assertOpen()
    if (!(consumer instanceof Consumer)) {
      const expected = 'a consumer of this store'
      throw new InvalidOptionError({ option: 'consumer', value: consumer, expected })
    }
    this.#assertOwn(consumer.log)
    const { table, key, value } = consumer.encodeCommit(offset)
    this.#change(table, { key, value })
    const { truncations } = consumer.log
    this.commits.set(consumer, { offset: value.offset, truncations })
  }

  #expectation<Value>(options: { readonly expect?: Value | undefined }): {
    expect?: Value | undefined
  } {
    knownOptions('change', options, ['expect'])
    return 'expect' in options ? { expect: options.expect } : {}
  }

  #change<Key, Value>(table: Table<Key, Value>, change: BatchChange<Key, Value>): void {
    this.#assertOpen()
    if (!(table instanceof Table)) {
      throw new InvalidOptionError({ option: 'table', value: table, expected: 'a table' })
    }
    this.#assertOwn(table.log)
    const known = this.tables.get(table as unknown as AnyTable) ?? []
    known.push(change as BatchChange<unknown, unknown>)
    this.tables.set(table as unknown as AnyTable, known)
  }

  #assertOwn(log: Log): void {
    if (log.isOf(this.#host.commit)) return
    throw new InvalidOptionError({
      option: 'log',
      value: log.name,
      expected: 'a log of this store',
    })
  }

  #assertOpen(): void {
    if (this.isOver) throw new ClosedError('the atomic group is finished')
  }
}

/**
 * Runs `collect` and makes what it asked for, all or nothing.
 *
 * @throws (rejects) what `collect` throws, ConflictError, InvalidOptionError, BatchTooLargeError,
 *         StorageError, ClosedError: nothing was written. LogFailedError: the group may be there, as a
 *         whole, when the store is opened again.
 */
export async function runAtomicGroup(
  host: GroupHost,
  collect: (tx: AtomicTransaction) => void,
  options: AtomicOptions,
): Promise<AtomicAck> {
  functionOption('collect', collect)
  knownOptions('atomic', options, ['level'])
  const level = oneOfOption('level', options.level, { default: host.level, choices: levels })
  const group = new Collector(host)
  let result: unknown
  try {
    result = collect(group)
  } finally {
    group.isOver = true
  }
  if (result instanceof Promise) {
    result.catch(() => {})
    const expected = 'a function that returns without waiting'
    throw new InvalidOptionError({ option: 'collect', value: result, expected })
  }
  const tables: TableWork[] = []
  try {
    for (const [table, changes] of group.tables) {
      tables.push({ table, changes: table.encode(changes) })
    }
    return await write(host, group, tables, level)
  } catch (error) {
    for (const { table, changes } of tables) table.discard(changes)
    throw error
  }
}

async function write(
  host: GroupHost,
  group: Collector,
  tables: readonly TableWork[],
  level: DurabilityLevel,
): Promise<AtomicAck> {
  const parts = [
    ...Array.from(group.logs, ([log, { records }]) => partOf(host, log, records)),
    ...tables.map(({ table, changes }) => partOf(host, table.log, changes.records)),
  ]
  const bases = new Map<Log, Offset>()
  let settled: Promise<unknown> = Promise.resolve()
  const check = (): void => checkExpectations(group, tables)
  const written = (baseOffsets: readonly Offset[]): void => {
    parts.forEach(({ log }, i) => {
      bases.set(log, baseOffsets[i] as Offset)
    })
    for (const { table, changes } of tables) table.apply(changes, bases.get(table.log) as Offset)
    if (level !== 'disk') return
    // From this moment on: a truncation in the next one must reject it.
    const inputs = Array.from(group.commits, ([{ log }, { offset }]) => log.settled(level, offset))
    settled = Promise.all([...inputs, ...parts.map(({ log }) => log.settled(level, log.endOffset))])
    settled.catch(() => {})
  }
  const [only] = parts
  if (parts.length === 1 && only !== undefined) {
    check()
    written([only.log.appendEncoded(only.batch, level).baseOffset])
    only.log.tellListeners()
  } else if (parts.length > 1) {
    const inputs = Array.from(group.commits, ([{ log }, { offset }]) => ({ log, end: offset }))
    await appendGroup(
      host.commit,
      { parts, inputs },
      { isAwaited: level === 'disk', check, written },
    )
  }
  await settled
  for (const consumer of group.commits.keys()) consumer.hasCommitted()
  const reached = level === 'memory' ? 'os' : level
  const appends = group.appends.map(({ log, first, count }) => {
    const offset = ((bases.get(log) as Offset) + first) as Offset
    return { offset, lastOffset: (offset + count - 1) as Offset, level: reached } as const
  })
  return { level: reached, appends }
}

function partOf(host: GroupHost, log: Log, records: readonly RecordInput[]): GroupPart {
  const builder = host.builders.take(log.storedCodec)
  builder.addAll(records, host.now())
  return { log, batch: log.encodeForGroup(builder) }
}

function checkExpectations(group: Collector, tables: readonly TableWork[]): void {
  for (const [log, { expect }] of group.logs) if (expect !== undefined) log.assertEnd(expect)
  for (const { table, changes } of tables) table.check(changes)
  // What was true when the callback ran may have changed while the group waited for the journal.
  for (const [consumer, { offset, truncations }] of group.commits) {
    consumer.encodeCommit(offset)
    const { name: log, truncations: now, endOffset: found } = consumer.log
    if (now === truncations) continue
    // Others may stand now where the records were that were read.
    throw new ConflictError({ log, expected: offset, found, isTruncated: true })
  }
}
