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
import { isFreeHeader, isGroupFrame, withoutLastRecord } from './journal-bugs.ts'
import type { ScriptName } from './scripts.ts'

export type PlantedBug = {
  readonly name: string
  /** The searches that must find it. */
  readonly foundBy: readonly Search[]
  readonly wrap: (disk: FileSystem) => FileSystem
}

/** Random histories, or the exhaustive search of a script. */
export type Search = 'random' | ScriptName

/** Calls that are left out; each is asked with the path. */
type LeftOut = {
  readonly flush?: (path: string) => boolean
  readonly flushSync?: (path: string) => boolean
  readonly syncDirectory?: (path: string) => boolean
  readonly remove?: (path: string) => boolean
  readonly truncate?: (path: string) => boolean
  /** Flushes that fail are reported as done. */
  readonly flushError?: (path: string) => boolean
  /** Writes that are left out. */
  readonly write?: (path: string, bytes: Uint8Array) => boolean
  /** Writes that come when the file is next flushed, written or read. */
  readonly late?: (path: string, bytes: Uint8Array) => boolean
  /** What is written instead. */
  readonly mangle?: (path: string, bytes: Uint8Array) => Uint8Array
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
  bug('skips a redo record', { mangle: journalWrite(withoutLastRecord) }, ['random', 'logs']),
  bug(
    'publishes a group before its last log',
    { mangle: journalWrite((bytes) => (isGroupFrame(bytes) ? withoutLastRecord(bytes) : bytes)) },
    ['random', 'groups'],
  ),
  bug(
    'publishes a group before its frame is written',
    { late: (path, bytes) => isJournal(path) && isGroupFrame(bytes) },
    ['random', 'groups'],
  ),
  bug(
    'uses a region of the journal again before it is written back',
    { flush: isSegment, flushSync: isSegment },
    ['random', 'logs', 'groups'],
  ),
  bug(
    'does not say that a region of the journal is free',
    { write: (path, bytes) => isJournal(path) && isFreeHeader(bytes) },
    ['groups'],
  ),
]

function journalWrite(change: (bytes: Uint8Array) => Uint8Array) {
  return (path: string, bytes: Uint8Array) => (isJournal(path) ? change(bytes) : bytes)
}

/** Of a topic's log or the journal: the store's own log is found out sooner, by other checks. */
function isDataFile(path: string): boolean {
  return isSegment(path) || isJournal(path)
}

function isSegment(path: string): boolean {
  return /\/[a-z]+-\d+\/\d+\.log$/.test(path)
}

function isJournal(path: string): boolean {
  return path.endsWith('.journal')
}

function bug(
  name: string,
  leftOut: LeftOut,
  foundBy: readonly Search[] = ['random', 'logs'],
): PlantedBug {
  return { name, foundBy, wrap: (disk) => new ForgetfulFileSystem(disk, leftOut) }
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
  get syncsAtOnce(): number {
    return this.#disk.syncsAtOnce
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
  #late: { readonly source: Buffer; readonly position: number } | undefined

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
    this.#catchUp()
    return this.#file.read(target, position)
  }
  isCached(position: number, length: number): boolean {
    return this.#file.isCached(position, length)
  }
  load(position: number, length: number): Promise<void> {
    return this.#file.load(position, length)
  }
  write(source: Uint8Array, position: number): void {
    this.#catchUp()
    if (this.#leftOut.write?.(this.path, source) === true) return
    if (this.#leftOut.late?.(this.path, source) === true) {
      this.#late = { source: Buffer.from(source), position }
      return
    }
    this.#file.write(this.#leftOut.mangle?.(this.path, source) ?? source, position)
  }
  writeDurable(source: Uint8Array, position: number): void {
    this.write(source, position)
    this.flushSync()
  }
  writeDurableLater(source: Uint8Array, position: number): Promise<void> | undefined {
    this.#catchUp()
    const { write, late, flush, flushError, mangle } = this.#leftOut
    if (write?.(this.path, source) === true) return Promise.resolve()
    if (late?.(this.path, source) === true) return undefined
    const bytes = mangle?.(this.path, source) ?? source
    if (flush?.(this.path) === true) {
      this.#file.write(bytes, position)
      return Promise.resolve()
    }
    return this.#file.writeDurableLater(bytes, position)?.catch((error: unknown) => {
      if (flushError?.(this.path) !== true) throw error
    })
  }

  finishDurableWrites(): void {
    this.#file.finishDurableWrites()
  }

  truncate(sizeBytes: number): void {
    if (this.#leftOut.truncate?.(this.path) !== true) this.#file.truncate(sizeBytes)
  }
  reserve(position: number, length: number): boolean {
    return this.#file.reserve(position, length)
  }
  async flush(): Promise<void> {
    this.#catchUp()
    if (this.#leftOut.flush?.(this.path) === true) return
    try {
      await this.#file.flush()
    } catch (error) {
      if (this.#leftOut.flushError?.(this.path) !== true) throw error
    }
  }
  flushSync(): void {
    this.#catchUp()
    if (this.#leftOut.flushSync?.(this.path) !== true) this.#file.flushSync()
  }
  /** Makes the write that is late. */
  #catchUp(): void {
    const late = this.#late
    this.#late = undefined
    if (late !== undefined) this.#file.write(late.source, late.position)
  }
  map(sizeBytes: number): MappedFile {
    return this.#file.map(sizeBytes)
  }
  close(): void {
    this.#file.close()
  }
}
