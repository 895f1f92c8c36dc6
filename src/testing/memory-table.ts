/** A table in memory; see memory-storage.ts. */
import { ConflictError } from '../base/errors.ts'
import { knownOptions } from '../base/option-fields.ts'
import type {
  StorageChangeOptions,
  StorageExpectation,
  StorageTable,
} from '../store/log-storage.ts'
import { checkRange, isInRange, type RangeOptions } from '../table/key-range.ts'
import { type Transcoder, transcoderOf } from '../table/table-codec.ts'
import type { MemoryOwner } from './memory-owner.ts'

const codec: Transcoder<Buffer> = transcoderOf('bytes', 'key')

/** What is left when the storage ends. Keys are text of one character a byte. */
export class MemoryTableData {
  readonly name: string
  readonly entries = new Map<string, Buffer>()
  /** What the changes that are not durable replaced, in their order. */
  readonly #undo: { readonly key: string; readonly value: Buffer | undefined }[] = []

  constructor(name: string) {
    this.name = name
  }

  set(key: string, value: Buffer | undefined): void {
    this.#undo.push({ key, value: this.entries.get(key) })
    this.#set(key, value)
  }

  #set(key: string, value: Buffer | undefined): void {
    if (value === undefined) this.entries.delete(key)
    else this.entries.set(key, value)
  }

  synced(): void {
    this.#undo.length = 0
  }

  loseUnsynced(): void {
    for (const { key, value } of this.#undo.splice(0).reverse()) this.#set(key, value)
  }
}

/** A change that is checked and copied, but not made. */
export type PreparedChange = {
  readonly key: string
  readonly value: Buffer | undefined
  readonly expectation: { readonly value: Buffer | undefined } | undefined
  readonly index: number
}

/** What a key is to hold. */
export type NewValue = { readonly value: Buffer } | 'delete'

export class MemoryTable implements StorageTable {
  readonly #data: MemoryTableData
  readonly #owner: MemoryOwner

  constructor(data: MemoryTableData, owner: MemoryOwner) {
    this.#data = data
    this.#owner = owner
  }

  get(key: Buffer): Buffer | undefined {
    this.#owner.assertOpen()
    const value = this.#data.entries.get(textOf(copyOf(key, 'key')))
    return value === undefined ? undefined : Buffer.from(value)
  }

  /** Sorts all keys in the range at each call. */
  range(options: RangeOptions<Buffer> = {}): IterableIterator<[Buffer, Buffer]> {
    this.#owner.assertOpen()
    const { range, isReverse, limit } = checkRange(options, codec)
    const keys = Array.from(this.#data.entries.keys(), bytesOf)
      .filter((key) => isInRange(range, key, 0, key.length))
      .sort(Buffer.compare)
    return this.#walk(isReverse ? keys.reverse() : keys, limit)
  }

  *#walk(keys: readonly Buffer[], limit: number): IterableIterator<[Buffer, Buffer]> {
    let count = 0
    for (const key of keys) {
      if (count === limit) return
      const value = this.get(key)
      if (value === undefined) continue
      count++
      yield [key, value]
    }
  }

  put(key: Buffer, value: Buffer, options: StorageChangeOptions = {}): Promise<void> {
    return this.#change(key, { value }, options)
  }

  delete(key: Buffer, options: StorageChangeOptions = {}): Promise<void> {
    return this.#change(key, 'delete', options)
  }

  async #change(key: Buffer, what: NewValue, options: StorageChangeOptions): Promise<void> {
    this.#owner.assertOpen()
    knownOptions('change', options, ['level', 'expect'])
    const level = this.#owner.level(options.level)
    const change = this.prepare(key, what, options, 0)
    this.check(change)
    this.make(change)
    await this.#owner.settled(level)
  }

  /** Copies what a change needs. @throws InvalidOptionError. */
  prepare(key: Buffer, what: NewValue, options: StorageExpectation, index: number): PreparedChange {
    const { expect } = options
    const expected = expect === undefined ? undefined : copyOf(expect, 'expect')
    return {
      key: textOf(copyOf(key, 'key')),
      value: what === 'delete' ? undefined : copyOf(what.value, 'value'),
      expectation: 'expect' in options ? { value: expected } : undefined,
      index,
    }
  }

  /** @throws ConflictError. */
  check({ key, expectation, index }: PreparedChange): void {
    if (expectation === undefined) return
    const held = this.#data.entries.get(key)
    const { value } = expectation
    const isSame = value === undefined ? held === undefined : held?.equals(value) === true
    if (!isSame) throw new ConflictError({ table: this.#data.name, changeIndex: index })
  }

  make({ key, value }: PreparedChange): undefined {
    this.#data.set(key, value)
  }
}

function copyOf(value: Buffer, option: string): Buffer {
  return Buffer.from(codec.prepare(value, option) as Uint8Array)
}

function textOf(bytes: Buffer): string {
  return bytes.toString('latin1')
}

function bytesOf(text: string): Buffer {
  return Buffer.from(text, 'latin1')
}
