/** A log in memory; see memory-storage.ts. */
import { types } from 'node:util'
import { ConflictError, InvalidOptionError, OffsetOutOfRangeError } from '../base/errors.ts'
import { integerOption, knownOptions } from '../base/option-fields.ts'
import type { DurabilityLevel, Offset } from '../base/types.ts'
import { fieldShape, flattenHeaders } from '../record/header-input.ts'
import type { RecordFields, RecordHeader, RecordInput } from '../record/record.ts'
import type {
  StorageAck,
  StorageAppendOptions,
  StorageLog,
  StoredRecord,
} from '../store/log-storage.ts'
import type { MemoryOwner } from './memory-owner.ts'

/** A record without its place. */
export type RecordContent = Omit<StoredRecord, 'offset'>

/** First and last offset, inclusive. */
export type OffsetSpan = { readonly offset: number; readonly lastOffset: number }

/** What is left when the storage ends. */
export class MemoryLogData {
  readonly name: string
  start = 0
  /** Everything below is durable, exclusive. */
  durable = 0
  /** From `start` on, one for each offset. */
  records: RecordContent[] = []
  /** Base offsets of the batches, ascending. The first may lie below `start`. */
  bases: number[] = []

  constructor(name: string) {
    this.name = name
  }

  get end(): number {
    return this.start + this.records.length
  }

  at(offset: number): RecordContent {
    return this.records[offset - this.start] as RecordContent
  }

  synced(): void {
    this.durable = this.end
  }

  loseUnsynced(): void {
    this.cutAt(this.durable)
  }

  /** Drops everything from `end` on. */
  cutAt(end: number): void {
    this.start = Math.min(this.start, end)
    this.records.length = Math.max(0, end - this.start)
    this.bases = this.bases.filter((base) => base < end)
    this.durable = Math.min(this.durable, end)
  }
}

export class MemoryLog implements StorageLog {
  readonly #data: MemoryLogData
  readonly #owner: MemoryOwner

  constructor(data: MemoryLogData, owner: MemoryOwner) {
    this.#data = data
    this.#owner = owner
  }

  get startOffset(): number {
    return this.#data.start
  }
  get endOffset(): number {
    return this.#data.end
  }
  get durableOffset(): number {
    return this.#data.durable
  }

  async append(
    input: RecordInput | readonly RecordInput[],
    options: StorageAppendOptions = {},
  ): Promise<StorageAck> {
    this.#owner.assertOpen()
    knownOptions('append', options, ['level', 'expect'])
    const level = this.#owner.level(options.level)
    const records = storedRecords(input)
    this.check(options.expect)
    const span = this.add(records)
    await this.#owner.settled(level)
    return { ...span, level }
  }

  /** @throws ConflictError. */
  check(expect: number | undefined): void {
    if (expect === undefined) return
    const expected = integerOption('expect', expect, { default: 0, min: 0 })
    if (expected !== this.endOffset) {
      throw new ConflictError({ log: this.#data.name, expected, found: this.endOffset })
    }
  }

  /** Appends one batch, or more records to the last one. */
  add(records: readonly RecordContent[], isNewBatch = true): OffsetSpan {
    const offset = this.endOffset
    if (isNewBatch) this.#data.bases.push(offset)
    for (const record of records) this.#data.records.push(record)
    return { offset, lastOffset: this.endOffset - 1 }
  }

  read(options: { from?: number; to?: number } = {}): AsyncGenerator<StoredRecord> {
    this.#owner.assertOpen()
    knownOptions('read', options, ['from', 'to'])
    const from = integerOption('from', options.from, { default: this.startOffset, min: 0 })
    const to = integerOption('to', options.to, { default: this.endOffset, min: 0 })
    this.#assertInRange(from)
    return this.#walk(from, Math.min(to, this.endOffset))
  }

  async *#walk(from: number, to: number): AsyncGenerator<StoredRecord> {
    for (let offset = from; offset < Math.min(to, this.endOffset); offset++) {
      this.#owner.assertOpen()
      this.#assertInRange(offset)
      const { timestamp, key, value, headers } = this.#data.at(offset)
      yield {
        offset,
        timestamp,
        key: key && Buffer.from(key),
        value: value && Buffer.from(value),
        headers: headers.map((header) => ({
          key: header.key,
          value: header.value && Buffer.from(header.value),
        })),
      }
    }
  }

  async reached(level: DurabilityLevel, offset: number): Promise<void> {
    this.#owner.assertOpen()
    const asked = this.#owner.level(level)
    while (asked === 'disk' ? this.durableOffset < offset : this.endOffset < offset) {
      if (asked === 'disk') await this.#owner.settled('disk')
      else await new Promise((resolve) => setImmediate(resolve))
      this.#owner.assertOpen()
    }
  }

  trim(to: number): void {
    this.#owner.assertOpen()
    const target = integerOption('to', to, { default: 0, min: 0, max: this.endOffset })
    const count = target - this.startOffset
    if (count <= 0) return
    const { bases } = this.#data
    this.#data.records.splice(0, count)
    this.#data.start = target
    this.#data.durable = Math.max(this.#data.durable, target)
    this.#data.bases = bases.filter((_, at) => (bases[at + 1] ?? this.endOffset) > target)
  }

  truncate(to: number): void {
    this.#owner.assertOpen()
    const target = integerOption('to', to, { default: 0, min: 0 })
    if (target >= this.endOffset) return
    this.#data.cutAt(this.#data.bases.findLast((base) => base <= target) ?? target)
  }

  #assertInRange(offset: number): void {
    const { startOffset, endOffset } = this
    if (offset >= startOffset && offset <= endOffset) return
    throw new OffsetOutOfRangeError({
      log: this.#data.name,
      offset,
      logStartOffset: startOffset as Offset,
      logEndOffset: endOffset as Offset,
    })
  }
}

/** What is to be stored of one batch: copies. @throws InvalidOptionError. */
export function storedRecords(input: RecordInput | readonly RecordInput[]): RecordContent[] {
  const inputs = Array.isArray(input) ? (input as readonly RecordInput[]) : [input as RecordInput]
  if (inputs.length > 0) return inputs.map(storedRecord)
  throw new InvalidOptionError({ option: 'records', value: input, expected: 'one or more' })
}

function storedRecord(input: RecordInput): RecordContent {
  const isFields = typeof input === 'object' && input !== null && !types.isUint8Array(input)
  const fields = (isFields ? input : { value: input }) as RecordFields
  if (!isFields && input === null) throw badField('record', input)
  const { key = null, value, headers = [], timestamp = Date.now() } = fields
  return {
    timestamp: integerOption('record.timestamp', timestamp, { default: 0, min: -1 }),
    key: copyOf('record.key', key),
    value: copyOf('record.value', value),
    headers: storedHeaders(headers),
  }
}

function storedHeaders(input: NonNullable<RecordFields['headers']>): RecordHeader[] {
  const flat = flattenHeaders(input)
  const headers: RecordHeader[] = []
  for (let at = 0; at < flat.length; at += 2) {
    const value = copyOf('record.headers', flat[at + 1])
    headers.push({ key: String(flat[at]), value })
  }
  return headers
}

function copyOf(option: string, value: unknown): Buffer | null {
  if (value === null) return null
  if (typeof value === 'string') return Buffer.from(value)
  if (types.isUint8Array(value)) return Buffer.from(value)
  throw badField(option, value)
}

function badField(option: string, value: unknown): InvalidOptionError {
  return new InvalidOptionError({ option, value, expected: fieldShape })
}
