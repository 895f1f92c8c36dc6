/**
 * One open `.log` file shared by its segment and by slices on their way to sockets: the descriptor
 * closes when the last of them lets go, so a segment may be deleted under a running transfer. It
 * knows whether what was written through it is on stable storage; see segment-files.ts for why.
 */
import { assert } from '../base/assert.ts'
import type { FileSlice } from '../platform/file-slice.ts'
import type { File } from '../platform/file-system.ts'

/** Who keeps count of open files. */
export interface SegmentFileKeeper {
  dirtied(file: SegmentFile): void
  cleaned(file: SegmentFile): void
  /** No slice and no flush needs it any more. */
  idled(file: SegmentFile): void
  closed(file: SegmentFile): void
}

/** Who opened it, and opens another when it must. */
export interface SegmentFileOwner {
  /** The keeper has closed it. */
  fileEvicted(): void
}

export class SegmentFile {
  readonly #file: File
  readonly #keeper: SegmentFileKeeper
  readonly #owner: SegmentFileOwner
  #holders = 1
  #isOwned = true
  #isDirty = false
  #writes = 0
  #failure: { readonly error: unknown } | undefined
  /** Was used since the keeper looked last. */
  wasUsed = true

  constructor(file: File, keeper: SegmentFileKeeper, owner: SegmentFileOwner) {
    this.#file = file
    this.#keeper = keeper
    this.#owner = owner
  }

  /** Only its segment holds it: no slice, and no flush under way. */
  get isIdle(): boolean {
    return this.#isOwned && this.#holders === 1
  }

  /** What was written through it may not be durable. */
  get isDirty(): boolean {
    return this.#isDirty
  }

  /** A flush failed: nothing that was written through it becomes durable any more. */
  get isFailed(): boolean {
    return this.#failure !== undefined
  }

  read(target: Uint8Array, position: number): number {
    return this.#file.read(target, position)
  }

  /** Like `File.isCached`. */
  isCached(position: number, length: number): boolean {
    return this.#file.isCached(position, length)
  }

  write(bytes: Uint8Array, position: number): void {
    this.#noteChange()
    this.#file.write(bytes, position)
  }

  /** Like `File.reserve`. */
  reserve(position: number, length: number): boolean {
    return this.#file.reserve(position, length)
  }

  size(): number {
    return this.#file.size()
  }

  truncate(sizeBytes: number): void {
    this.#noteChange()
    this.#file.truncate(sizeBytes)
  }

  #noteChange(): void {
    this.#writes++
    if (this.#isDirty) return
    this.#isDirty = true
    this.#keeper.dirtied(this)
  }

  /** Makes durable what was written before the call. A failure is final: every later call throws it. */
  async flush(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure.error
    const writes = this.#writes
    this.hold()
    try {
      await this.#file.flush()
      this.#flushed(writes)
    } catch (error) {
      this.#failure ??= { error }
      throw error
    } finally {
      this.release()
    }
  }

  flushSync(): void {
    if (this.#failure !== undefined) throw this.#failure.error
    try {
      this.#file.flushSync()
    } catch (error) {
      this.#failure ??= { error }
      throw error
    }
    this.#flushed(this.#writes)
  }

  #flushed(writes: number): void {
    if (!this.#isDirty || writes !== this.#writes) return
    this.#isDirty = false
    this.#keeper.cleaned(this)
  }

  /** Keeps the file open until the matching `release`. */
  hold(): void {
    assert(this.#holders > 0, 'a closed file is not held again')
    this.#holders++
  }

  release(): void {
    assert(this.#holders > 0, 'a file is released once per hold')
    this.#holders--
    if (this.#holders > 0) {
      if (this.isIdle) this.#keeper.idled(this)
      return
    }
    this.#keeper.closed(this)
    this.#file.close()
  }

  /** The segment is closed: who still holds the file is a slice or a flush, which it outlives. */
  disown(): void {
    this.#isOwned = false
    this.release()
  }

  /** Keeper only: closes a file that is idle and not dirty, to have its descriptor. */
  evict(): void {
    assert(this.isIdle && !this.#isDirty, 'a file in use, or not durable, stays open')
    this.#owner.fileEvicted()
    this.release()
  }

  /** A region that keeps the file open until it is released. */
  slice(position: number, length: number): FileSlice {
    this.hold()
    let isHeld = true
    return {
      kind: 'file-slice',
      file: this.#file,
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
