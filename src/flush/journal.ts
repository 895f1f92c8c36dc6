/**
 * The file behind the redo journal: two zeroed regions, filled in turn. One takes frames while what
 * the other one holds is being written back to the segments; then they change places.
 *
 * Overwriting zeroed blocks needs no change of the file's metadata, which makes fdatasync about half
 * as dear as behind an append (docs/durability.md; `npm run bench flush/sync-cost`).
 */
import { assert } from '../base/assert.ts'
import { mebibyte } from '../base/units.ts'
import type { File, FileSystem } from '../platform/file-system.ts'
import { encodeRegionHeader, journalPageBytes } from './journal-format.ts'
import type { JournalFrame } from './journal-frame.ts'

export const journalFileName = 'stratalog.journal'

const regionCount = 2

export class Journal {
  readonly #file: File
  readonly #regionBytes: number
  #active = 0
  /** Where the next frame goes, within the active region. */
  #position = 0
  #sequence = 1
  /** Regions whose frames are still needed. */
  readonly #isHeld = [false, false]

  private constructor(file: File, regionBytes: number) {
    this.#file = file
    this.#regionBytes = regionBytes
  }

  /**
   * Makes the file, zeroed and durable, name included. Gives the event loop a turn after every MiB.
   * Whatever stands there is replaced. @throws (rejects) StorageError; no file is left then.
   */
  static async create(
    fileSystem: FileSystem,
    directory: string,
    regionBytes: number,
  ): Promise<Journal> {
    const path = `${directory}/${journalFileName}`
    const file = fileSystem.open(path, 'open-or-create')
    try {
      file.truncate(0)
      const sizeBytes = regionCount * regionBytes
      const zeros = Buffer.alloc(Math.min(sizeBytes, mebibyte))
      for (let at = 0; at < sizeBytes; at += zeros.length) {
        file.write(zeros.subarray(0, Math.min(zeros.length, sizeBytes - at)), at)
        await new Promise((resolve) => setImmediate(resolve))
      }
      await file.flush()
      await fileSystem.syncDirectory(directory)
      return new Journal(file, regionBytes)
    } catch (error) {
      file.close()
      try {
        fileSystem.remove(path)
      } catch {
        // The first error is the one to report; zeros that stay behind say nothing at the next open.
      }
      throw error
    }
  }

  /** Largest frame, padding included. */
  get maxFrameBytes(): number {
    return this.#regionBytes - journalPageBytes
  }

  /** The region that frames go to now. */
  get activeRegion(): number {
    return this.#active
  }

  /** Whether a frame of this size fits the active region. */
  hasRoom(paddedBytes: number): boolean {
    return this.#position === 0
      ? paddedBytes <= this.maxFrameBytes && !this.#isHeld[this.#active]
      : this.#position + paddedBytes <= this.#regionBytes
  }

  /**
   * Turns to the other region, if nothing in it is needed any more.
   * @returns the region left, which holds frames until `free`; undefined when it could not turn.
   */
  turn(): number | undefined {
    const next = (this.#active + 1) % regionCount
    if (this.#isHeld[next]) return undefined
    const left = this.#active
    this.#active = next
    this.#position = 0
    return left
  }

  /**
   * Everything in `region` stands in the segments, durably: it may be used again once its header is
   * gone for good. Else a crash in the middle of the next use could find the old header over new
   * frames, and take the frames of the other region for ones with a gap before them.
   */
  async free(region: number): Promise<void> {
    assert(region !== this.#active, 'the region in use is not freed')
    this.#file.write(Buffer.alloc(journalPageBytes), region * this.#regionBytes)
    await this.flush()
    this.#isHeld[region] = false
  }

  /** Hands `frame`, for which there is room, to the kernel. @returns its region. */
  write(frame: JournalFrame): number {
    const isFirst = this.#position === 0
    assert(this.hasRoom(frame.paddedBytes), 'the frame fits the region')
    const start = this.#active * this.#regionBytes
    if (isFirst) {
      // In the same sync as the frame: a header without its frame says nothing.
      this.#file.write(encodeRegionHeader(this.#active, this.#regionBytes, this.#sequence), start)
      this.#position = journalPageBytes
      this.#isHeld[this.#active] = true
    }
    const bytes = frame.finish(this.#sequence)
    this.#file.write(bytes, start + this.#position)
    this.#position += bytes.length
    this.#sequence++
    return this.#active
  }

  /** Makes durable what was written. A failure is final: never call it again. */
  flush(): Promise<void> {
    return this.#file.flush()
  }

  flushSync(): void {
    this.#file.flushSync()
  }

  /** Closes the file and leaves it as it is. */
  close(): void {
    this.#file.close()
  }
}
