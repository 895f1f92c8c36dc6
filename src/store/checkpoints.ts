/**
 * The offset checkpoints of a data directory: what they said at open, kept for logs that are not
 * open yet, and written again from the logs that are. High watermarks are kept of replicated logs
 * only: for the others they are where the log ends.
 */
import { StoreFormatError } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import type { Offset } from '../base/types.ts'
import { readSeals, type SealsByLog, writeSeals } from '../flush/index-checkpoint.ts'
import {
  highWatermarkFileName,
  logStartFileName,
  type OffsetsByLog,
  readOffsets,
  recoveryPointFileName,
  writeOffsets,
} from '../flush/offset-checkpoint.ts'
import type { Log } from '../log/log.ts'
import type { FileSystem } from '../platform/file-system.ts'
import type { IndexSeal } from '../segment/index-seal.ts'
import type { SpareSpace } from './spare-space.ts'

export class Checkpoints {
  readonly #fileSystem: FileSystem
  readonly #directory: string
  readonly #recoveryPoints: OffsetsByLog
  readonly #logStarts: OffsetsByLog
  readonly #highWatermarks: OffsetsByLog
  #areHighWatermarksChanged = false
  #seals: SealsByLog
  #isChanged = false
  /** So that they can be written on a full disk. */
  readonly #spare: SpareSpace

  constructor(fileSystem: FileSystem, directory: string, logger: Logger, spare: SpareSpace) {
    this.#fileSystem = fileSystem
    this.#directory = directory
    this.#spare = spare
    this.#recoveryPoints = this.#read(recoveryPointFileName, logger)
    this.#logStarts = this.#read(logStartFileName, logger)
    this.#highWatermarks = this.#readHighWatermarks(logger)
    this.#seals = this.#readSeals(logger)
  }

  recoveryPoint(log: string): Offset {
    return this.#recoveryPoints.get(log) ?? (0 as Offset)
  }

  logStart(log: string): Offset {
    return this.#logStarts.get(log) ?? (0 as Offset)
  }

  highWatermark(log: string): Offset {
    return this.#highWatermarks.get(log) ?? (0 as Offset)
  }

  indexSeal(log: string): IndexSeal | undefined {
    return this.#seals.get(log)
  }

  forget(log: string): void {
    this.#isChanged = this.#seals.delete(log) || this.#isChanged
    this.#isChanged = this.#recoveryPoints.delete(log) || this.#isChanged
    this.#isChanged = this.#logStarts.delete(log) || this.#isChanged
    if (this.#highWatermarks.delete(log)) this.#areHighWatermarksChanged = true
  }

  /** `write`, if the files still say something of a log that was forgotten. */
  writeForgotten(logs: Iterable<Log>): void {
    if (this.#isChanged || this.#areHighWatermarksChanged) this.write(logs)
  }

  /**
   * Takes over where `logs` stand and writes what changed, durably.
   *
   * A start that the first segment's name tells as well is left out, as Kafka does, by the write of
   * a clean stop only: until then the journal may hold records of segments that were trimmed away.
   *
   * @param options.makesRoom something goes once this is written: it may use the spare space.
   */
  write(
    logs: Iterable<Log>,
    options: { readonly isLast?: boolean; readonly makesRoom?: boolean } = {},
  ): void {
    for (const log of logs) {
      if (log.isReplicated && this.#highWatermarks.get(log.name) !== log.highWatermark) {
        this.#highWatermarks.set(log.name, log.highWatermark)
        this.#areHighWatermarksChanged = true
      }
      this.#set(this.#recoveryPoints, log.name, log.recoveryPoint)
      const isTold = log.startOffset === 0 || (options.isLast === true && log.isStartTold)
      if (!isTold) this.#set(this.#logStarts, log.name, log.startOffset)
      else if (this.#logStarts.delete(log.name)) this.#isChanged = true
      const seal = options.isLast === true ? undefined : log.indexSeal
      if (this.#seals.get(log.name) === seal) continue
      this.#isChanged = true
      if (seal === undefined) this.#seals.delete(log.name)
      else this.#seals.set(log.name, seal)
    }
    if (options.isLast === true) this.#spare.give()
    if (!this.#isChanged && !this.#areHighWatermarksChanged) return
    if (options.makesRoom === true) this.#spare.use(() => this.#writeChanged())
    else this.#writeChanged()
    if (options.isLast !== true) this.#spare.keep(this.#recoveryPoints.size)
  }

  #writeChanged(): void {
    if (this.#areHighWatermarksChanged) {
      const offsets = this.#highWatermarks
      writeOffsets(this.#fileSystem, this.#directory, highWatermarkFileName, offsets)
      this.#areHighWatermarksChanged = false
    }
    if (!this.#isChanged) return
    // The start goes first: a log that was trimmed must not reappear below what was flushed.
    writeOffsets(this.#fileSystem, this.#directory, logStartFileName, this.#logStarts)
    writeOffsets(this.#fileSystem, this.#directory, recoveryPointFileName, this.#recoveryPoints)
    writeSeals(this.#fileSystem, this.#directory, this.#seals)
    this.#isChanged = false
  }

  #set(offsets: OffsetsByLog, log: string, offset: Offset): void {
    if (offsets.get(log) === offset) return
    offsets.set(log, offset)
    this.#isChanged = true
  }

  #readSeals(logger: Logger): SealsByLog {
    try {
      return readSeals(this.#fileSystem, this.#directory)
    } catch (error) {
      if (!(error instanceof StoreFormatError)) throw error
      logger.warn({ error: error.message }, 'index checkpoint cannot be read: not used')
      this.#isChanged = true
      return new Map()
    }
  }

  /** Without it readers of replicated logs wait until they are told again what is committed. */
  #readHighWatermarks(logger: Logger): OffsetsByLog {
    try {
      return readOffsets(this.#fileSystem, this.#directory, highWatermarkFileName)
    } catch (error) {
      if (!(error instanceof StoreFormatError)) throw error
      logger.warn(
        { error: error.message },
        'high watermarks cannot be read: they begin at the start',
      )
      this.#areHighWatermarksChanged = true
      return new Map()
    }
  }

  /** A checkpoint that cannot be read costs a longer recovery, not the start. */
  #read(fileName: string, logger: Logger): OffsetsByLog {
    try {
      return readOffsets(this.#fileSystem, this.#directory, fileName)
    } catch (error) {
      if (!(error instanceof StoreFormatError)) throw error
      logger.warn({ error: error.message }, 'checkpoint cannot be read: recovering from the start')
      this.#isChanged = true
      return new Map()
    }
  }
}
