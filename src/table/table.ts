/**
 * A small durable map: every change is a record of the table's own log, and opening replays it.
 *
 * The key is the record's key; the value is JSON, null deletes. The last record of a key counts.
 * The store keeps its topics, producer-id blocks and leader epoch in one.
 */
import { StoreFormatError } from '../base/errors.ts'
import type { Log } from '../log/log.ts'

export class Table<Value> {
  readonly #log: Log
  readonly #entries = new Map<string, Value>()

  /** Replays `log`, which belongs to the table from here on. O(records of the log). */
  constructor(log: Log) {
    this.#log = log
    const cursor = log.cursor({ from: 'start' })
    while (cursor.next()) {
      const key = cursor.key()?.toString()
      if (key === undefined) continue
      const value = cursor.value()
      if (value === null) this.#entries.delete(key)
      else this.#entries.set(key, parse<Value>(value, log.directory, cursor.offset))
    }
  }

  get size(): number {
    return this.#entries.size
  }

  get(key: string): Value | undefined {
    return this.#entries.get(key)
  }

  entries(): IterableIterator<[string, Value]> {
    return this.#entries.entries()
  }

  /** Sets `key`. Resolves when that is on stable storage; readers see it from then on. */
  async put(key: string, value: Value): Promise<void> {
    await this.#log.append({ key, value: JSON.stringify(value) }, { level: 'disk' })
    this.#entries.set(key, value)
  }

  /** Deletes `key`. Resolves when that is on stable storage; readers see it from then on. */
  async delete(key: string): Promise<void> {
    await this.#log.append({ key, value: null }, { level: 'disk' })
    this.#entries.delete(key)
  }
}

function parse<Value>(bytes: Buffer, path: string, offset: number): Value {
  try {
    return JSON.parse(bytes.toString())
  } catch (cause) {
    throw new StoreFormatError({ path, reason: `record ${offset} is not JSON` }, { cause })
  }
}
