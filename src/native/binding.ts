/**
 * The one interface between TypeScript and the machine below Node: the addon in native/ and
 * portable.ts implement it and pass one contract suite (test/contract/binding-contract.ts).
 *
 * C++ moves bytes and calls the kernel and checks arguments for memory safety; meaning is checked
 * above, but for `scanRecords`, which knows what is regular and leaves all else to those above. All positions and lengths are bytes and safe integers; failures throw or reject with
 * `Error & { code: 'EIO' | …, syscall }` as node:fs does.
 */
export interface NativeBinding {
  readonly kind: 'addon' | 'portable'

  /**
   * CRC-32C (RFC 3720) of `bytes[start, end)`. `seed` continues an earlier result (default 0).
   * Returns an unsigned 32-bit number. Allocates nothing.
   */
  crc32c(bytes: Uint8Array, start: number, end: number, seed?: number): number

  /**
   * Whether `bytes[start, end)`, uncompressed, is exactly `count` records (1 or more) as a producer
   * writes them: every length right, offset deltas 0, 1, 2, …, nothing left over. Then `facts` has the
   * least and the largest timestamp delta, both exact, and how many keys are null; else it is as it
   * was. False says nothing: of records that are wrong or merely rare, or that this binding does not
   * scan records. About 3 ns a record.
   */
  scanRecords(
    bytes: Uint8Array,
    start: number,
    end: number,
    count: number,
    facts: Float64Array,
  ): boolean

  /**
   * Maps `[0, length)` of the open file `fd` privately (copy on write: a caller that scribbles on
   * the view changes neither the file nor other readers). `length` must be > 0 and ≤ the file's
   * size. The mapping lives until `unmap`, or until the buffer is garbage.
   *
   * V8 counts the bytes as memory that a collection may free: every gigabyte or so mapped brings a
   * full collection (20–70 ms with a heap of 50–200 MB). Map seldom and keep what was mapped.
   */
  map(fd: number, length: number): ArrayBuffer

  /**
   * Detaches `region` (every view becomes empty) and unmaps it now. A second call does nothing, nor
   * does a buffer that `map` did not make. No asynchronous work may be using a view of it.
   */
  unmap(region: ArrayBuffer): void

  /** Tells the kernel how `[position, position + length)` of the mapping will be read. */
  advise(region: ArrayBuffer, position: number, length: number, advice: MapAdvice): void

  /** msync(2) of the whole mapping. */
  syncMap(region: ArrayBuffer): void

  /**
   * Sends `[position, position + length)` of the open file `fd` to a stream socket.
   *
   * Precondition: nothing else writes to the socket until `done` ran, everything written before has
   * left user space, and `fd` stays open until `done` ran. Whoever destroys the socket cancels the
   * transfer, which holds the connection open by a descriptor of its own. Never blocks and never spins: waits for writability on the event
   * loop, and yields after a bounded number of bytes. What the page cache lacks is sent from a thread of
   * the pool where that is known (see `isCached`). `done` is never called synchronously.
   */
  sendFile(
    target: SendTarget,
    fd: number,
    position: number,
    length: number,
    done: SendFileDone,
  ): SendFileTransfer

  /**
   * Whether the page cache seems to have `[position, position + length)`, so that reading it does not wait
   * for the disk; `length` > 0. One page in 128 KiB is looked at, and the last: 1 µs for half a megabyte.
   * True behind the end of the file and where nobody can tell: other systems than Linux, file systems that
   * know no read that may not wait, no file at all.
   */
  isCached(fd: number, position: number, length: number): boolean

  /**
   * Reserves blocks for `[position, position + length)`; the file size stays. False where this system
   * or the file system cannot.
   */
  reserve(fd: number, position: number, length: number): boolean

  /**
   * Writes all of `bytes` at `position` of `fd` and makes them durable, with all that was written
   * before. `directFd` is another descriptor of the file, opened to go past the page cache, or −1: it
   * is used when memory, place and size are multiples of 4,096.
   */
  writeDurable(fd: number, directFd: number, bytes: Uint8Array, position: number): void

  /**
   * Begins the same past the page cache, without `fd` and without a thread that waits: the kernel has
   * the bytes when the call returns, whatever becomes of this process, and they are durable when the
   * promise resolves; of what was written before, this says nothing. `bytes` must stay as they are until
   * then. `undefined` where the system, the file or the place does not allow it, or when too much is
   * under way: nothing was written.
   */
  writeDurableLater(
    directFd: number,
    bytes: Uint8Array,
    position: number,
  ): Promise<void> | undefined

  /**
   * Blocks this thread until all writes that `writeDurableLater` began on it are done. Their promises are
   * settled then, so that who awaits them runs as soon as the caller's turn ends. Throws what one to
   * `directFd` failed with.
   * @returns how many to `directFd` were still under way. Of one that was done before, and whose promise
   *          nobody has heard yet, this says nothing.
   */
  finishDurableWrites(directFd: number): number

  /** Another descriptor of what `fd` is, closed on exec; `undefined` when this binding cannot make one. */
  duplicate(fd: number): number | undefined

  /**
   * How many bytes the kernel holds for a socket before a write waits (`SO_SNDBUF`; Linux takes twice as
   * many), instead of a number that grows. Does nothing where the binding cannot. Throws EBADF, ENOTSOCK.
   */
  limitSendBuffer(fd: number, bytes: number): void

  /** Where in a page of 4,096 bytes the memory of `bytes` begins; 0 where nobody can tell. */
  pageOffset(bytes: Uint8Array): number

  /** fdatasync(2) on the thread pool. */
  fdatasync(fd: number): Promise<void>
  /** fdatasync(2) on this thread. */
  fdatasyncSync(fd: number): void
  /** Makes created, renamed and removed names of a directory durable. No-op on Windows. */
  syncDirectory(path: string): Promise<void>
  syncDirectorySync(path: string): void

  /** `syncMany` may take one system call for all: many at once cost little more than one. */
  readonly syncsTogether: boolean
  /**
   * `fdatasync` of files and `syncDirectory` of directories, on one thread of the pool. Those on the file
   * system of the first file go together where that is safe: ext4 or XFS, Linux 5.8, and not much of
   * others that waits to be written.
   * @returns what each failed with, files first; undefined: it is durable.
   */
  syncMany(fds: readonly number[], directories: readonly string[]): Promise<(Error | undefined)[]>

  /**
   * Takes an exclusive advisory lock on the whole file for as long as `fd` is open.
   * `true` taken, `false` held by somebody else, `undefined` when this binding cannot lock.
   * It excludes other processes (a Kafka broker's file lock among them) and other descriptors of
   * this process.
   */
  tryLock(fd: number): boolean | undefined
}

export type MapAdvice = 'normal' | 'sequential' | 'random' | 'willneed' | 'dontneed'

/** A stream socket: its descriptor for the kernel, and `write` for the portable path. */
export interface SendTarget {
  readonly fd: number
  /** Queues `bytes`; `sent` runs when they left user space, or with the error. */
  write(bytes: Uint8Array, sent: (error?: Error | null) => void): void
}

/** `sentBytes` is how much left before the end or the error. */
export type SendFileDone = (error: Error | null, sentBytes: number) => void

export interface SendFileTransfer {
  /** Stops the transfer; `done` then runs with an error whose code is `ECANCELED`. */
  cancel(): void
}
