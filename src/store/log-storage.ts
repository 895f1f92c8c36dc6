/**
 * What a broker asks of the storage under it: the smallest set of operations that logs, queues and
 * acknowledgements are built from. A `Store` is one as it stands. `storageContract` of
 * `stratalog/testing` says what each operation must do; docs/backend.md explains them, and shows
 * three kinds of brokers on top.
 *
 * Errors carry the `code` named here; docs/errors.md has them all.
 */
import type { DurabilityLevel } from '../base/types.ts'
import type { RecordHeader, RecordInput } from '../record/record.ts'
import type { RangeOptions } from '../table/key-range.ts'

export interface LogStorage {
  /**
   * The log of that name, made when it is not there. @throws (rejects) ERR_TOPIC_INVALID (no such
   * name can be), ERR_TOPIC_EXISTS or ERR_TOPIC_INVALID (it is a table), ERR_CLOSED.
   */
  log(name: string): Promise<StorageLog>
  /** The table of that name, as `log`. */
  table(name: string, spec: StorageTableSpec): Promise<StorageTable>
  /**
   * Makes all that `build` asks for, in one turn, or nothing of it: also after a crash. `build` must
   * not wait. @throws (rejects) what `build` throws; ERR_CONFLICT an expectation of any member does
   * not hold: nothing was written.
   */
  atomic(
    build: (group: StorageGroup) => void,
    options?: { readonly level?: DurabilityLevel },
  ): Promise<StorageGroupAck>
  /** Makes everything so far durable, in all logs and tables. */
  flush(): Promise<void>
  /** Makes everything durable and lets go; what is used after it rejects with ERR_CLOSED. */
  close(): Promise<void>
}

export interface StorageLog {
  /** First offset that can be read, inclusive. */
  readonly startOffset: number
  /** Offset the next record gets. */
  readonly endOffset: number
  /** Everything below is on stable storage, exclusive. */
  readonly durableOffset: number
  /**
   * Appends one record, or several as one batch: all or none, also after a crash. Bytes are copied
   * before the call returns. Batches are stored in the order of the calls; the promise resolves at
   * `level`, by default `disk`.
   *
   * @throws (rejects) ERR_OPTION_INVALID; ERR_CONFLICT `endOffset` is not what was expected: nothing
   *         was written; ERR_CLOSED.
   */
  append(
    records: RecordInput | readonly RecordInput[],
    options?: StorageAppendOptions,
  ): Promise<StorageAck>
  /**
   * Records from `from` (inclusive, default: the start) up to `to` (exclusive, default: the end at
   * the time of the call), in order. Their bytes are the caller's own as long as he keeps them.
   *
   * @throws ERR_OFFSET_OUT_OF_RANGE with `logStartOffset` and `logEndOffset`, at the call or at the
   *         first record: `from` is outside the log. ERR_OPTION_INVALID.
   */
  read(options?: { readonly from?: number; readonly to?: number }): AsyncIterable<StoredRecord>
  /** Resolves when everything below `offset` has reached `level`, and sees to it. */
  reached(level: DurabilityLevel, offset: number): Promise<void>
  /** Drops the records below `to`, durably, for readers at once. A lower `to` changes nothing. */
  trim(to: number): void | Promise<void>
  /** Drops the batch that holds `to` and all after it, durably. A `to` at the end changes nothing. */
  truncate(to: number): void | Promise<void>
}

export type StorageAppendOptions = {
  readonly level?: DurabilityLevel
  /** The append is made only if `endOffset` is this. */
  readonly expect?: number
}

export type StorageAck = {
  /** Of the first record. */
  readonly offset: number
  /** Of the last record, inclusive. */
  readonly lastOffset: number
  /** Reached when the promise resolved; at least what was asked for. */
  readonly level: DurabilityLevel
}

export type StoredRecord = {
  readonly offset: number
  /** ms since the epoch. */
  readonly timestamp: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly RecordHeader[]
}

export type StorageTableSpec = { readonly key: 'bytes'; readonly value: 'bytes' }

/**
 * A durable map in the order of its keys' bytes. Changes are seen in the turn in which they are
 * made; their promises resolve at `level`, by default `disk`. After a crash it holds what some
 * prefix of its changes gives.
 */
export interface StorageTable {
  /** A copy of the value. */
  get(key: Buffer): Buffer | undefined
  range(options?: RangeOptions<Buffer>): Iterable<readonly [Buffer, Buffer]>
  /** @throws (rejects) ERR_CONFLICT the key does not hold what was expected: nothing was written. */
  put(key: Buffer, value: Buffer, options?: StorageChangeOptions): Promise<unknown>
  delete(key: Buffer, options?: StorageChangeOptions): Promise<unknown>
}

export type StorageChangeOptions = StorageExpectation & { readonly level?: DurabilityLevel }

export type StorageExpectation = {
  /** What the key must hold; undefined, when the option is there: nothing. */
  readonly expect?: Buffer | undefined
}

/** What is asked for inside of `atomic`. */
export interface StorageGroup {
  append(
    log: StorageLog,
    records: RecordInput | readonly RecordInput[],
    options?: Pick<StorageAppendOptions, 'expect'>,
  ): void
  put(table: StorageTable, key: Buffer, value: Buffer, options?: StorageExpectation): void
  delete(table: StorageTable, key: Buffer, options?: StorageExpectation): void
}

export type StorageGroupAck = {
  readonly level: DurabilityLevel
  /** One for each `append` of the group, in their order. */
  readonly appends: readonly StorageAck[]
}
