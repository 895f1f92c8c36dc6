/**
 * Reads a file at random places through one reused window of its bytes. Steps forwards or a little
 * backwards cost no read.
 */
import { CorruptionError } from '../base/errors.ts'
import type { FilePosition } from '../base/types.ts'
import type { File } from '../platform/file-system.ts'

const windowBytes = 1024 * 1024

export class FileWindow {
  /** Valid until the next `at`. */
  bytes: Buffer = Buffer.alloc(0)
  readonly #file: File
  readonly #sizeBytes: number
  #start = 0
  #end = 0

  constructor(file: File) {
    this.#file = file
    this.#sizeBytes = file.size()
  }

  /** Index in `bytes` at which `[position, position + count)` of the file stands. */
  at(position: number, count: number): number {
    if (position < this.#start || position + count > this.#end) this.#load(position, count)
    return position - this.#start
  }

  /** Reads anew next time. */
  forget(): void {
    this.#start = this.#end = 0
  }

  #load(position: number, count: number): void {
    const wanted = Math.max(count, Math.min(windowBytes, this.#sizeBytes - position))
    if (this.bytes.length < wanted) this.bytes = Buffer.allocUnsafeSlow(wanted)
    const read = this.#file.read(this.bytes.subarray(0, wanted), position)
    if (read < count) {
      throw new CorruptionError({
        path: this.#file.path,
        position: (position + read) as FilePosition,
        reason: 'the file ends too early',
      })
    }
    this.#start = position
    this.#end = position + read
  }
}
