/** Changes of a table between being encoded and being made: staged entries, and what they expect. */
import type { RecordFields } from '../record/record.ts'
import { entryHeaderSize, placeOf } from './entry-arena.ts'
import type { TableEntries } from './table-entries.ts'

/** Changes that are encoded but not made: to be made together with those of other logs. */
export type EncodedChanges = {
  /** What to append to the table's log, as one batch. Views of the table's memory. */
  readonly records: readonly RecordFields[]
}

export class Changes implements EncodedChanges {
  readonly refs: number[] = []
  readonly expectations: { index: number; value: Buffer | undefined }[] = []
  state: 'staged' | 'done' = 'staged'
  readonly #entries: TableEntries

  constructor(entries: TableEntries) {
    this.#entries = entries
  }

  get records(): RecordFields[] {
    const { arena } = this.#entries
    return this.refs.map((ref) => {
      const bytes = arena.bytesOf(ref)
      const start = placeOf(ref) + entryHeaderSize
      const end = start + arena.keyLengthOf(ref)
      const length = arena.valueLengthOf(ref)
      const value = length < 0 ? null : bytes.subarray(end, end + length)
      return { key: bytes.subarray(start, end), value }
    })
  }
}
