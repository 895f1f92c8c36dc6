/**
 * Fixed-size index entries in one buffer: growable memory for the active segment, or a mapped
 * file for a sealed one. A mapped table is copied into memory on its first change.
 */
import { assert } from '../base/assert.ts'
import { kibibyte } from '../base/units.ts'
import { crc32c } from '../platform/crc32c.ts'

const initialEntries = 16
/** One for all: a table without entries costs no memory of its own. */
const noBytes = Buffer.alloc(0)

/**
 * Tables of few entries share blocks of memory: an ArrayBuffer costs some 300 bytes beside what it holds,
 * and thousands of idle logs have a table each. A block goes with the last of its tables.
 */
const blockBytes = 16 * kibibyte
const mostShared = 256
let block = noBytes
let usedOfBlock = 0

/** Memory of whatever content. */
function takeMemory(length: number): Buffer {
  if (length > mostShared) return Buffer.allocUnsafeSlow(length)
  if (usedOfBlock + length > block.length) {
    block = Buffer.allocUnsafeSlow(blockBytes)
    usedOfBlock = 0
  }
  usedOfBlock += length
  return block.subarray(usedOfBlock - length, usedOfBlock)
}

export class EntryTable {
  readonly entrySize: number
  /** Entry bytes; only the first `count × entrySize` bytes are meant. */
  buffer: Buffer
  count: number
  #isBorrowed: boolean

  /** @param borrowed existing entries (a mapped file), read but never written by the table. */
  constructor(entrySize: number, borrowed?: Buffer) {
    this.entrySize = entrySize
    this.buffer = borrowed ?? noBytes
    this.count = Math.floor(this.buffer.length / entrySize)
    this.#isBorrowed = borrowed !== undefined
  }

  get bytes(): Buffer {
    return this.buffer.subarray(0, this.count * this.entrySize)
  }

  /** Copies a borrowed table into its own memory, so that what it was borrowed from may go. */
  detach(): void {
    if (!this.#isBorrowed) return
    const own = this.count === 0 ? noBytes : takeMemory(this.count * this.entrySize)
    this.bytes.copy(own)
    this.buffer = own
    this.#isBorrowed = false
  }

  /** Makes room for one more entry and returns its byte place. */
  grow(): number {
    const at = this.count * this.entrySize
    if (this.#isBorrowed || at + this.entrySize > this.buffer.length) {
      const capacity = Math.max(initialEntries, this.count * 2) * this.entrySize
      const grown = takeMemory(capacity)
      this.bytes.copy(grown)
      this.buffer = grown
      this.#isBorrowed = false
    }
    this.count++
    return at
  }

  /** Whether the first `count` entries are there and have this CRC-32C. */
  isSealed(count: number, crc: number): boolean {
    return count <= this.count && crc32c(this.buffer, 0, count * this.entrySize) === crc
  }

  cut(count: number): void {
    assert(count <= this.count, 'a cut table is not longer')
    this.count = count
  }

  /**
   * How many entries have a uint32 at byte `fieldAt` that is ≤ `limit`. The field must not
   * decrease from entry to entry. O(log n).
   */
  countAtOrBelow(fieldAt: number, limit: number): number {
    const { buffer, entrySize } = this
    let low = 0
    let high = this.count // exclusive
    while (low < high) {
      const middle = (low + high) >>> 1
      if (buffer.readUInt32BE(middle * entrySize + fieldAt) <= limit) low = middle + 1
      else high = middle
    }
    return low
  }
}
