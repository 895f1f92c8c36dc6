/**
 * Walks the batches of a segment file in order, through a reused window of its bytes.
 *
 * `headers` mode reads 61 bytes a batch and skips the bodies (searching, replaying producer
 * state); `whole` mode loads each batch completely (checksums, records). `view` and the window are
 * overwritten by the next step: nothing of them may be kept.
 */
import type { FilePosition } from '../base/types.ts'
import type { File } from '../platform/file-system.ts'
import { batchHeaderSize, batchOverhead } from '../record/batch-format.ts'
import { BatchView } from '../record/batch-view.ts'

export type ScanMode = 'headers' | 'whole'

/**
 * - `batch`      `view` stands on a batch that lies wholly inside the limit
 * - `end`        the limit is reached exactly
 * - `incomplete` the remaining bytes are fewer than the next batch needs
 * - `invalid`    the next header is impossible (length below 49, or magic other than 2)
 */
export type ScanStep = 'batch' | 'end' | 'incomplete' | 'invalid'

/** A segment, or a file of which nobody else knows. */
export type ScanSource = Pick<File, 'read'>

const minimumBatchLength = batchHeaderSize - batchOverhead
const headerWindowBytes = 8 * 1024
const wholeWindowBytes = 1024 * 1024

/** Window of the last scan of headers that has ended, for the next one: there are many small ones. */
let spareWindow: Buffer | undefined
const noBytes = Buffer.alloc(0)

export class BatchScanner {
  readonly view: BatchView = new BatchView()
  readonly #file: ScanSource
  readonly #mode: ScanMode
  #window: Buffer = noBytes
  #windowStart = 0
  #windowEnd = 0
  #next = 0
  #limit = 0
  #position = 0 as FilePosition

  constructor(file: ScanSource, mode: ScanMode) {
    this.#file = file
    this.#mode = mode
  }

  /** Place of the current batch in the file, or of what stopped the scan. */
  get position(): FilePosition {
    return this.#position
  }

  /** Starts at `position`, which must be a batch border, and never looks at or past `limit`. */
  start(position: number, limit: number): this {
    this.#next = position
    this.#position = position as FilePosition
    this.#limit = limit
    this.#windowEnd = this.#windowStart = 0
    return this
  }

  /** Nothing more of the view is looked at: the window may serve another scan. */
  release(): void {
    if (this.#window.length === headerWindowBytes) spareWindow = this.#window
    this.#window = noBytes
    this.#windowEnd = this.#windowStart = 0
  }

  next(): ScanStep {
    this.#position = this.#next as FilePosition
    const remaining = this.#limit - this.#next
    if (remaining === 0) {
      this.release()
      return 'end'
    }
    if (remaining < batchHeaderSize) return 'incomplete'
    if (!this.#load(batchHeaderSize)) return 'incomplete'
    const at = this.#next - this.#windowStart
    const length = this.#window.readInt32BE(at + 8)
    if (length < minimumBatchLength) return 'invalid'
    if (this.#window[at + 16] !== 2) return 'invalid'
    const size = batchOverhead + length
    if (size > remaining) return 'incomplete'
    if (this.#mode === 'whole' && !this.#load(size)) return 'incomplete'
    this.view.at(this.#window, this.#next - this.#windowStart)
    this.#next += size
    return 'batch'
  }

  /** Makes `[next, next + count)` stand in the window; false when the file is shorter. */
  #load(count: number): boolean {
    if (this.#next >= this.#windowStart && this.#next + count <= this.#windowEnd) return true
    const preferred = this.#mode === 'whole' ? wholeWindowBytes : headerWindowBytes
    const wanted = Math.min(Math.max(count, preferred), this.#limit - this.#next)
    if (this.#window.length < wanted) this.#window = takeWindow(wanted)
    const read = this.#file.read(this.#window.subarray(0, wanted), this.#next)
    this.#windowStart = this.#next
    this.#windowEnd = this.#next + read
    return read >= count
  }
}

function takeWindow(sizeBytes: number): Buffer {
  if (sizeBytes > headerWindowBytes) return Buffer.allocUnsafeSlow(sizeBytes)
  const window = spareWindow ?? Buffer.allocUnsafeSlow(headerWindowBytes)
  spareWindow = undefined
  return window
}
