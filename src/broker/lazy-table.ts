/**
 * A table of the store that the broker keeps for itself. It is made by its first change, so that a
 * store which never has one has no such topic.
 */
import type { DurabilityLevel } from '../base/types.ts'
import type { Store } from '../store/store.ts'
import type { Table } from '../table/table.ts'

export type TableChange<Value> =
  | { readonly key: string; readonly value: Value }
  | { readonly key: string; readonly delete: true }

const spec = { key: 'string', value: 'json' } as const

export class LazyTable<Value> {
  readonly #store: Store
  readonly #name: string
  #table: Table<string, unknown> | undefined

  private constructor(store: Store, name: string, table: Table<string, unknown> | undefined) {
    this.#store = store
    this.#name = name
    this.#table = table
  }

  /**
   * Reads the table of that name.
   *
   * @throws (rejects) TopicExistsError, TableCodecError: what has the table's name is another one.
   *         StoreFormatError, CorruptionError, StorageError, LogFailedError, ClosedError.
   */
  static async open<Value>(store: Store, name: string): Promise<LazyTable<Value>> {
    if (store.topic(name) === undefined) return new LazyTable<Value>(store, name, undefined)
    const table = await store.table(name, spec)
    // What a killed process had written need not be durable yet. Clients are about to see it, and
    // what they have seen must not go back when power is lost next.
    await table.log.flush()
    return new LazyTable<Value>(store, name, table)
  }

  /**
   * Makes all changes, or none; changes of later calls come after them. Resolves when they have
   * reached `level`. @throws (rejects) LogError.
   */
  async batch(
    changes: readonly TableChange<Value>[],
    options: { readonly level: DurabilityLevel },
  ): Promise<void> {
    // Set by the first of those who waited, so that nobody overtakes them.
    const table = (this.#table ??= await this.#store.table(this.#name, spec))
    await table.batch(changes, options)
  }

  get(key: string): Value | undefined {
    return this.#table?.get(key) as Value | undefined
  }

  /** Entries whose key begins with `prefix`, by key. */
  range(options: { readonly prefix: string }): Iterable<[string, Value]> {
    return (this.#table?.range(options) ?? []) as Iterable<[string, Value]>
  }
}
