/**
 * A disk in memory that behaves as the worst a real one may: for tests of whatever stands on
 * `FileSystem`. Everything follows from the seed; a failing seed replays exactly.
 *
 *     const disk = new SimFileSystem({ seed, directories: ['/data'] })
 *     … work on '/data' …
 *     const afterPowerCut = disk.crash()          // one legal state, chosen by the seed
 *     const afterKill = disk.processCrash()       // everything written is still there
 *
 * A crash keeps what was flushed and of the rest what sim-content.ts (data) and sim-tree.ts (names)
 * describe. It leaves this disk as it is, so that many states can be drawn from one moment.
 *
 * Operations that change the disk or make it durable are numbered from 1, reads likewise. `stopAt`
 * ends the world at one of them with `SimCrash`, `failOperation` and `failRead` make them fail.
 *
 * Past 500 lines because each call of the interface is a few lines here, between the numbering and
 * the faults that all of them go through.
 */
import { assert } from '../base/assert.ts'
import { InvalidOptionError, StoreLockedError } from '../base/errors.ts'
import type { DirectoryLock, File, FileStat, FileSystem, OpenMode } from './file-system.ts'
import { pageBytes } from './sim-content.ts'
import { type CrashClass, classContents, classNames, crashClasses } from './sim-crash-class.ts'
import { SimCrash, type SimFault, simFailure } from './sim-failure.ts'
import { type SimDoor, SimFile } from './sim-file.ts'
import { SimRandom } from './sim-random.ts'
import { namesOf, SimDirectoryNode, SimFileNode, SimTree } from './sim-tree.ts'

export type SimOptions = {
  /** Decides every random choice. */
  readonly seed: number
  /** Directories that exist, durably, from the start. `/` always does. */
  readonly directories?: readonly string[]
  /** Bytes of file content the disk holds; beyond it writes fail with ENOSPC. Default 1 TiB. */
  readonly capacityBytes?: number
  /** Whether `File.writeDurableLater` works, where place and size are in pages. Default true. */
  readonly writesPastCache?: boolean
  /** Time in ms for modification times. Default: the number of operations so far. */
  readonly now?: () => number
  /**
   * Runs the completion of a flush, after `flush` returned. Default: one to four microtask turns
   * later, as the seed says.
   */
  readonly defer?: (complete: () => void) => void
}

export type SimOperation = {
  /** From 1, in order. */
  readonly number: number
  readonly kind:
    | 'create'
    | 'write'
    | 'truncate'
    | 'reserve'
    | 'flush'
    | 'make-directory'
    | 'rename'
    | 'remove'
    | 'sync-directory'
  readonly path: string
  /** For a write: where and how much; for truncate 0 and the new size; for reserve 0 and its end. */
  readonly position: number
  readonly lengthBytes: number
}

export type CrashOptions = {
  /** Default: chosen by the seed. */
  readonly class?: CrashClass
  /** Seed of this one crash. Default: the next number of this disk's seed. */
  readonly seed?: number
}

const defaultCapacityBytes = 2 ** 40

type SimState = { tree: SimTree; random: SimRandom; locked: Set<SimDirectoryNode> }

export class SimFileSystem implements FileSystem {
  readonly #options: SimOptions
  #state: SimState
  #usedBytes = 0
  #operations = 0
  #reads = 0
  #stopAt = Number.POSITIVE_INFINITY
  #limitBytes: number | undefined
  #stopped: SimCrash | undefined
  readonly #operationFaults = new Map<number, SimFault>()
  readonly #readFaults = new Map<number, SimFault>()
  /** Writes past the page cache that are under way. */
  readonly #durableWrites = new Set<{ readonly node: SimFileNode; readonly complete: () => void }>()
  /** Of files one of whose writes past the page cache failed, whether that was heard already or not. */
  readonly #failedWrites = new Map<SimFileNode, Error>()
  /** Told of every operation just before it happens. For traces of a failing seed. */
  onOperation: ((operation: SimOperation) => void) | undefined
  /** Asked at every operation whether it shall fail; `failOperation` goes first. */
  planFault: ((operation: SimOperation) => SimFault | undefined) | undefined
  /** The same for reads, `failRead` going first. */
  planReadFault: ((path: string) => SimFault | undefined) | undefined

  constructor(options: SimOptions) {
    const { seed, directories = [] } = options
    if (!Number.isSafeInteger(seed)) {
      throw new InvalidOptionError({ option: 'seed', value: seed, expected: 'an integer' })
    }
    this.#options = options
    this.#state = { tree: new SimTree(), random: new SimRandom(seed), locked: new Set() }
    for (const path of directories) this.makeDirectory(path)
    this.#state.tree.syncAll()
    this.#operations = 0
  }

  // ---- the test's side

  /** How many operations have begun. */
  get operationCount(): number {
    return this.#operations
  }

  /** The machine has stopped at the operation that `stopAt` named. */
  get hasStopped(): boolean {
    return this.#stopped !== undefined
  }

  /** How many reads, maps included, have begun. */
  get readCount(): number {
    return this.#reads
  }

  /** Bytes of file content stored now, removed files that are still open included. */
  get usedBytes(): number {
    return this.#usedBytes
  }

  /**
   * Stops the machine at operation `number`: it and everything after it throws SimCrash, flushes
   * in flight reject with it. If it is a write, a first part of its pages may be in the page cache.
   */
  stopAt(number: number): void {
    assert(number > this.#operations, 'the operation to stop at is still to come')
    this.#stopAt = number
  }

  /** Stops the machine now: nothing that is still under way changes the disk any more. */
  halt(): void {
    this.#stopped ??= new SimCrash(this.#operations)
  }

  /** Lets operation `number` fail. A failed flush loses what it should have flushed. */
  failOperation(number: number, fault: SimFault): void {
    assert(number > this.#operations, 'the operation to fail is still to come')
    this.#operationFaults.set(number, fault)
  }

  /** Lets read `number` fail. */
  failRead(number: number, fault: SimFault): void {
    assert(number > this.#reads, 'the read to fail is still to come')
    this.#readFaults.set(number, fault)
  }

  /** Leaves room for `freeBytes` more, as if others had filled the disk; undefined: as it was made. */
  limitSpace(freeBytes: number | undefined): void {
    this.#limitBytes = freeBytes === undefined ? undefined : this.#usedBytes + freeBytes
  }

  /** Damages a stored file: flips the bits of `mask` in the byte at `position`. */
  flipBits(path: string, position: number, mask: number): void {
    const node = this.#state.tree.file('damage', path)
    assert(position >= 0 && position < node.content.sizeBytes, 'the damage lies inside the file')
    node.content.flip(position, mask)
  }

  /** A disk as it may be found after a power cut now. This one is not changed. */
  crash(options: CrashOptions = {}): SimFileSystem {
    const seed = options.seed ?? this.#state.random.next()
    const random = new SimRandom(seed)
    const crashClass = options.class ?? random.pick(crashClasses)
    const content = classContents[crashClass]
    const torn = crashClass === 'torn-last-write' ? this.#lastWritten() : undefined
    const tree = this.#state.tree.afterCrash(classNames[crashClass], random, (node) =>
      node.content.afterCrash(node === torn ? { keep: 'torn' } : content, random),
    )
    return this.#successor(tree, seed)
  }

  /**
   * The disk as the next process finds it after this one was killed: all that was written, as
   * little of it durable as before. This one is not changed.
   */
  processCrash(): SimFileSystem {
    const tree = this.#state.tree.clone((node) => node.content.clone())
    return this.#successor(tree, this.#state.random.next())
  }

  #successor(tree: SimTree, seed: number): SimFileSystem {
    const next = new SimFileSystem({ ...this.#options, seed: seed | 0, directories: [] })
    next.#state = { tree, random: new SimRandom(seed ^ 0x5bd1e995), locked: new Set() }
    // Sequence numbers of changes that still wait must stay below those to come.
    next.#operations = this.#operations
    for (const node of tree.files()) {
      node.references = 1
      next.#usedBytes += node.spaceBytes
    }
    return next
  }

  #lastWritten(): SimFileNode | undefined {
    let last: SimFileNode | undefined
    let lastSequence = -1
    for (const node of this.#state.tree.recoverableFiles()) {
      const sequence = node.content.lastWriteSequence()
      if (sequence > lastSequence) {
        last = node
        lastSequence = sequence
      }
    }
    return last
  }

  // ---- FileSystem

  open(path: string, mode: OpenMode): File {
    this.#assertRunning()
    const existing = this.#state.tree.find(path)
    if (existing === undefined && (mode === 'read' || mode === 'write')) {
      this.#state.tree.parent('open', path)
      throw simFailure('open', path, 'ENOENT')
    }
    if (existing !== undefined && mode === 'create') throw simFailure('open', path, 'EEXIST')
    if (existing?.kind === 'directory') throw simFailure('open', path, 'EISDIR')
    return new SimFile(this.#door, path, existing ?? this.#create(path), mode !== 'read')
  }

  #create(path: string): SimFileNode {
    const place = this.#state.tree.parent('open', path)
    this.#begin('create', path)
    const node = new SimFileNode()
    node.references = 1
    node.modifiedMs = this.#now()
    this.#state.tree.add(place, node)
    return node
  }

  stat(path: string): FileStat | undefined {
    this.#assertRunning()
    const node = this.#state.tree.find(path)
    if (node === undefined) return undefined
    const sizeBytes = node.kind === 'file' ? node.content.sizeBytes : 0
    return { kind: node.kind, sizeBytes, modifiedMs: node.modifiedMs }
  }

  readDirectory(path: string): string[] {
    this.#beginRead('read directory', path)
    return [...this.#state.tree.directory('read directory', path).entries.keys()].sort()
  }

  makeDirectory(path: string): void {
    this.#assertRunning()
    let directory = this.#state.tree.root
    for (const name of namesOf(path)) {
      let next = directory.entries.get(name)
      if (next?.kind === 'file') throw simFailure('make directory', path, 'EEXIST')
      if (next === undefined) {
        this.#begin('make-directory', path)
        next = new SimDirectoryNode()
        next.modifiedMs = this.#now()
        this.#state.tree.add({ directory, name }, next)
      }
      directory = next
    }
  }

  rename(source: string, target: string): void {
    this.#assertRunning()
    const from = this.#state.tree.parent('rename', source)
    const to = this.#state.tree.parent('rename', target)
    const moved = from.directory.entries.get(from.name)
    const replaced = to.directory.entries.get(to.name)
    if (moved === undefined) throw simFailure('rename', source, 'ENOENT')
    if (moved === replaced) return
    if (replaced !== undefined) {
      if (moved.kind === 'directory' && replaced.kind === 'file') {
        throw simFailure('rename', source, 'ENOTDIR')
      }
      if (moved.kind === 'file' && replaced.kind === 'directory') {
        throw simFailure('rename', source, 'EISDIR')
      }
      if (replaced.kind === 'directory' && replaced.entries.size > 0) {
        throw simFailure('rename', source, 'ENOTEMPTY')
      }
    }
    this.#begin('rename', source)
    this.#state.tree.move(from, to)
    if (replaced?.kind === 'file') this.#release(replaced)
  }

  remove(path: string): void {
    this.#assertRunning()
    const place = this.#state.tree.parent('remove', path)
    const node = place.directory.entries.get(place.name)
    if (node === undefined) throw simFailure('remove', path, 'ENOENT')
    if (node.kind === 'directory') throw simFailure('remove', path, 'EISDIR')
    this.#begin('remove', path)
    this.#state.tree.remove(place)
    this.#release(node)
  }

  async removeLater(path: string): Promise<void> {
    await this.#later(() => this.remove(path))
  }

  removeTree(path: string): void {
    this.#assertRunning()
    const directory = this.#state.tree.directory('remove tree', path)
    for (const [name, node] of [...directory.entries]) {
      if (node.kind === 'directory') this.removeTree(`${path}/${name}`)
      else this.remove(`${path}/${name}`)
    }
    this.#begin('remove', path)
    this.#state.tree.remove(this.#state.tree.parent('remove tree', path))
  }

  /** As where many go together: more of them meet. */
  readonly syncsAtOnce: number = 64

  async syncDirectory(path: string): Promise<void> {
    this.#assertRunning()
    const directory = this.#state.tree.directory('sync directory', path)
    this.#begin('sync-directory', path)
    await this.#later(() => this.#state.tree.sync(directory))
  }

  syncDirectorySync(path: string): void {
    this.#assertRunning()
    const directory = this.#state.tree.directory('sync directory', path)
    this.#begin('sync-directory', path)
    this.#state.tree.sync(directory)
  }

  lockDirectory(path: string): DirectoryLock {
    this.#assertRunning()
    const directory = this.#state.tree.directory('lock', path)
    const { locked } = this.#state
    if (locked.has(directory)) throw new StoreLockedError({ path, holderPid: undefined })
    const lockPath = `${path}/.lock`
    this.open(lockPath, 'open-or-create').close()
    locked.add(directory)
    return {
      release: () => {
        if (!locked.delete(directory)) return
        if (directory.entries.has('.lock')) this.remove(lockPath)
      },
    }
  }

  space(path: string): { freeBytes: number; totalBytes: number } {
    this.#assertRunning()
    if (this.#state.tree.find(path) === undefined) throw simFailure('statfs', path, 'ENOENT')
    const totalBytes = this.#capacityBytes
    return { freeBytes: Math.max(totalBytes - this.#usedBytes, 0), totalBytes }
  }

  // ---- what every operation goes through

  get #capacityBytes(): number {
    return this.#limitBytes ?? this.#options.capacityBytes ?? defaultCapacityBytes
  }

  #now(): number {
    return this.#options.now?.() ?? this.#operations
  }

  #assertRunning(): void {
    if (this.#stopped !== undefined) throw this.#stopped
  }

  #begin(kind: SimOperation['kind'], path: string): void {
    const fault = this.#count(kind, path, 0, 0)
    if (fault !== undefined) throw simFailure(kind, path, fault.errno)
  }

  /** Numbers the operation. Stops here if told so; returns the fault meant for it, if any. */
  #count(
    kind: SimOperation['kind'],
    path: string,
    position: number,
    lengthBytes: number,
  ): SimFault | undefined {
    this.#assertRunning()
    const number = this.#operations + 1
    this.#operations = number
    const operation = { number, kind, path, position, lengthBytes }
    this.onOperation?.(operation)
    if (number >= this.#stopAt) {
      this.#stopped = new SimCrash(number)
      throw this.#stopped
    }
    return this.#operationFaults.get(number) ?? this.planFault?.(operation)
  }

  #beginRead(operation: string, path: string): void {
    this.#assertRunning()
    const fault = this.#readFaults.get(++this.#reads) ?? this.planReadFault?.(path)
    if (fault !== undefined) throw simFailure(operation, path, fault.errno)
  }

  #release(node: SimFileNode): void {
    node.references--
    if (node.references === 0) this.#usedBytes -= node.spaceBytes
  }

  /** What an open `File` may do with the disk. */
  readonly #door: SimDoor = {
    read: (operation, path) => this.#beginRead(operation, path),
    write: (path, node, source, position) => this.#write(path, node, source, position),
    writeDurableLater: (path, node, source, position) =>
      this.#writeDurableLater(path, node, source, position),
    finishDurableWrites: (node) => this.#finishDurableWrites(node),
    truncate: (path, node, sizeBytes) => this.#truncate(path, node, sizeBytes),
    reserve: (path, node, endBytes) => this.#reserve(path, node, endBytes),
    flush: (path, node) => this.#flush(path, node),
    flushSync: (path, node) => this.#flushSync(path, node),
    release: (node) => this.#release(node),
  }

  #write(path: string, node: SimFileNode, source: Uint8Array, position: number): void {
    let fault: SimFault | undefined
    const wasRunning = this.#stopped === undefined
    try {
      fault = this.#count('write', path, position, source.length)
    } catch (stop) {
      // The kernel copies page by page, and a killed process may leave off between two.
      const pages = Math.ceil((position + source.length) / pageBytes)
      const firstPage = Math.floor(position / pageBytes)
      const cut = (firstPage + this.#state.random.below(pages - firstPage + 1)) * pageBytes
      if (wasRunning && this.#operations === this.#stopAt) {
        this.#store(node, source.subarray(0, Math.max(cut - position, 0)), position)
      }
      throw stop
    }
    if (fault !== undefined) {
      const written = fault.writtenBytes ?? this.#state.random.below(source.length)
      this.#store(node, source.subarray(0, written), position)
      throw simFailure('write', path, fault.errno)
    }
    const growth = position + source.length - node.spaceBytes
    const free = this.#capacityBytes - this.#usedBytes
    if (growth > free && growth > 0) {
      const fits = source.length - (growth - Math.max(free, 0))
      this.#store(node, source.subarray(0, Math.max(fits, 0)), position)
      throw simFailure('write', path, 'ENOSPC')
    }
    this.#store(node, source, position)
  }

  /** One operation for the write, and one that may fail for its sync. */
  #writeDurableLater(
    path: string,
    node: SimFileNode,
    source: Uint8Array,
    position: number,
  ): Promise<void> | undefined {
    const isAligned = source.length % pageBytes === 0 && position % pageBytes === 0
    if (this.#options.writesPastCache === false || !isAligned) return undefined
    this.#write(path, node, source, position)
    const sequence = this.#operations
    const fault = this.#count('flush', path, position, source.length)
    const complete = (): void => {
      if (fault === undefined) {
        node.content.persistWrite(sequence)
        return
      }
      node.content.dropWrite(sequence)
      const failure = simFailure('write', path, fault.errno)
      this.#failedWrites.set(node, failure)
      throw failure
    }
    const write = { node, complete }
    this.#durableWrites.add(write)
    return this.#later(() => {
      this.#durableWrites.delete(write)
      complete()
    })
  }

  /** The promises settle later, as of themselves: what is done is done again then, and nothing changes. */
  #finishDurableWrites(node: SimFileNode): void {
    this.#assertRunning()
    const failure = this.#failedWrites.get(node)
    if (failure !== undefined) throw failure
    for (const write of this.#durableWrites) {
      if (write.node !== node) continue
      this.#durableWrites.delete(write)
      write.complete()
    }
  }

  #store(node: SimFileNode, source: Uint8Array, position: number): void {
    const before = node.spaceBytes
    node.content.write(this.#operations, position, source)
    node.modifiedMs = this.#now()
    this.#usedBytes += node.spaceBytes - before
  }

  #truncate(path: string, node: SimFileNode, sizeBytes: number): void {
    const fault = this.#count('truncate', path, 0, sizeBytes)
    if (fault !== undefined) throw simFailure('truncate', path, fault.errno)
    const before = node.spaceBytes
    node.content.resize(this.#operations, sizeBytes)
    node.reservedBytes = 0
    node.modifiedMs = this.#now()
    this.#usedBytes += node.spaceBytes - before
  }

  #reserve(path: string, node: SimFileNode, endBytes: number): void {
    const fault = this.#count('reserve', path, 0, endBytes)
    if (fault !== undefined) throw simFailure('reserve', path, fault.errno)
    const growth = endBytes - node.spaceBytes
    if (growth <= 0) return
    if (growth > this.#capacityBytes - this.#usedBytes) throw simFailure('reserve', path, 'ENOSPC')
    node.reservedBytes = endBytes
    this.#usedBytes += growth
  }

  #flushSync(path: string, node: SimFileNode): void {
    const fault = this.#count('flush', path, 0, 0)
    this.#completeFlush(path, node, this.#operations, fault)
  }

  #flush(path: string, node: SimFileNode): Promise<void> {
    const fault = this.#count('flush', path, 0, 0)
    const sequence = this.#operations
    return this.#later(() => this.#completeFlush(path, node, sequence, fault))
  }

  /** Runs `complete` in a later turn; rejects with SimCrash if the machine has stopped by then. */
  #later(complete: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#defer(() => {
        try {
          this.#assertRunning()
          complete()
          resolve()
        } catch (error) {
          reject(error)
        }
      })
    })
  }

  #completeFlush(
    path: string,
    node: SimFileNode,
    sequence: number,
    fault: SimFault | undefined,
  ): void {
    if (fault === undefined) {
      node.content.persist(sequence)
      return
    }
    node.content.drop(sequence)
    throw simFailure('flush', path, fault.errno)
  }

  #defer(complete: () => void): void {
    if (this.#options.defer !== undefined) {
      this.#options.defer(complete)
      return
    }
    let turns = 1 + this.#state.random.below(4)
    const turn = () => {
      turns--
      if (turns > 0) queueMicrotask(turn)
      else complete()
    }
    queueMicrotask(turn)
  }
}
