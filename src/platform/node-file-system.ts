/**
 * The real disk, through node:fs and the binding. Short reads and writes are continued and
 * interrupted calls repeated here, so that no caller ever sees either.
 */
import * as fs from 'node:fs'
import { dirname } from 'node:path'
import { StorageError } from '../base/errors.ts'
import { poolThreads } from '../base/for-each-limited.ts'
import { Limiter } from '../base/limiter.ts'
import { binding } from '../native/load-binding.ts'
import { lockDirectory } from './directory-lock.ts'
import type {
  DirectoryLock,
  File,
  FileStat,
  FileSystem,
  MappedFile,
  OpenMode,
} from './file-system.ts'
import { mapFile } from './mapped-file.ts'
import { openFileLimit } from './open-file-limit.ts'
import { storageFailure } from './storage-failure.ts'
import { SyncQueue, syncsTogetherAtOnce } from './sync-queue.ts'

const { O_RDONLY, O_RDWR, O_CREAT, O_EXCL, O_DIRECT = 0 } = fs.constants
const openFlags: Readonly<Record<OpenMode, number>> = {
  read: O_RDONLY,
  write: O_RDWR,
  create: O_RDWR | O_CREAT | O_EXCL,
  'open-or-create': O_RDWR | O_CREAT,
}

/** One in so many descriptors may be that of a directory which is synced together with others. */
const descriptorsPerSync = 32
const usualOpenFileLimit = 1024

/** None where every sync is one by one: the thread pool's own queue serves. */
const syncQueue = binding.syncsTogether
  ? new SyncQueue(binding, (openFileLimit() ?? usualOpenFileLimit) / descriptorsPerSync)
  : undefined

/** One at a time: they share the thread pool with those who sync, and the disk with everybody. */
const loads = new Limiter(1)
/** Of one read into memory that nobody looks at. */
const loadBytes = 256 * 1024

class NodeFileSystem implements FileSystem {
  open(path: string, mode: OpenMode): File {
    let fd: number
    try {
      fd = fs.openSync(path, openFlags[mode], 0o666)
    } catch (error) {
      throw storageFailure('open', path, error)
    }
    // The kernel refuses directories itself, except for reading.
    if (mode === 'read' && fs.fstatSync(fd).isDirectory()) {
      fs.closeSync(fd)
      throw new StorageError({ operation: 'open', path, errno: 'EISDIR' })
    }
    return new NodeFile(path, fd)
  }

  stat(path: string): FileStat | undefined {
    try {
      const found = fs.statSync(path, { throwIfNoEntry: false })
      if (found === undefined) return undefined
      return {
        kind: found.isDirectory() ? 'directory' : 'file',
        sizeBytes: found.size,
        modifiedMs: found.mtimeMs,
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return undefined
      throw storageFailure('stat', path, error)
    }
  }

  readDirectory(path: string): string[] {
    try {
      return fs.readdirSync(path).sort()
    } catch (error) {
      throw storageFailure('read directory', path, error)
    }
  }

  makeDirectory(path: string): void {
    try {
      makeWithParents(path)
    } catch (error) {
      throw storageFailure('make directory', path, error)
    }
  }

  rename(source: string, target: string): void {
    try {
      fs.renameSync(source, target)
    } catch (error) {
      throw storageFailure('rename', source, error)
    }
  }

  remove(path: string): void {
    try {
      fs.unlinkSync(path)
    } catch (error) {
      throw storageFailure('remove', path, error)
    }
  }

  async removeLater(path: string): Promise<void> {
    try {
      await fs.promises.unlink(path)
    } catch (error) {
      throw storageFailure('remove', path, error)
    }
  }

  removeTree(path: string): void {
    try {
      // Without this `rm` would take a file too, and its errors differ between Node versions.
      fs.readdirSync(path)
      fs.rmSync(path, { recursive: true })
    } catch (error) {
      throw storageFailure('remove tree', path, error)
    }
  }

  readonly syncsAtOnce: number = syncQueue === undefined ? poolThreads : syncsTogetherAtOnce

  async syncDirectory(path: string): Promise<void> {
    try {
      await (syncQueue?.directory(path) ?? binding.syncDirectory(path))
    } catch (error) {
      throw storageFailure('sync directory', path, error)
    }
  }

  syncDirectorySync(path: string): void {
    try {
      binding.syncDirectorySync(path)
    } catch (error) {
      throw storageFailure('sync directory', path, error)
    }
  }

  lockDirectory(path: string): DirectoryLock {
    try {
      return lockDirectory(path)
    } catch (error) {
      throw storageFailure('lock', path, error)
    }
  }

  space(path: string): { freeBytes: number; totalBytes: number } {
    try {
      const found = fs.statfsSync(path)
      return { freeBytes: found.bavail * found.bsize, totalBytes: found.blocks * found.bsize }
    } catch (error) {
      throw storageFailure('statfs', path, error)
    }
  }

  maxOpenFiles(): number | undefined {
    return openFileLimit()
  }
}

type WriteAhead = { readonly source: Uint8Array; readonly position: number }

class NodeFile implements File {
  readonly path: string
  #fd: number
  #isClosed = false
  #worksInFlight = 0
  /** For writes past the page cache; −1 where there are none, undefined before the first. */
  #directFd: number | undefined
  #writesAhead: Set<WriteAhead> | undefined

  constructor(path: string, fd: number) {
    this.path = path
    this.#fd = fd
  }

  get fd(): number {
    return this.#isClosed ? -1 : this.#fd
  }

  size(): number {
    const fd = this.#openFd('stat')
    try {
      return fs.fstatSync(fd).size
    } catch (error) {
      throw storageFailure('stat', this.path, error)
    }
  }

  read(target: Uint8Array, position: number): number {
    const fd = this.#openFd('read')
    let filled = 0
    while (filled < target.length) {
      let count: number
      try {
        count = fs.readSync(fd, target, filled, target.length - filled, position + filled)
      } catch (error) {
        if (isInterrupted(error)) continue
        throw storageFailure('read', this.path, error)
      }
      if (count === 0) break
      filled += count
    }
    return filled
  }

  isCached(position: number, length: number): boolean {
    return binding.isCached(this.#openFd('read'), position, length)
  }

  async load(position: number, length: number): Promise<void> {
    this.#openFd('read')
    this.#worksInFlight++
    try {
      await loads.run(() => readAway(this.#fd, position, length))
    } finally {
      this.#worksInFlight--
      if (this.#isClosed) this.#closeWhenIdle()
    }
  }

  write(source: Uint8Array, position: number): void {
    const fd = this.#openFd('write')
    let at = 0
    while (at < source.length) {
      let count: number
      try {
        count = fs.writeSync(fd, source, at, source.length - at, position + at)
      } catch (error) {
        if (isInterrupted(error)) continue
        throw storageFailure('write', this.path, error)
      }
      if (count === 0) throw new StorageError({ operation: 'write', path: this.path, errno: 'EIO' })
      at += count
    }
  }

  writeDurable(source: Uint8Array, position: number): void {
    const fd = this.#openFd('write')
    this.#directFd ??= openDirect(this.path)
    try {
      binding.writeDurable(fd, this.#directFd, source, position)
    } catch (error) {
      throw storageFailure('write', this.path, error)
    }
  }

  writeDurableLater(source: Uint8Array, position: number): Promise<void> | undefined {
    this.#openFd('write')
    this.#directFd ??= openDirect(this.path)
    if (this.#directFd < 0) return undefined
    let durable: Promise<void> | undefined
    try {
      durable = binding.writeDurableLater(this.#directFd, source, position)
    } catch (error) {
      throw storageFailure('write', this.path, error)
    }
    if (durable === undefined) return undefined
    const write = { source, position }
    const ahead = (this.#writesAhead ??= new Set())
    ahead.add(write)
    return durable.then(
      () => {
        ahead.delete(write)
      },
      (error: unknown) => {
        const isLeft = ahead.delete(write)
        if (!isRefused(error)) throw storageFailure('write', this.path, error)
        if (isLeft) this.#writeInstead(write)
      },
    )
  }

  /** Those of other files are waited for too, which are few and short. */
  finishDurableWrites(): void {
    const fd = this.#directFd ?? -1
    if (fd < 0) return
    const ahead = [...(this.#writesAhead ?? [])]
    try {
      if (binding.finishDurableWrites(fd) === ahead.length) return
    } catch (error) {
      if (!isRefused(error)) throw storageFailure('write', this.path, error)
      for (const write of ahead) this.#writeInstead(write)
      this.#writesAhead?.clear()
      return
    }
    // One was done before, and its promise was not heard yet: whether it failed nobody here knows.
    for (const { source, position } of ahead) this.writeDurable(source, position)
  }

  /** Nothing was written: the file system wants larger units than ours. From here on it gets none. */
  #writeInstead({ source, position }: WriteAhead): void {
    this.#closeDirect()
    this.writeDurable(source, position)
  }

  truncate(sizeBytes: number): void {
    const fd = this.#openFd('truncate')
    try {
      fs.ftruncateSync(fd, sizeBytes)
    } catch (error) {
      throw storageFailure('truncate', this.path, error)
    }
  }

  reserve(position: number, length: number): boolean {
    const fd = this.#openFd('reserve')
    try {
      return binding.reserve(fd, position, length)
    } catch (error) {
      throw storageFailure('reserve', this.path, error)
    }
  }

  async flush(): Promise<void> {
    const fd = this.#openFd('flush')
    this.#worksInFlight++
    try {
      // Who writes past the page cache has somebody who waits, and no part in what goes together.
      const queue = this.#directFd === undefined ? syncQueue : undefined
      await (queue?.file(fd) ?? binding.fdatasync(fd))
    } catch (error) {
      throw storageFailure('flush', this.path, error)
    } finally {
      this.#worksInFlight--
      if (this.#isClosed) this.#closeWhenIdle()
    }
  }

  flushSync(): void {
    const fd = this.#openFd('flush')
    try {
      binding.fdatasyncSync(fd)
    } catch (error) {
      throw storageFailure('flush', this.path, error)
    }
  }

  map(sizeBytes: number): MappedFile {
    return mapFile(this.#openFd('map'), this.path, sizeBytes)
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#closeDirect()
    this.#closeWhenIdle()
  }

  #closeDirect(): void {
    const { path } = this
    const fd = this.#directFd ?? -1
    this.#directFd = -1
    try {
      if (fd >= 0) fs.closeSync(fd)
    } catch (error) {
      throw storageFailure('close', path, error)
    }
  }

  /** Work on the thread pool must not meet a descriptor number that was given out again. */
  #closeWhenIdle(): void {
    if (this.#worksInFlight > 0 || this.#fd < 0) return
    const fd = this.#fd
    this.#fd = -1
    try {
      fs.closeSync(fd)
    } catch (error) {
      throw storageFailure('close', this.path, error)
    }
  }

  #openFd(operation: string): number {
    if (this.#isClosed) throw new StorageError({ operation, path: this.path, errno: 'EBADF' })
    return this.#fd
  }
}

/** Reads for the page cache alone, up to the end of the file or the first error. */
async function readAway(fd: number, position: number, length: number): Promise<void> {
  const target = Buffer.allocUnsafeSlow(Math.min(length, loadBytes))
  for (let done = 0; done < length; ) {
    const wanted = Math.min(length - done, target.length)
    const count = await new Promise<number>((resolve) => {
      fs.read(fd, target, 0, wanted, position + done, (error, bytes) => resolve(error ? 0 : bytes))
    })
    if (count === 0) return
    done += count
  }
}

/** A descriptor for writes past the page cache; −1 where the system or the file system has none. */
function openDirect(path: string): number {
  if (O_DIRECT === 0) return -1
  try {
    return fs.openSync(path, O_RDWR | O_DIRECT)
  } catch {
    return -1 // Nothing is lost by it but time, and what is wrong with the file its writes say.
  }
}

/**
 * mkdir -p. Not node:fs's `recursive`: it never returns where a parent exists but refuses children
 * with ENOENT, as /proc does.
 */
function makeWithParents(path: string): void {
  try {
    fs.mkdirSync(path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST' && fs.statSync(path).isDirectory()) return
    const parent = dirname(path)
    if (code !== 'ENOENT' || parent === path || fs.existsSync(parent)) throw error
    makeWithParents(parent)
    fs.mkdirSync(path)
  }
}

/** The system takes no such write from anybody, and has not begun with it. */
function isRefused(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'EINVAL' || code === 'EOPNOTSUPP'
}

function isInterrupted(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'EINTR'
}

/** The disk of this machine. It holds no state, so there is one. */
export const nodeFileSystem: FileSystem = new NodeFileSystem()
