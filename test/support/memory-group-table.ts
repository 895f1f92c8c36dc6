/** A table of groups in memory, whose batches become durable when the test's loop turns. */
import type { GroupTableValue } from '../../src/broker/groups/group-record.ts'
import type { GroupTable } from '../../src/broker/groups/group-table.ts'
import type { TableChange } from '../../src/broker/lazy-table.ts'

export class MemoryGroupTable implements GroupTable<GroupTableValue> {
  readonly entries = new Map<string, string>()
  /** Thrown by the next batches, before anything is changed. */
  failure: Error | undefined
  batches = 0

  async batch(changes: readonly TableChange<GroupTableValue>[]): Promise<void> {
    this.batches++
    if (this.failure !== undefined) throw this.failure
    for (const change of changes) {
      if ('delete' in change) this.entries.delete(change.key)
      else this.entries.set(change.key, JSON.stringify(change.value))
    }
    await new Promise((resolve) => setImmediate(resolve))
  }

  *range({ prefix }: { prefix: string }): Generator<[string, GroupTableValue]> {
    for (const [key, value] of this.entries) {
      if (key.startsWith(prefix)) yield [key, JSON.parse(value)]
    }
  }
}
