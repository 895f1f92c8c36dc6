/** The table that groups and offsets are kept in: what the coordinator needs of it. */
import type { DurabilityLevel } from '../../base/types.ts'
import type { Store } from '../../store/store.ts'
import { groupsTopic } from '../../store/store-layout.ts'
import { LazyTable, type TableChange } from '../lazy-table.ts'

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

/**
 * Reads the table of groups of `store`.
 *
 * @throws (rejects) TopicExistsError, TableCodecError: what has the table's name is another one.
 *         StoreFormatError, CorruptionError, StorageError, LogFailedError, ClosedError.
 */
export function openGroupTable<Value>(store: Store): Promise<GroupTable<Value>> {
  return LazyTable.open<Value>(store, groupsTopic)
}
