/**
 * What the two indexes of a segment share: a table of entries that each name a record by its
 * offset relative to the segment's base, a uint32 at the same byte of every entry.
 */
import type { Offset } from '../base/types.ts'
import type { EntryTable } from './entry-table.ts'

export abstract class SparseIndex {
  readonly baseOffset: Offset
  protected readonly table: EntryTable
  readonly #relativeOffsetAt: number

  /** @param relativeOffsetAt byte of an entry at which its relative offset begins. */
  constructor(baseOffset: Offset, table: EntryTable, relativeOffsetAt: number) {
    this.baseOffset = baseOffset
    this.table = table
    this.#relativeOffsetAt = relativeOffsetAt
  }

  get entryCount(): number {
    return this.table.count
  }

  /** The entries as they stand in the file; valid until the next change. */
  get bytes(): Buffer {
    return this.table.bytes
  }

  /** Offset of the last entry, or the base offset when there is none. */
  get lastOffset(): Offset {
    const { count } = this.table
    return count === 0 ? this.baseOffset : this.offsetOf(count - 1)
  }

  /** Copies borrowed entries into memory of the index's own. */
  detach(): void {
    this.table.detach()
  }

  /** Drops every entry whose offset is `offset` or above. */
  truncate(offset: Offset): void {
    const below = Math.min(offset - this.baseOffset - 1, 0xffffffff)
    this.table.cut(below < 0 ? 0 : this.table.countAtOrBelow(this.#relativeOffsetAt, below))
  }

  /** Keeps the first `count` entries, of these the ones below `offset`, in memory of its own. */
  cutTo(count: number, offset: Offset): void {
    this.table.cut(count)
    this.detach()
    this.truncate(offset)
  }

  /** Whether the entries grow as they must. O(n): for entries that come from a file. */
  isConsistent(): boolean {
    for (let entry = 1; entry < this.table.count; entry++) if (!this.follows(entry)) return false
    return true
  }

  /** Whether entry `entry` may stand behind the one before it. */
  protected abstract follows(entry: number): boolean

  /** Offset an entry names. */
  offsetOf(entry: number): Offset {
    const at = entry * this.table.entrySize + this.#relativeOffsetAt
    return (this.baseOffset + this.table.buffer.readUInt32BE(at)) as Offset
  }
}
