/**
 * The `.log` files that a store has open: at most so many at once, closed and opened again as they
 * are used. A file on its way to a socket, or being flushed, stays open whatever the bound says.
 *
 * Nor is a file closed before what was written through it is durable. Linux keeps the error of a
 * write-back with the inode and tells the next to open the file; but it may drop an inode that
 * nobody has open, and the error with it: an fdatasync after that would succeed for pages that never
 * reached the disk. So a dirty file is flushed first. Clean ones go before dirty ones; when more than
 * half of the files are dirty and there is no room, the oldest are flushed in the background, and
 * when none is clean, one on this thread. A failure is kept by the file, which stays open, and is
 * thrown at its log's next flush.
 *
 * Which clean file goes: the one opened longest ago that was not used since the last look (second
 * chance), so that a use costs one store and no list is kept in order.
 */
import type { File, FileSystem } from '../platform/file-system.ts'
import { SegmentFile, type SegmentFileKeeper, type SegmentFileOwner } from './segment-file.ts'

/** Flushes in the background at once: the thread pool has four threads, and others need them. */
const maxWriteBacks = 2
/** Share of the open files that is closed when the process has no descriptors left. */
const shedShare = 1 / 8
/** So many may be open however short descriptors are. */
const leastOpen = 8

export class SegmentFiles implements SegmentFileKeeper {
  readonly #fileSystem: Pick<FileSystem, 'open'>
  #maxOpen: number
  /** Durable ones, and those that may not be; each in the order in which they became so. */
  readonly #clean = new Set<SegmentFile>()
  readonly #dirty = new Set<SegmentFile>()
  readonly #writeBacks = new Set<Promise<void>>()

  constructor(fileSystem: Pick<FileSystem, 'open'>, maxOpen: number) {
    this.#fileSystem = fileSystem
    this.#maxOpen = maxOpen
  }

  get openCount(): number {
    return this.#clean.size + this.#dirty.size
  }

  open(path: string, mode: 'create' | 'write', owner: SegmentFileOwner): SegmentFile {
    while (this.openCount >= this.#maxOpen && this.#closeOne());
    const file: File = this.#fileSystem.open(path, mode)
    const opened = new SegmentFile(file, this, owner)
    this.#clean.add(opened)
    return opened
  }

  /**
   * The process has no descriptors left: closes some files, and has no more than it keeps open from
   * then on. Sockets need theirs too, and do not ask for them here.
   * @returns whether it could.
   */
  shed(): boolean {
    let wanted = Math.ceil(this.openCount * shedShare)
    const before = this.openCount
    while (wanted > 0 && this.#closeOne()) wanted--
    if (this.openCount === before) return false
    this.#maxOpen = Math.min(this.#maxOpen, Math.max(this.openCount, leastOpen))
    return true
  }

  #closeOne(): boolean {
    if (2 * this.#dirty.size > this.#maxOpen) this.#writeBackSome()
    // Twice round at most: the first time takes the second chances away.
    for (let looks = 2 * this.#clean.size; looks > 0; looks--) {
      const [file] = this.#clean
      if (file === undefined) break
      if (file.isIdle && !file.wasUsed) {
        file.evict()
        return true
      }
      file.wasUsed = false
      this.#clean.delete(file)
      this.#clean.add(file)
    }
    for (const file of this.#dirty) {
      if (!file.isIdle || file.isFailed) continue
      try {
        file.flushSync()
      } catch {
        // Kept by the file for its log, whose next flush fails with it.
        continue
      }
      file.evict()
      return true
    }
    return false
  }

  #writeBackSome(): void {
    for (const file of this.#dirty) {
      if (this.#writeBacks.size >= maxWriteBacks) return
      if (!file.isIdle || file.isFailed) continue
      const done = file
        .flush()
        // Kept by the file for its log, as above.
        .catch(() => {})
        .finally(() => this.#writeBacks.delete(done))
      this.#writeBacks.add(done)
    }
  }

  /** Resolves when nothing is being flushed in the background. */
  async idle(): Promise<void> {
    await Promise.all(this.#writeBacks)
  }

  dirtied(file: SegmentFile): void {
    if (this.#clean.delete(file)) this.#dirty.add(file)
  }

  cleaned(file: SegmentFile): void {
    if (this.#dirty.delete(file)) this.#clean.add(file)
  }

  /** Goes at once where it was open beyond the bound. */
  idled(file: SegmentFile): void {
    if (this.openCount > this.#maxOpen && !file.isDirty) file.evict()
  }

  closed(file: SegmentFile): void {
    this.#clean.delete(file)
    this.#dirty.delete(file)
  }
}
