/**
 * A little space set aside in a data directory, to be given up when the disk is full.
 *
 * What makes room on a full disk has to write first: where a log begins must be durable before its
 * segments go, and where it may end before a truncation cuts it. Without a block for that file the
 * store could not free a disk that it has filled.
 */
import { StorageError } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import { kibibyte } from '../base/units.ts'
import type { File, FileSystem } from '../platform/file-system.ts'

export const spareFileName = 'stratalog.spare'

/** For the files themselves, and what a file system needs to hold them. */
const minBytes = 256 * kibibyte
/** Less is not worth a file. */
const leastBytes = 32 * kibibyte
const blockBytes = 4 * kibibyte
/** A line of a checkpoint, generously, twice. */
const bytesPerLog = 256

export class SpareSpace {
  readonly #fileSystem: FileSystem
  readonly #path: string
  readonly #logger: Logger
  #sizeBytes = 0
  #wantedBytes = 0
  /** How often it was given up. */
  #gifts = 0

  constructor(fileSystem: FileSystem, directory: string, logger: Logger) {
    this.#fileSystem = fileSystem
    this.#path = `${directory}/${spareFileName}`
    this.#logger = logger
    // What a process that was killed has left is for what opening the store writes.
    this.give()
  }

  /**
   * Sets aside what the checkpoints of `logCount` logs need, or what the disk has of it. That it
   * cannot be done is no error.
   */
  keep(logCount: number): void {
    this.#wantedBytes = minBytes + logCount * bytesPerLog
    this.#keep()
  }

  #keep(): void {
    if (this.#sizeBytes >= this.#wantedBytes) return
    try {
      // More than is needed now, or nearly all of what there is: of what was given up little is used.
      let sizeBytes = 2 * this.#wantedBytes
      for (let less = blockBytes; sizeBytes >= leastBytes; less *= 2) {
        if (this.#reserve(sizeBytes)) {
          this.#sizeBytes = sizeBytes
          return
        }
        sizeBytes -= less
      }
    } catch (error) {
      if (!(error instanceof StorageError)) throw error
      this.#logger.debug({ error: error.message }, 'no space was set aside for a full disk')
    }
    this.give()
  }

  /** @returns false when the disk has not so much. */
  #reserve(sizeBytes: number): boolean {
    const file = this.#fileSystem.open(this.#path, 'open-or-create')
    try {
      if (!file.reserve(0, sizeBytes)) writeZeros(file, sizeBytes)
      return true
    } catch (error) {
      if (!isOutOfSpace(error)) throw error
      file.truncate(0)
      return false
    } finally {
      file.close()
    }
  }

  /** Calls `write`, and once more with the space given up when the disk is full. */
  use(write: () => void): void {
    try {
      write()
    } catch (error) {
      if (!isOutOfSpace(error) || !this.give()) throw error
      write()
      this.#keep()
    }
  }

  /** As `use`, of what takes longer. Of several that fail together the first gives it up for all. */
  async useLater(write: () => Promise<unknown>): Promise<void> {
    const gifts = this.#gifts
    try {
      await write()
    } catch (error) {
      if (!isOutOfSpace(error)) throw error
      if (this.#gifts === gifts && !this.give()) throw error
      await write()
      this.#keep()
    }
  }

  /** Gives it back to the disk. @returns false when there was nothing to give. */
  give(): boolean {
    this.#sizeBytes = 0
    try {
      if (this.#fileSystem.stat(this.#path) === undefined) return false
      this.#fileSystem.remove(this.#path)
      this.#gifts++
      return true
    } catch (error) {
      if (!(error instanceof StorageError)) throw error
      this.#logger.debug({ error: error.message }, 'the space set aside could not be given back')
      return false
    }
  }
}

/** Where blocks cannot be reserved. */
function writeZeros(file: File, sizeBytes: number): void {
  const zeros = Buffer.alloc(64 * kibibyte)
  for (let at = 0; at < sizeBytes; at += zeros.length) file.write(zeros, at)
}

/** Whether an operation failed for want of space. */
function isOutOfSpace(error: unknown): boolean {
  return error instanceof StorageError && (error.errno === 'ENOSPC' || error.errno === 'EDQUOT')
}
