/**
 * One open `.log` file shared by its segment and by slices on their way to sockets: the descriptor
 * closes when the last of them lets go, so a segment may be deleted under a running transfer.
 */
import { assert } from '../base/assert.ts'
import type { FileSlice } from '../platform/file-slice.ts'
import type { File } from '../platform/file-system.ts'

export class SegmentFile {
  readonly file: File
  #holders = 1

  constructor(file: File) {
    this.file = file
  }

  /** Keeps the file open until the matching `release`. */
  hold(): void {
    assert(this.#holders > 0, 'a closed file is not held again')
    this.#holders++
  }

  release(): void {
    assert(this.#holders > 0, 'a file is released once per hold')
    this.#holders--
    if (this.#holders === 0) this.file.close()
  }

  /** A region that keeps the file open until it is released. */
  slice(position: number, length: number): FileSlice {
    this.hold()
    let isHeld = true
    return {
      kind: 'file-slice',
      file: this.file,
      position,
      length,
      release: () => {
        if (!isHeld) return
        isHeld = false
        this.release()
      },
    }
  }
}
