/**
 * The table that groups and offsets are kept in: what the coordinator needs of it, and how a table
 * of the store gives that. The store's table is made by the first change, so that a store which
 * serves no groups has none.
 */
import type { DurabilityLevel } from '../../base/types.ts'
import type { Store } from '../../store/store.ts'
import { groupsTopic } from '../../store/store-layout.ts'
import type { Table } from '../../table/table.ts'

export type TableChange<Value> =
  | { readonly key: string; readonly value: Value }
  | { readonly key: string; readonly delete: true }

export interface GroupTable<Value> {
  /**
   * Makes all changes, or none; changes of later calls come after them. Resolves when they have
   * reached `level`. @throws (rejects) LogError.
   */
  batch(
    changes: readonly TableChange<Value>[],
    options: { readonly level: DurabilityLevel },
  ): Promise<void>
  /** Entries whose key begins with `prefix`. */
  range(options: { readonly prefix: string }): Iterable<[key: string, value: Value]>
}

const spec = { key: 'string', value: 'json' } as const

/**
 * Reads the table of groups of `store`.
 *
 * @throws (rejects) TopicExistsError, TableCodecError: what has the table's name is another one.
 *         StoreFormatError, CorruptionError, StorageError, LogFailedError, ClosedError.
 */
export async function openGroupTable<Value>(store: Store): Promise<GroupTable<Value>> {
  if (store.topic(groupsTopic) === undefined) return new LazyTable<Value>(store, undefined)
  const table = await store.table(groupsTopic, spec)
  // What a killed process had written need not be durable yet. Clients are about to see it, and
  // what they have seen must not go back when power is lost next.
  await table.log.flush()
  return new LazyTable<Value>(store, table)
}

class LazyTable<Value> implements GroupTable<Value> {
  readonly #store: Store
  #table: Table<string, unknown> | undefined

  constructor(store: Store, table: Table<string, unknown> | undefined) {
    this.#store = store
    this.#table = table
  }

  async batch(
    changes: readonly TableChange<Value>[],
    options: { readonly level: DurabilityLevel },
  ): Promise<void> {
    // Set by the first of those who waited, so that nobody overtakes them.
    const table = (this.#table ??= await this.#store.table(groupsTopic, spec))
    await table.batch(changes, options)
  }

  range(options: { readonly prefix: string }): Iterable<[string, Value]> {
    return (this.#table?.range(options) ?? []) as Iterable<[string, Value]>
  }
}
