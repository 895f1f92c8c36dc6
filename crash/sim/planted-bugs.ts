/**
 * Bugs planted between engine and disk, to show that the checks can fail: each is what an engine
 * would do to its disk that forgot one thing. A suite that finds none of them proves nothing.
 */
import type {
  DirectoryLock,
  File,
  FileStat,
  FileSystem,
  MappedFile,
  OpenMode,
} from '../../src/platform/file-system.ts'

export type PlantedBug = {
  readonly name: string
  readonly wrap: (disk: FileSystem) => FileSystem
}

/** Calls that are left out; each is asked with the path. */
type LeftOut = {
  readonly flush?: (path: string) => boolean
  readonly flushSync?: (path: string) => boolean
  readonly syncDirectory?: (path: string) => boolean
  readonly remove?: (path: string) => boolean
  readonly truncate?: (path: string) => boolean
  /** Flushes that fail are reported as done. */
  readonly flushError?: (path: string) => boolean
}

export const plantedBugs: readonly PlantedBug[] = [
  // What is acknowledged at `disk` is in the page cache only. Both files, because small writes may
  // be made durable by a journal and large ones by their segment.
  bug('acknowledges without a flush', { flush: isDataFile, flushSync: isDataFile }),
  bug('forgets to sync the journal', { flush: isJournal, flushSync: isJournal }),
  bug('forgets to sync the directory of a log', {
    syncDirectory: (path) => /\/[a-z]+-\d+$/.test(path),
  }),
  bug('forgets to sync the data directory', { syncDirectory: (path) => path === '/data' }),
  bug('renames a checkpoint whose content is not durable', {
    flushSync: (path) => path.endsWith('.tmp'),
  }),
  bug('leaves the marker of a clean stop where it is', {
    remove: (path) => path.endsWith('.kafka_cleanshutdown'),
  }),
  bug('reports a failed flush as done', { flushError: () => true }),
  bug('does not cut what a failed write left', {
    truncate: (path) => path.endsWith('.log'),
  }),
]

/** Of a topic's log or the journal: the store's own log is found out sooner, by other checks. */
function isDataFile(path: string): boolean {
  return /\/[a-z]+-\d+\/\d+\.log$/.test(path) || isJournal(path)
}

function isJournal(path: string): boolean {
  return path.endsWith('.journal')
}

function bug(name: string, leftOut: LeftOut): PlantedBug {
  return { name, wrap: (disk) => new ForgetfulFileSystem(disk, leftOut) }
}

class ForgetfulFileSystem implements FileSystem {
  readonly #disk: FileSystem
  readonly #leftOut: LeftOut

  constructor(disk: FileSystem, leftOut: LeftOut) {
    this.#disk = disk
    this.#leftOut = leftOut
  }

  open(path: string, mode: OpenMode): File {
    return new ForgetfulFile(this.#disk.open(path, mode), this.#leftOut)
  }
  stat(path: string): FileStat | undefined {
    return this.#disk.stat(path)
  }
  readDirectory(path: string): string[] {
    return this.#disk.readDirectory(path)
  }
  makeDirectory(path: string): void {
    this.#disk.makeDirectory(path)
  }
  rename(source: string, target: string): void {
    this.#disk.rename(source, target)
  }
  remove(path: string): void {
    if (this.#leftOut.remove?.(path) !== true) this.#disk.remove(path)
  }
  async removeLater(path: string): Promise<void> {
    if (this.#leftOut.remove?.(path) !== true) await this.#disk.removeLater(path)
  }
  removeTree(path: string): void {
    this.#disk.removeTree(path)
  }
  async syncDirectory(path: string): Promise<void> {
    if (this.#leftOut.syncDirectory?.(path) !== true) await this.#disk.syncDirectory(path)
  }
  syncDirectorySync(path: string): void {
    if (this.#leftOut.syncDirectory?.(path) !== true) this.#disk.syncDirectorySync(path)
  }
  lockDirectory(path: string): DirectoryLock {
    return this.#disk.lockDirectory(path)
  }
  space(path: string): { freeBytes: number; totalBytes: number } {
    return this.#disk.space(path)
  }
}

class ForgetfulFile implements File {
  readonly path: string
  readonly fd: number
  readonly #file: File
  readonly #leftOut: LeftOut

  constructor(file: File, leftOut: LeftOut) {
    this.path = file.path
    this.fd = file.fd
    this.#file = file
    this.#leftOut = leftOut
  }

  size(): number {
    return this.#file.size()
  }
  read(target: Uint8Array, position: number): number {
    return this.#file.read(target, position)
  }
  write(source: Uint8Array, position: number): void {
    this.#file.write(source, position)
  }
  writeAll(sources: readonly Uint8Array[], position: number): void {
    this.#file.writeAll(sources, position)
  }
  truncate(sizeBytes: number): void {
    if (this.#leftOut.truncate?.(this.path) !== true) this.#file.truncate(sizeBytes)
  }
  preallocate(sizeBytes: number): void {
    this.#file.preallocate(sizeBytes)
  }
  async flush(): Promise<void> {
    if (this.#leftOut.flush?.(this.path) === true) return
    try {
      await this.#file.flush()
    } catch (error) {
      if (this.#leftOut.flushError?.(this.path) !== true) throw error
    }
  }
  flushSync(): void {
    if (this.#leftOut.flushSync?.(this.path) !== true) this.#file.flushSync()
  }
  map(sizeBytes: number): MappedFile {
    return this.#file.map(sizeBytes)
  }
  close(): void {
    this.#file.close()
  }
}
