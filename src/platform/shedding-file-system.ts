/**
 * A file system that is told when the process has no descriptors left: whatever it was about to open
 * is tried again after `shed` has closed something, of which a sync under way or a reader may still
 * keep the descriptor. Without anything to close the error stays.
 */
import type { DirectoryLock, File, FileStat, FileSystem, OpenMode } from './file-system.ts'
import { isOutOfDescriptors } from './storage-failure.ts'

export class SheddingFileSystem implements FileSystem {
  readonly #inner: FileSystem
  readonly #shed: () => boolean
  readonly syncsAtOnce: number

  /**
   * @param shed        closes a file if it can, and says whether it did.
   * @param syncsAtOnce each holds files open that `shed` cannot close.
   */
  constructor(inner: FileSystem, shed: () => boolean, syncsAtOnce: number) {
    this.#inner = inner
    this.#shed = shed
    this.syncsAtOnce = syncsAtOnce
  }

  #retry<Result>(work: () => Result): Result {
    for (;;) {
      try {
        return work()
      } catch (error) {
        if (!isOutOfDescriptors(error) || !this.#shed()) throw error
      }
    }
  }

  open(path: string, mode: OpenMode): File {
    return this.#retry(() => this.#inner.open(path, mode))
  }

  stat(path: string): FileStat | undefined {
    return this.#inner.stat(path)
  }

  readDirectory(path: string): string[] {
    return this.#retry(() => this.#inner.readDirectory(path))
  }

  makeDirectory(path: string): void {
    this.#inner.makeDirectory(path)
  }

  rename(source: string, target: string): void {
    this.#inner.rename(source, target)
  }

  remove(path: string): void {
    this.#inner.remove(path)
  }

  removeLater(path: string): Promise<void> {
    return this.#inner.removeLater(path)
  }

  removeTree(path: string): void {
    this.#retry(() => this.#inner.removeTree(path))
  }

  /** Only opening the directory can end in this error, so no failed sync is tried again. */
  async syncDirectory(path: string): Promise<void> {
    for (;;) {
      try {
        return await this.#inner.syncDirectory(path)
      } catch (error) {
        if (!isOutOfDescriptors(error) || !this.#shed()) throw error
      }
    }
  }

  syncDirectorySync(path: string): void {
    this.#retry(() => this.#inner.syncDirectorySync(path))
  }

  lockDirectory(path: string): DirectoryLock {
    return this.#inner.lockDirectory(path)
  }

  space(path: string): { freeBytes: number; totalBytes: number } {
    return this.#inner.space(path)
  }

  maxOpenFiles(): number | undefined {
    return this.#inner.maxOpenFiles?.()
  }
}
