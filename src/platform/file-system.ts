/**
 * All the engine may ask of a disk. Two implementations pass one contract suite: the real disk
 * (node-file-system.ts) and the simulated one (sim-file-system.ts).
 *
 * Calls are synchronous unless they wait for the device: a write into the page cache costs about
 * a microsecond, a turn through the thread pool a hundred. Failures are `StorageError`s with the
 * errno of the operating system. Paths are absolute or relative to the process, `/`-separated.
 *
 * What is durable: file content after `flush`; names (created, renamed, removed) only after
 * `syncDirectory` of the directory that holds them.
 */
export interface FileSystem {
  /**
   * Opens a file. `read` and `write` need it to exist; `create` makes it and fails with EEXIST if
   * it exists; `open-or-create` takes either. All but `read` allow writing.
   */
  open(path: string, mode: OpenMode): File
  /** What stands at `path`, or undefined when nothing does. */
  stat(path: string): FileStat | undefined
  /** Names in a directory, without `.` and `..`, sorted by code unit. */
  readDirectory(path: string): string[]
  /** Makes the directory and its missing parents. An existing directory is fine. */
  makeDirectory(path: string): void
  /** Atomically renames a file or directory, replacing an existing file. */
  rename(source: string, target: string): void
  /** Removes a file. Open `File`s of it stay readable until closed. */
  remove(path: string): void
  /**
   * The same off the calling thread: giving back the blocks of a large file takes a while (1 GiB
   * measured 311 ms).
   */
  removeLater(path: string): Promise<void>
  /** Removes a directory and all in it. */
  removeTree(path: string): void
  /** Makes names in this directory durable. */
  syncDirectory(path: string): Promise<void>
  syncDirectorySync(path: string): void
  /** How many `flush`es and `syncDirectory`s at the same time serve best: more just wait. */
  readonly syncsAtOnce: number
  /** Takes the one-process lock of a data directory, or throws StoreLockedError. */
  lockDirectory(path: string): DirectoryLock
  /** Bytes a process without privileges may still write, and the size of the file system. */
  space(path: string): { freeBytes: number; totalBytes: number }
  /** How many files and sockets this process may have open at once; undefined where nobody tells. */
  maxOpenFiles?(): number | undefined
}

export type OpenMode = 'read' | 'write' | 'create' | 'open-or-create'

export type FileStat = {
  readonly kind: 'file' | 'directory'
  readonly sizeBytes: number
  /** Modification time in ms since the epoch. */
  readonly modifiedMs: number
}

export interface File {
  readonly path: string
  /** Descriptor for sendfile, or −1 when there is none (simulated disk). */
  readonly fd: number
  /** Current size in bytes. */
  size(): number
  /**
   * Reads into all of `target` from `position`.
   * @returns bytes read; fewer than `target.length` only at the end of the file.
   */
  read(target: Uint8Array, position: number): number
  /**
   * Whether `read` of `[position, position + length)` would not wait for the disk, as far as anybody can
   * tell: true also where nobody can. `length` > 0. Costs about a microsecond.
   */
  isCached(position: number, length: number): boolean
  /**
   * Has these bytes brought into memory while others run, so that a `read` soon after does not wait. What
   * cannot be read is left to that `read`, which says why.
   */
  load(position: number, length: number): Promise<void>
  /** Writes all of `source` at `position` or throws; a short write is continued. */
  write(source: Uint8Array, position: number): void
  /**
   * `write` and `flushSync` in one. Cheaper than both when place and size are multiples of 4,096 and
   * `source` is memory from `pageAlignedBuffer`.
   */
  writeDurable(source: Uint8Array, position: number): void
  /**
   * Hands `source` to the operating system, as `write` does, and begins to make it durable: it is so when
   * the promise resolves, and what was written before it need not be. `source` must not change until
   * then. Never retry a failed one.
   * @returns undefined where this cannot be done, as without memory from `pageAlignedBuffer`, or a place
   *          and size that are multiples of 4,096: nothing was written.
   */
  writeDurableLater(source: Uint8Array, position: number): Promise<void> | undefined
  /**
   * Waits, on this thread, for the `writeDurableLater`s of this file whose promises were not heard yet.
   * When it returns all of them are durable; throws when one failed, and its promise rejects as well.
   */
  finishDurableWrites(): void
  /** Cuts or extends (with zeros) to `sizeBytes`; reserved blocks beyond it are free again. */
  truncate(sizeBytes: number): void
  /**
   * Reserves blocks so that writing `[position, position + length)` cannot fail for space. Content and
   * size stay; a truncation gives back what lies beyond it. `length` > 0.
   * @returns false where that cannot be done: nothing was reserved.
   */
  reserve(position: number, length: number): boolean
  /** Makes content and size durable (fdatasync). Never retry a failed one. */
  flush(): Promise<void>
  flushSync(): void
  /**
   * A read-only view of `[0, sizeBytes)`, `0 < sizeBytes ≤ size()`. The file must not be truncated
   * below it while mapped.
   */
  map(sizeBytes: number): MappedFile
  /** Closes the descriptor. Mappings stay valid. A second call does nothing. */
  close(): void
}

/**
 * One mapped region. `bytes` stays valid for as long as anything refers to it, or until `unmap`.
 * Writing to `bytes` changes a private copy only, never the file.
 */
export interface MappedFile {
  readonly bytes: Buffer
  /** Empties every view and releases the mapping now. For when the file is about to shrink. */
  unmap(): void
}

export interface DirectoryLock {
  release(): void
}
