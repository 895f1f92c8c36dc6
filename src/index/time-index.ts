/**
 * Sparse index of one segment: timestamp → record offset.
 *
 *     entry :=
 *       timestamp:      int64    // largest timestamp in the segment up to here, ms, big-endian
 *       relativeOffset: uint32   // last offset of the earliest batch having it − base offset
 *
 * Timestamps grow strictly, offsets never shrink. Every record with a timestamp above an entry's
 * lies after that entry's offset. The last entry of a sealed segment holds the segment's largest
 * timestamp. Records without a timestamp (−1) make no entries.
 * Origin: the time index of Apache Kafka; see docs/file-format.md.
 */
import { assert } from '../base/assert.ts'
import type { Offset } from '../base/types.ts'
import { EntryTable } from './entry-table.ts'
import { SparseIndex } from './sparse-index.ts'

const timestampHighAt = 0
const timestampLowAt = 4
const relativeOffsetAt = 8
export const timeIndexEntrySize = 12
const twoTo32 = 0x1_0000_0000

export class TimeIndex extends SparseIndex {
  /** `table` holds entries of `timeIndexEntrySize` bytes, owned by this index from here on. */
  constructor(baseOffset: Offset, table: EntryTable = new EntryTable(timeIndexEntrySize)) {
    super(baseOffset, table, relativeOffsetAt)
  }

  /** Timestamp of the last entry, or −1. */
  get lastTimestamp(): number {
    const { count } = this.table
    return count === 0 ? -1 : this.timestampOf(count - 1)
  }

  /** Adds an entry, or does nothing when `timestamp` is not above the last entry's. */
  offer(timestamp: number, offset: Offset): void {
    if (timestamp <= this.lastTimestamp) return
    assert(offset >= this.lastOffset, 'time index offsets never shrink')
    const at = this.table.grow()
    const { buffer } = this.table
    buffer.writeUInt32BE(Math.floor(timestamp / twoTo32), at + timestampHighAt)
    buffer.writeUInt32BE(timestamp % twoTo32, at + timestampLowAt)
    buffer.writeUInt32BE(offset - this.baseOffset, at + relativeOffsetAt)
  }

  /**
   * Offset of the last entry whose timestamp is at or below `timestamp`; the base offset when
   * there is none. No record before it has a larger timestamp than the entry. O(log n).
   */
  lookup(timestamp: number): Offset {
    const entry = this.entryAtOrBelow(timestamp)
    return entry < 0 ? this.baseOffset : this.offsetOf(entry)
  }

  /** Number of the last entry with a timestamp at or below `timestamp`, from 0; −1 for none. */
  entryAtOrBelow(timestamp: number): number {
    let low = 0
    let high = this.table.count // exclusive
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.timestampOf(middle) <= timestamp) low = middle + 1
      else high = middle
    }
    return low - 1
  }

  /** Timestamp of the last entry whose offset is below `offset`; −1 when there is none. O(log n). */
  timestampBefore(offset: Offset): number {
    const wanted = Math.min(offset - this.baseOffset - 1, 0xffffffff)
    const found = wanted < 0 ? 0 : this.table.countAtOrBelow(relativeOffsetAt, wanted)
    return found === 0 ? -1 : this.timestampOf(found - 1)
  }

  /** Whether the entries could belong to a segment whose log goes up to `nextOffset`. O(1). */
  isPlausible(nextOffset: Offset): boolean {
    const { count } = this.table
    if (count === 0) return true
    if (this.offsetOf(count - 1) >= nextOffset) return false
    return count === 1 || this.timestampOf(0) < this.timestampOf(count - 1)
  }

  /** Timestamps grow and offsets do not shrink from entry to entry. */
  protected override follows(entry: number): boolean {
    return (
      this.timestampOf(entry) > this.timestampOf(entry - 1) &&
      this.offsetOf(entry) >= this.offsetOf(entry - 1)
    )
  }

  /** Timestamp an entry names. */
  timestampOf(entry: number): number {
    const { buffer } = this.table
    const at = entry * timeIndexEntrySize
    return (
      buffer.readInt32BE(at + timestampHighAt) * twoTo32 + buffer.readUInt32BE(at + timestampLowAt)
    )
  }
}
