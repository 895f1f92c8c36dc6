/**
 * Compares the index files of one segment with its batches, while these are walked in order.
 *
 * An index need not have an entry for any given batch, so one that lost whole entries at its end is
 * only sparser: lookups scan further and find the same. Every entry that is there must be true.
 */
import type { FilePosition, Offset } from '../base/types.ts'
import { EntryTable } from '../index/entry-table.ts'
import { OffsetIndex, offsetIndexEntrySize } from '../index/offset-index.ts'
import { TimeIndex, timeIndexEntrySize } from '../index/time-index.ts'
import type { BatchView } from '../record/batch-view.ts'

export class IndexCheck {
  readonly #isDense: boolean
  readonly #offsets: OffsetIndex
  readonly #times: TimeIndex
  #offsetEntry = 0
  #timeEntry = 0
  #maxTimestamp = -1
  #offsetFault: string | undefined
  #timeFault: string | undefined

  /** Both buffers are whole index files. */
  constructor(baseOffset: Offset, isDense: boolean, files: { offsets: Buffer; times: Buffer }) {
    this.#isDense = isDense
    this.#offsets = new OffsetIndex(baseOffset, new EntryTable(offsetIndexEntrySize, files.offsets))
    this.#times = new TimeIndex(baseOffset, new EntryTable(timeIndexEntrySize, files.times))
    if (files.offsets.length % offsetIndexEntrySize !== 0)
      this.#offsetFault = 'ends in half an entry'
    else if (!this.#offsets.isConsistent()) this.#offsetFault = 'entries do not ascend'
    if (files.times.length % timeIndexEntrySize !== 0) this.#timeFault = 'ends in half an entry'
    else if (!this.#times.isConsistent()) this.#timeFault = 'entries do not ascend'
  }

  /** Positions the offset index names; none when they cannot all be right. */
  get borders(): number[] {
    if (this.#offsetFault !== undefined) return []
    return Array.from({ length: this.#offsets.entryCount }, (_, i) => this.#offsets.positionOf(i))
  }

  add(batch: BatchView, position: FilePosition): void {
    this.#checkOffsets(batch, position)
    this.#checkTimes(batch)
    this.#maxTimestamp = Math.max(this.#maxTimestamp, batch.maxTimestamp)
  }

  #checkOffsets(batch: BatchView, position: FilePosition): void {
    const entry = this.#offsetEntry
    if (this.#offsetFault !== undefined || entry === this.#offsets.entryCount) return
    const named = this.#offsets.positionOf(entry)
    if (named > position) return
    const offset = this.#offsets.offsetOf(entry)
    // Other programs may index several batches by the last offset of all of them.
    const fits = this.#isDense ? batch.lastOffset === offset : batch.lastOffset <= offset
    if (named === position && fits) this.#offsetEntry++
    else
      this.#offsetFault = `entry ${entry} (offset ${offset} at byte ${named}) names no such batch`
  }

  #checkTimes(batch: BatchView): void {
    const entry = this.#timeEntry
    if (this.#timeFault !== undefined || entry === this.#times.entryCount) return
    const offset = this.#times.offsetOf(entry)
    if (offset > batch.lastOffset) return
    const timestamp = this.#times.timestampOf(entry)
    const isFirst = batch.maxTimestamp > this.#maxTimestamp && batch.maxTimestamp === timestamp
    const isInBatch = this.#isDense ? offset === batch.lastOffset : offset >= batch.baseOffset
    if (isInBatch && isFirst) this.#timeEntry++
    else
      this.#timeFault = `entry ${entry} (time ${timestamp}, offset ${offset}) names no such batch`
  }

  /** What is wrong with each file, once every batch was added. */
  finish(): { readonly offsets: string | undefined; readonly times: string | undefined } {
    if (this.#offsetEntry < this.#offsets.entryCount) {
      this.#offsetFault ??= `entry ${this.#offsetEntry} lies behind the last batch`
    }
    if (this.#timeEntry < this.#times.entryCount) {
      this.#timeFault ??= `entry ${this.#timeEntry} lies behind the last batch`
    }
    if (this.#times.lastTimestamp !== this.#maxTimestamp) {
      this.#timeFault ??= `ends at time ${this.#times.lastTimestamp} instead of ${this.#maxTimestamp}`
    }
    return { offsets: this.#offsetFault, times: this.#timeFault }
  }
}
