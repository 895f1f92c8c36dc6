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
import type { GroupMark } from '../record/group-mark.ts'
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
  /** Where the last frame is. */
  #lastPosition = 0
  /** Number of the first frame of the active region, which may still be to come. */
  #firstSequence = 1
  #durableSequence = 0
  readonly #id: number
  /** Regions whose frames are still needed. */
  readonly #isHeld = [false, false]
  /** How far each region is filled, and how far that is durable. */
  readonly #filled = [0, 0]
  readonly #durable = [0, 0]
  /** How often something durable was written again. */
  #overwrites = 0
  #flushing: Promise<void> | undefined
  /** Number of the frame that is on its way to the device by itself. */
  #ahead: number | undefined
  /** Of a frame that went ahead: whoever asks next is told. */
  #failure: { readonly error: unknown } | undefined
  #isClosed = false

  private constructor(file: File, regionBytes: number, id: number) {
    this.#file = file
    this.#regionBytes = regionBytes
    this.#id = id
  }

  /**
   * Makes the file, zeroed and durable, name included. Gives the event loop a turn after every MiB.
   * Whatever stands there is replaced. @throws (rejects) StorageError; no file is left then.
   *
   * @param id below 2^32, random.
   */
  static async create(
    fileSystem: FileSystem,
    directory: string,
    regionBytes: number,
    id: number,
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
      const journal = new Journal(file, regionBytes, id)
      // So that a crash always finds the id, and a group whose first frame is torn is known as that.
      journal.#writeHeader(0)
      await file.flush()
      await fileSystem.syncDirectory(directory)
      return journal
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

  /** The frame that is written next: what batches of a group in it are marked with. */
  get nextMark(): GroupMark {
    return { journalId: this.#id, sequence: this.#sequence }
  }

  /** Frames were written since the last flush began. */
  get isDirty(): boolean {
    return this.#durableSequence < this.#sequence - 1
  }

  /** Everything up to this frame is durable. */
  get durableSequence(): number {
    return this.#durableSequence
  }

  /** Largest frame, padding included. */
  get maxFrameBytes(): number {
    return this.#regionBytes - journalPageBytes
  }

  /** The region that frames go to now. */
  get activeRegion(): number {
    return this.#active
  }

  get otherRegion(): number {
    return (this.#active + 1) % regionCount
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
    const next = this.otherRegion
    if (this.#isHeld[next]) return undefined
    const left = this.#active
    this.#active = next
    this.#notDurable(next, 0)
    this.#position = this.#filled[next] = 0
    this.#firstSequence = this.#sequence
    return left
  }

  /**
   * Everything in `region` stands in the segments, durably: it may be used again once its header says
   * so for good. Else a crash in the middle of the next use could find the old header over new
   * frames, and take the frames of the other region for ones with a gap before them. Not a page of
   * zeros: the header of the other region may never become durable, and then this one is all that
   * tells the groups of frames that are lost from those of an earlier journal.
   *
   * @param freed called in the moment in which it may be used again: a frame may go there in the
   *              next, before the caller hears that the promise has resolved.
   */
  async free(region: number, freed: () => void = () => {}): Promise<void> {
    assert(region !== this.#active, 'the region in use is not freed')
    this.#writeHeader(region, { isFree: true })
    await this.flush()
    this.#isHeld[region] = false
    freed()
  }

  /** Hands `frame`, for which there is room, to the kernel. @returns its region. */
  write(frame: JournalFrame): number {
    const position = this.#place(frame)
    this.#file.write(frame.finish(this.#sequence), position)
    this.#sequence++
    return this.#active
  }

  /**
   * The same, and where the kernel can, begins to make it durable: see `framesDurable`. While `isAhead`,
   * leave the frame alone.
   */
  writeFlushing(frame: JournalFrame): number {
    // The kernel syncs this frame alone: all before it must be durable, and its region's header too.
    if (this.#position === 0 || this.isDirty || this.#flushing !== undefined) {
      return this.write(frame)
    }
    const position = this.#place(frame)
    const bytes = frame.finish(this.#sequence)
    const durable = this.#file.writeDurableLater(bytes, position)
    if (durable === undefined) this.#file.write(bytes, position)
    else this.#ahead = this.#sequence
    this.#sequence++
    if (durable !== undefined) this.#follow(durable)
    return this.#active
  }

  #follow(durable: Promise<void>): void {
    const run = this.#flushed(durable)
    this.#flushing = run
    const over = (): void => {
      if (this.#flushing === run) this.#flushing = this.#ahead = undefined
    }
    // Nobody may be waiting yet.
    run.then(over, (error: unknown) => {
      this.#failure ??= { error }
      over()
    })
  }

  /** A frame is on its way to the device by itself. */
  get isAhead(): boolean {
    return this.#ahead !== undefined
  }

  /** Waits, on this thread, for the frame that went ahead. Throws when it failed. */
  finishAhead(): void {
    if (this.#failure !== undefined) throw this.#failure.error
    if (this.#ahead === undefined) return
    try {
      this.#file.finishDurableWrites()
    } catch (error) {
      this.#failure = { error }
      throw error
    }
    this.#durableSequence = Math.max(this.#durableSequence, this.#ahead)
    this.#flushing = this.#ahead = undefined
  }

  /** The same as `write`, and makes it durable on this thread, with all that was written before. */
  writeDurable(frame: JournalFrame): number {
    this.finishAhead()
    if (this.#flushing !== undefined) this.#writeAgain()
    const position = this.#place(frame)
    this.#file.writeDurable(frame.finish(this.#sequence), position)
    this.#sequence++
    this.#allDurable()
    return this.#active
  }

  /** Takes the place of the next frame. @returns its position in the file. */
  #place(frame: JournalFrame): number {
    const isFirst = this.#position === 0
    assert(this.hasRoom(frame.paddedBytes), 'the frame fits the region')
    if (isFirst) {
      // In the same sync as the frame: a header without its frame says nothing.
      this.#writeHeader(this.#active)
      this.#position = journalPageBytes
      this.#isHeld[this.#active] = true
    }
    this.#lastPosition = this.#position
    this.#position += frame.paddedBytes
    this.#filled[this.#active] = this.#position
    return this.#active * this.#regionBytes + this.#lastPosition
  }

  /** Puts `frame`, which is not larger, in the place of the last one, under the same number. */
  rewriteLast(frame: JournalFrame): void {
    const end = this.#lastPosition + frame.paddedBytes
    assert(this.#sequence > 1 && end <= this.#position, 'there is a frame to write again')
    const bytes = frame.finish(this.#sequence - 1)
    this.#file.write(bytes, this.#active * this.#regionBytes + this.#lastPosition)
    this.#position = this.#filled[this.#active] = end
    this.#notDurable(this.#active, this.#lastPosition)
  }

  #notDurable(region: number, position: number): void {
    this.#durable[region] = Math.min(this.#durable[region] as number, position)
    this.#overwrites++
  }

  #writeHeader(region: number, { isFree = false } = {}): void {
    const header = encodeRegionHeader(region, {
      regionBytes: this.#regionBytes,
      journalId: this.#id,
      firstSequence: this.#firstSequence,
      isFree,
    })
    this.#file.write(header, region * this.#regionBytes)
    this.#notDurable(region, 0)
  }

  /**
   * Makes durable what was written. A failure is final: never call it again. One at a time: a flush
   * that succeeds says nothing of pages that another one, under way, could not write.
   */
  async flush(): Promise<void> {
    while (this.#flushing !== undefined) await this.#flushing
    if (this.#failure !== undefined) throw this.#failure.error
    // Closed meanwhile: all that it held is durable in the segments.
    if (this.#isClosed) return
    this.#flushing = this.#flush()
    try {
      await this.#flushing
    } finally {
      this.#flushing = undefined
    }
  }

  /** Resolves when every frame written so far is durable. A failure is final. */
  async framesDurable(): Promise<void> {
    const last = this.#sequence - 1
    while (this.#flushing !== undefined) await this.#flushing
    if (this.#failure !== undefined) throw this.#failure.error
    if (this.#durableSequence < last) await this.flush()
  }

  #flush(): Promise<void> {
    return this.#flushed(this.#file.flush())
  }

  /** `done` says that all written so far is durable. */
  async #flushed(done: Promise<void>): Promise<void> {
    const last = this.#sequence - 1
    const filled = [...this.#filled]
    const overwrites = this.#overwrites
    await done
    this.#durableSequence = Math.max(this.#durableSequence, last)
    if (overwrites === this.#overwrites) this.#noteDurable(filled)
  }

  #noteDurable(filled: readonly number[]): void {
    filled.forEach((position, region) => {
      this.#durable[region] = position
    })
  }

  /** `framesDurable` on this thread, whatever is under way. */
  framesDurableSync(): void {
    this.finishAhead()
    if (this.isDirty) this.flushSync()
  }

  /** `flush` on this thread, whatever is under way. */
  flushSync(): void {
    this.finishAhead()
    if (this.#flushing !== undefined) this.#writeAgain()
    this.#file.flushSync()
    this.#allDurable()
  }

  #allDurable(): void {
    this.#durableSequence = this.#sequence - 1
    this.#noteDurable(this.#filled)
  }

  /** A flush under way may fail and leave pages that count as written: they become dirty again. */
  #writeAgain(): void {
    this.#filled.forEach((end, region) => {
      const bytes = Buffer.allocUnsafe(Math.max(end - (this.#durable[region] as number), 0))
      const position = region * this.#regionBytes + end - bytes.length
      if (bytes.length > 0 && this.#file.read(bytes, position) === bytes.length) {
        this.#file.write(bytes, position)
      }
    })
  }

  /** Closes the file and leaves it as it is. */
  close(): void {
    this.#isClosed = true
    this.#file.close()
  }
}
