/**
 * A durable map in the order of its keys. Every change is a record of the table's own log: key and
 * value as their codecs made them, no value for a deletion; changes made together are one batch.
 * All entries are in memory. Opening reads the newest snapshot and the changes after it.
 *
 * A change is seen by readers, and told to watchers, in the turn in which it is made, when the kernel
 * has its record; its promise resolves when it has reached the level asked for. What is seen before
 * that is lost when power is, or when the promise rejects with LogFailedError and the log is opened
 * again.
 */
import { assert } from '../base/assert.ts'
import { ClosedError, ConflictError, InvalidOptionError, StoreFormatError } from '../base/errors.ts'
import { integerOption, knownOptions, oneOfOption } from '../base/option-fields.ts'
import type { DurabilityLevel, Offset } from '../base/types.ts'
import type { Log } from '../log/log.ts'
import type { Ack } from '../log/log-options.ts'
import { BatchBuilder } from '../record/batch-builder.ts'
import { Changes, type EncodedChanges } from './encoded-changes.ts'
import { entryHeaderSize, placeOf } from './entry-arena.ts'
import { checkRange, type KeyBounds, type RangeOptions, rangeOf } from './key-range.ts'
import { RangeWalk } from './range-walk.ts'
import type { TableEntries } from './table-entries.ts'
import { type LoadedTable, loadTable } from './table-loader.ts'
import type { TableEnvironment, TableSettings } from './table-settings.ts'
import { TableSnapshots } from './table-snapshots.ts'
import { type TableChange, TableWatcher } from './table-watch.ts'

export type ChangeOptions<Value> = {
  /** Level to wait for; default: the store's. */
  readonly level?: DurabilityLevel
  /**
   * The change is made only if the key holds this value, compared by its bytes, or, when the option
   * is there and undefined, no value; else ConflictError.
   */
  readonly expect?: Value | undefined
}

/** One change of several; `expect` as in ChangeOptions, of what the key held before all of them. */
export type BatchChange<Key, Value> =
  | { readonly key: Key; readonly value: Value; readonly expect?: Value | undefined }
  | { readonly key: Key; readonly delete: true; readonly expect?: Value | undefined }

export type WatchOptions<Key> = KeyBounds<Key> & {
  /** Ends the iteration when aborted. */
  readonly signal?: AbortSignal
  /** Changes kept for a slow reader; one more ends it with WatchOverflowError. Default 1024. */
  readonly maxBuffered?: number
}

const levels: readonly DurabilityLevel[] = ['memory', 'os', 'disk']

export class Table<Key, Value> {
  readonly name: string
  readonly #env: TableEnvironment
  readonly #settings: TableSettings<Key, Value>
  readonly #entries: TableEntries
  readonly #builder: BatchBuilder = new BatchBuilder()
  readonly #watchers = new Set<TableWatcher<Key, Value>>()
  /** Changes that wait for a group of several logs to be decided. */
  #queue: { readonly run: () => void; readonly fail: (error: unknown) => void }[] = []
  /** Records below are shown. */
  #shownEnd: Offset
  readonly #snapshots: TableSnapshots
  #isClosed = false

  /** @internal */
  private constructor(
    env: TableEnvironment,
    settings: TableSettings<Key, Value>,
    { entries, snapshotOffset }: LoadedTable,
  ) {
    this.name = env.log.name.slice(0, env.log.name.lastIndexOf('-'))
    this.#env = env
    this.#settings = settings
    this.#entries = entries
    this.#snapshots = new TableSnapshots(env, settings, entries, snapshotOffset, () =>
      this.#snapshotIfDue(),
    )
    this.#shownEnd = env.log.endOffset
  }

  /** Made by the store. Cost: reading snapshot and log once; see docs/backend.md. */
  static async open<Key, Value>(
    env: TableEnvironment,
    settings: TableSettings<Key, Value>,
  ): Promise<Table<Key, Value>> {
    const table = new Table(env, settings, await loadTable(env, settings))
    // It may have been closed, or opened again and again, before one was written.
    table.#snapshotIfDue()
    return table
  }

  /** The table's log, to read or to wait for. Whoever appends to it himself breaks the table. */
  get log(): Log {
    return this.#env.log
  }

  /** Keys held. O(1). */
  get size(): number {
    return this.#entries.size
  }

  /** Memory of entries, index and order, outside the JavaScript heap. */
  get memoryBytes(): number {
    return this.#entries.memoryBytes
  }

  /** Names of the codecs. */
  get codecs(): { readonly key: string; readonly value: string } {
    return { key: this.#settings.key.name, value: this.#settings.value.name }
  }

  /**
   * The value of `key`, decoded anew at every call: the caller's own to keep and change. O(1).
   * @throws InvalidOptionError, StoreFormatError the codec cannot decode what is stored, ClosedError.
   */
  get(key: Key): Value | undefined {
    this.#assertOpen()
    const ref = this.#entries.find(this.#settings.key.prepare(key, 'key'))
    return ref === 0 ? undefined : this.#valueOf(ref)
  }

  /** O(1). */
  has(key: Key): boolean {
    this.#assertOpen()
    return this.#entries.find(this.#settings.key.prepare(key, 'key')) !== 0
  }

  /**
   * Entries in the order of their keys' bytes. The first call builds the order, O(n log n), and it
   * is kept from then on; a call costs O(log n), each entry O(1).
   *
   * The table may change during the walk: every entry is as it is when the walk reaches it, none
   * comes twice, and a key that is there all the time is not missed.
   *
   * @throws InvalidOptionError, ClosedError.
   */
  range(options: RangeOptions<Key> = {}): IterableIterator<[Key, Value]> {
    return this.#walk(options, (ref) => [this.#keyOf(ref), this.#valueOf(ref)])
  }

  /** As `range`, without decoding values. */
  keys(options: RangeOptions<Key> = {}): IterableIterator<Key> {
    return this.#walk(options, (ref) => this.#keyOf(ref))
  }

  /** All entries, as `range`. */
  entries(): IterableIterator<[Key, Value]> {
    return this.range()
  }

  [Symbol.iterator](): IterableIterator<[Key, Value]> {
    return this.range()
  }

  #walk<Item>(options: RangeOptions<Key>, read: (ref: number) => Item): IterableIterator<Item> {
    this.#assertOpen()
    const checked = checkRange(options, this.#settings.key)
    return new RangeWalk({
      ...checked,
      read,
      arena: this.#entries.arena,
      order: this.#entries.order(),
    })
  }

  /**
   * Sets `key`. The bytes are copied before the call returns.
   *
   * @throws (rejects) InvalidOptionError, ConflictError, TableFullError, BatchTooLargeError,
   *         StorageError, ClosedError: nothing was changed. LogFailedError: the change may be there
   *         when the store is opened again.
   */
  put(key: Key, value: Value, options: ChangeOptions<Value> = {}): Promise<Ack> {
    return this.#change(options, () => [{ key, value, ...expectationOf(options) }])
  }

  /** Deletes `key`, or says in the log that it is not there. Otherwise as `put`. */
  delete(key: Key, options: ChangeOptions<Value> = {}): Promise<Ack> {
    return this.#change(options, () => [{ key, delete: true, ...expectationOf(options) }])
  }

  /**
   * Makes one or more changes, all or none, in order; they have the offsets from the acknowledged
   * one on. They are one batch of the log, whose bounds they must keep. Otherwise as `put`.
   */
  batch(
    changes: readonly BatchChange<Key, Value>[],
    options: { readonly level?: DurabilityLevel } = {},
  ): Promise<Ack> {
    return this.#change(options, () => changes, ['level'])
  }

  #change(
    options: ChangeOptions<Value>,
    changes: () => readonly BatchChange<Key, Value>[],
    names: readonly string[] = ['level', 'expect'],
  ): Promise<Ack> {
    try {
      knownOptions('change', options, names)
      const preset = this.#env.level()
      const level = oneOfOption('level', options.level, { default: preset, choices: levels })
      const encoded = this.encode(changes()) as Changes
      if (this.#queue.length === 0 && !this.#isUndecided()) return this.#commit(encoded, level)
      return new Promise((resolve, reject) => {
        const run = (): void => resolve(this.#commit(encoded, level))
        this.#queue.push({ run, fail: reject })
      })
    } catch (error) {
      return Promise.reject(error)
    }
  }

  #commit(changes: Changes, level: DurabilityLevel): Promise<Ack> {
    try {
      const base = this.#make(changes, level)
      return this.#acked(base, (base + changes.refs.length - 1) as Offset, level)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** @returns the offset of the first change. */
  #make(changes: Changes, level: DurabilityLevel): Offset {
    let base: Offset
    try {
      this.check(changes)
      base = this.#append(changes, level)
    } catch (error) {
      this.discard(changes)
      throw error
    }
    this.apply(changes, base)
    this.log.tellListeners()
    return base
  }

  /**
   * Store only, of a table that is in no group: `put`, durable on return.
   * @throws as `put` rejects.
   *
   * @internal
   */
  putNow(key: Key, value: Value): void {
    const changes = this.encode([{ key, value }]) as Changes
    assert(this.#queue.length === 0 && !this.#isUndecided(), 'the table is in no group')
    this.#make(changes, 'disk')
    this.log.flushNow()
  }

  async #acked(offset: Offset, lastOffset: Offset, level: DurabilityLevel): Promise<Ack> {
    if (level === 'disk') await this.log.settled(level, lastOffset + 1)
    return { offset, lastOffset, level: level === 'memory' ? 'os' : level }
  }

  #append(changes: Changes, level: DurabilityLevel): Offset {
    const builder = this.#builder
    const { arena } = this.#entries
    const now = this.#env.clock.now()
    builder.reset()
    for (const ref of changes.refs) {
      const start = placeOf(ref) + entryHeaderSize
      const end = start + arena.keyLengthOf(ref)
      const length = arena.valueLengthOf(ref)
      builder.addKeyValue(arena.bytesOf(ref), start, end, length < 0 ? -1 : end, end + length, now)
    }
    return this.log.appendBuilt(builder, level).baseOffset
  }

  // ---- for groups of changes over several logs

  /**
   * Encodes changes, and makes none of them. They must be given to `apply` or `discard` in the end.
   * @throws InvalidOptionError, TableFullError, BatchTooLargeError, ClosedError.
   */
  encode(changes: readonly BatchChange<Key, Value>[]): EncodedChanges {
    this.#assertOpen()
    if (!Array.isArray(changes) || changes.length === 0) {
      const expected = 'an array of one or more changes'
      throw new InvalidOptionError({ option: 'changes', value: changes, expected })
    }
    const encoded = new Changes(this.#entries)
    try {
      for (const change of changes) this.#encodeOne(encoded, change)
    } catch (error) {
      this.discard(encoded)
      throw error
    }
    return encoded
  }

  #encodeOne(encoded: Changes, change: BatchChange<Key, Value>): void {
    if (typeof change !== 'object' || change === null) {
      const expected = '{ key, value } or { key, delete: true }'
      throw new InvalidOptionError({ option: 'change', value: change, expected })
    }
    const { key, value } = this.#settings
    const preparedKey = key.prepare(change.key, 'key')
    const isDelete = 'delete' in change
    if (isDelete && (change.delete !== true || 'value' in change)) {
      const expected = 'true, and no value'
      throw new InvalidOptionError({ option: 'delete', value: change.delete, expected })
    }
    const preparedValue = isDelete ? null : value.prepare(change.value, 'value')
    if ('expect' in change) {
      const expected = change.expect
      const bytes = expected === undefined ? undefined : value.prepare(expected, 'expect')
      const copy = bytes === undefined ? undefined : Buffer.from(bytes as Uint8Array)
      encoded.expectations.push({ index: encoded.refs.length, value: copy })
    }
    encoded.refs.push(this.#entries.stage(preparedKey, preparedValue))
  }

  /** Whether keys hold what the changes expect, now. @throws ConflictError. */
  check(changes: EncodedChanges): void {
    const { refs, expectations } = changes as Changes
    const { arena } = this.#entries
    for (const { index, value } of expectations) {
      const ref = refs[index]!
      const start = placeOf(ref) + entryHeaderSize
      const key = arena.bytesOf(ref).subarray(start, start + arena.keyLengthOf(ref))
      if (this.#entries.holds(this.#entries.find(key), value)) continue
      throw new ConflictError({ table: this.name, changeIndex: index })
    }
  }

  /**
   * Shows changes whose records were appended to the table's log at `baseOffset`. Between append and
   * `apply` all other changes wait, so that the order of the log is the order in which they are seen.
   */
  apply(changes: EncodedChanges, baseOffset: Offset): void {
    const own = changes as Changes
    assert(own.state === 'staged', 'changes are applied once')
    assert(baseOffset === this.#shownEnd, 'changes are applied in the order of the log')
    own.state = 'done'
    let offset = baseOffset
    for (const ref of own.refs) this.#snapshots.loggedBytes += this.#entries.arena.sizeOf(ref)
    this.#entries.settle(own.refs)
    for (const ref of own.refs) {
      if (this.#watchers.size > 0) this.#tell(ref, offset)
      offset++
    }
    this.#entries.reclaim(own.refs.length)
    this.#shownEnd = offset
    this.#runQueue()
    this.#snapshotIfDue()
  }

  /** Drops changes that were not appended. */
  discard(changes: EncodedChanges): void {
    const own = changes as Changes
    if (own.state === 'done') return
    own.state = 'done'
    for (const ref of own.refs) this.#entries.discard(ref)
  }

  /** Passes over `count` records at `baseOffset` that were appended but do not count. */
  skip(changes: EncodedChanges, baseOffset: Offset): void {
    assert(baseOffset === this.#shownEnd, 'changes are decided in the order of the log')
    const count = (changes as Changes).refs.length
    this.discard(changes)
    this.#shownEnd = (baseOffset + count) as Offset
    this.#runQueue()
  }

  /** Records stand in the log of which it is not known yet whether they count. */
  #isUndecided(): boolean {
    return this.log.endOffset !== this.#shownEnd
  }

  #runQueue(): void {
    while (this.#queue.length > 0 && !this.#isUndecided()) this.#queue.shift()?.run()
  }

  // ---- watchers

  /**
   * Changes made from now on to keys in the bounds (all by default), in order of offsets, seen as
   * soon as readers see them. The iteration ends when `signal` aborts, when its loop is left or when
   * the table closes. @throws InvalidOptionError, ClosedError; during iteration WatchOverflowError.
   */
  watch(options: WatchOptions<Key> = {}): AsyncIterableIterator<TableChange<Key, Value>> {
    this.#assertOpen()
    const { signal, maxBuffered, ...bounds } = options
    knownOptions('watch', bounds, ['gte', 'gt', 'lte', 'lt', 'prefix'])
    if (signal !== undefined && !(signal instanceof AbortSignal)) {
      throw new InvalidOptionError({ option: 'signal', value: signal, expected: 'an AbortSignal' })
    }
    const watcher = new TableWatcher<Key, Value>({
      table: this.name,
      range: rangeOf(bounds as KeyBounds<Key>, this.#settings.key),
      maxBuffered: integerOption('maxBuffered', maxBuffered, { default: 1024, min: 1 }),
      signal,
      onEnd: (ended) => this.#watchers.delete(ended),
    })
    if (signal?.aborted !== true) this.#watchers.add(watcher)
    return watcher
  }

  #tell(ref: number, offset: Offset): void {
    const { arena } = this.#entries
    const start = placeOf(ref) + entryHeaderSize
    const end = start + arena.keyLengthOf(ref)
    for (const watcher of this.#watchers) {
      if (!watcher.covers(arena.bytesOf(ref), start, end)) continue
      try {
        const isDelete = arena.valueLengthOf(ref) < 0
        const value = isDelete ? undefined : this.#valueOf(ref)
        watcher.push({ key: this.#keyOf(ref), value, offset })
      } catch (error) {
        watcher.fail(error)
      }
    }
  }

  // ---- snapshots

  /**
   * Writes a snapshot of what is held now and frees the log below it; waits for one that is being
   * written. Needed only before something that should open fast: the table does it by itself, in
   * the background.
   * @throws (rejects) StorageError, LogFailedError, ClosedError. The table goes on.
   */
  async snapshot(): Promise<void> {
    for (;;) {
      this.#assertOpen()
      if (this.#snapshots.isWriting) await this.#snapshots.settled()
      else if (this.#isUndecided()) {
        await new Promise<void>((run, fail) => this.#queue.push({ run, fail }))
      } else return this.#snapshots.write(this.#shownEnd)
    }
  }

  #snapshotIfDue(): void {
    if (!this.#isClosed && !this.#isUndecided()) {
      this.#snapshots.writeIfDue(this.#shownEnd, this.#entries.liveBytes)
    }
  }

  /**
   * Store only: ends watchers and a snapshot that is being written. The log is closed by others.
   * @internal
   */
  async closeWithStore(): Promise<void> {
    this.#isClosed = true
    for (const watcher of this.#watchers) watcher.end()
    const queue = this.#queue
    this.#queue = []
    for (const { fail } of queue) fail(this.#closedError())
    await this.#snapshots.stop()
  }

  #keyOf(ref: number): Key {
    const { arena } = this.#entries
    const start = placeOf(ref) + entryHeaderSize
    const end = start + arena.keyLengthOf(ref)
    try {
      return this.#settings.key.decode(arena.bytesOf(ref), start, end)
    } catch (cause) {
      throw this.#undecodable('key', this.#settings.key.name, cause)
    }
  }

  #valueOf(ref: number): Value {
    const { arena } = this.#entries
    const start = placeOf(ref) + entryHeaderSize + arena.keyLengthOf(ref)
    const end = start + arena.valueLengthOf(ref)
    try {
      return this.#settings.value.decode(arena.bytesOf(ref), start, end)
    } catch (cause) {
      throw this.#undecodable('value', this.#settings.value.name, cause)
    }
  }

  #undecodable(part: string, codec: string, cause: unknown): StoreFormatError {
    const reason = `codec ${codec} cannot decode a ${part} of this table`
    return new StoreFormatError({ path: this.log.directory, reason }, { cause })
  }

  #assertOpen(): void {
    if (this.#isClosed) throw this.#closedError()
  }

  #closedError(): ClosedError {
    return new ClosedError(`table ${this.name} is closed`)
  }
}

/** The option is there even when its value is undefined: that expects the key to be missing. */
function expectationOf<Value>(options: ChangeOptions<Value>): { expect?: Value | undefined } {
  return 'expect' in options ? { expect: options.expect } : {}
}
