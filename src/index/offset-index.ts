/**
 * Sparse index of one segment: record offset → byte position of the append that holds it.
 *
 *     entry :=
 *       relativeOffset: uint32   // last offset of the indexed batch − base offset, big-endian
 *       position:       uint32   // where that batch starts in the segment file, big-endian
 *
 * Both fields grow strictly from entry to entry, so a scan for `x ≥ relativeOffset + base` may
 * start at `position`. No checksum: the file is derived, and recovery rebuilds it.
 * Origin: the offset index of Apache Kafka; see docs/file-format.md.
 */
import { assert } from '../base/assert.ts'
import type { FilePosition, Offset } from '../base/types.ts'
import { EntryTable } from './entry-table.ts'
import { SparseIndex } from './sparse-index.ts'

const relativeOffsetAt = 0
const positionAt = 4
export const offsetIndexEntrySize = 8

export class OffsetIndex extends SparseIndex {
  /** `table` holds entries of `offsetIndexEntrySize` bytes, owned by this index from here on. */
  constructor(baseOffset: Offset, table: EntryTable = new EntryTable(offsetIndexEntrySize)) {
    super(baseOffset, table, relativeOffsetAt)
  }

  /** Position of the last entry, or 0 when there is none. */
  get lastPosition(): FilePosition {
    return this.positionOf(this.table.count - 1)
  }

  /** Adds an entry. `lastOffset` and `position` must both be above the last entry's. */
  append(lastOffset: Offset, position: FilePosition): void {
    const { count } = this.table
    assert(
      count === 0 ||
        (lastOffset > this.offsetOf(count - 1) && position > this.positionOf(count - 1)),
      'offset index entries grow in both fields',
    )
    const at = this.table.grow()
    const { buffer } = this.table
    buffer.writeUInt32BE(lastOffset - this.baseOffset, at + relativeOffsetAt)
    buffer.writeUInt32BE(position, at + positionAt)
  }

  /**
   * Position of the last entry at or below `target`: where a scan for it may start. 0 when there
   * is none. `target ≥ baseOffset`. O(log n); allocates nothing.
   */
  lookup(target: Offset): FilePosition {
    return this.positionOf(this.entryAtOrBelow(target))
  }

  /** Number of the last entry at or below `target`, from 0; −1 when there is none. */
  entryAtOrBelow(target: Offset): number {
    assert(target >= this.baseOffset, 'the target is not below this segment')
    const wanted = Math.min(target - this.baseOffset, 0xffffffff)
    return this.table.countAtOrBelow(relativeOffsetAt, wanted) - 1
  }

  /** Position an entry names; 0 for entry −1, which stands for the start of the segment. */
  positionOf(entry: number): FilePosition {
    if (entry < 0) return 0 as FilePosition
    return this.table.buffer.readUInt32BE(entry * offsetIndexEntrySize + positionAt) as FilePosition
  }

  /** Largest indexed position at or below `position`, or 0: a batch border near a byte count. */
  borderAtOrBelow(position: number): FilePosition {
    const found = this.table.countAtOrBelow(positionAt, Math.min(position, 0xffffffff))
    return this.positionOf(found - 1)
  }

  /** Whether the entries could belong to a segment of `segmentBytes` bytes. O(1). */
  isPlausible(segmentBytes: number): boolean {
    const { count } = this.table
    if (count === 0) return true
    if (this.positionOf(count - 1) >= segmentBytes || this.positionOf(0) === 0) return false
    return count === 1 || this.offsetOf(0) < this.offsetOf(count - 1)
  }

  /** Both fields grow from entry to entry. */
  protected override follows(entry: number): boolean {
    return (
      this.offsetOf(entry) > this.offsetOf(entry - 1) &&
      this.positionOf(entry) > this.positionOf(entry - 1)
    )
  }
}
