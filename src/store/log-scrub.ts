/**
 * Reads all files of one partition directory and says what is wrong with them, changing nothing:
 * what verify reports and repair works from.
 */
import { StoreFormatError } from '../base/errors.ts'
import type { FilePosition, Offset } from '../base/types.ts'
import { LeaderEpochs, leaderEpochFileName } from '../log/leader-epochs.ts'
import { readSnapshot } from '../log/producer-snapshot.ts'
import type { FileSystem } from '../platform/file-system.ts'
import type { BatchView } from '../record/batch-view.ts'
import type { WholeFrames } from '../record/group-mark.ts'
import { IndexCheck } from '../segment/index-check.ts'
import { maxSegmentBytes } from '../segment/segment.ts'
import {
  cleanedSuffix,
  deletedSuffix,
  logSuffix,
  offsetIndexSuffix,
  offsetOfFileName,
  segmentFileName,
  snapshotSuffix,
  swapSuffix,
  temporarySuffix,
  timeIndexSuffix,
} from '../segment/segment-file-name.ts'
import { type ScrubbedSegment, scrubSegment } from '../segment/segment-scrub.ts'
import type { Finding } from './finding.ts'
import { readTopicId } from './meta-properties.ts'
import { partitionMetadataFileName } from './store-layout.ts'
import { type ScrubbedSnapshots, scrubSnapshots } from './table-scrub.ts'

/** What the rest of the data directory says of a log. */
export type LogFacts = {
  /** `<topic>-<partition>` */
  readonly name: string
  readonly directory: string
  readonly mayHaveGaps: boolean
  /** The last stop was clean: everything is durable and every file should be there. */
  readonly isClean: boolean
  /** Undefined when the checkpoint has no entry. */
  readonly recoveryPoint: Offset | undefined
  readonly logStart: Offset | undefined
  /** Largest leader epoch there was; Infinity when unknown. */
  readonly maxEpoch: number
  /** The journal's last whole frame: batches of groups behind it are not recovered. */
  readonly wholeFrames: readonly WholeFrames[]
  /** Id the topic has in the store's table; undefined when it is not there. */
  readonly topicId: string | undefined
}

export type SegmentFacts = ScrubbedSegment & {
  readonly baseOffset: Offset
  readonly path: string
  readonly sizeBytes: number
  /** An index file is missing or wrong. */
  readonly areIndexesWrong: boolean
}

export type ScrubbedLog = LogFacts & {
  readonly exists: boolean
  readonly segments: readonly SegmentFacts[]
  /** Segments behind a tail that is not recovered: recovery drops them. */
  readonly droppedPaths: readonly string[]
  readonly findings: readonly Finding[]
  /** Offset after the last record that is there. */
  readonly endOffset: Offset
  /** Epochs as the batches have them. */
  readonly epochs: readonly { readonly epoch: number; readonly startOffset: Offset }[]
  readonly areEpochsWrong: boolean
  readonly wrongSnapshots: readonly string[]
  /** Of a table's log. */
  readonly tableSnapshots: ScrubbedSnapshots
  /** Changes of a table are in no whole snapshot and not in the log either. */
  readonly isTableIncomplete: boolean
  readonly isTopicIdWrong: boolean
  /** A replacement of segments was interrupted: opening the store finishes it. */
  readonly isInSwap: boolean
}

/** Where a log goes on: below its recovery point no offset is given out again. */
export function finalEnd(log: ScrubbedLog): Offset {
  return Math.max(log.endOffset, log.recoveryPoint ?? 0) as Offset
}

/** Yields the bytes read since the last yield. `onBatch` gets every batch that is whole or healed. */
export function* scrubLog(
  fileSystem: FileSystem,
  facts: LogFacts,
  onBatch: (batch: BatchView) => void = () => {},
): Generator<number, ScrubbedLog> {
  const scrub = new LogScrub(fileSystem, facts, onBatch)
  yield* scrub.run()
  return { ...facts, ...scrub.result() }
}

const noBytes = Buffer.alloc(0)

class LogScrub {
  readonly #fileSystem: FileSystem
  readonly #facts: LogFacts
  readonly #onBatch: (batch: BatchView) => void
  readonly #findings: Finding[] = []
  readonly #segments: SegmentFacts[] = []
  #droppedPaths: readonly string[] = []
  readonly #epochs: LeaderEpochs
  readonly #filedEpochs: LeaderEpochs
  readonly #wrongSnapshots: string[] = []
  #areEpochsReadable = true
  #areEpochsWrong = false
  #tableSnapshots: ScrubbedSnapshots = { whole: [], damaged: [] }
  #isTableIncomplete = false
  #isTopicIdWrong = false
  #isInSwap = false
  #exists = false
  #endOffset = 0 as Offset

  constructor(fileSystem: FileSystem, facts: LogFacts, onBatch: (batch: BatchView) => void) {
    this.#fileSystem = fileSystem
    this.#facts = facts
    this.#onBatch = onBatch
    const home = { fileSystem, directory: facts.directory }
    this.#epochs = new LeaderEpochs(home)
    this.#filedEpochs = new LeaderEpochs(home)
  }

  result(): Omit<ScrubbedLog, keyof LogFacts> {
    return {
      exists: this.#exists,
      segments: this.#segments,
      droppedPaths: this.#droppedPaths,
      findings: this.#findings,
      endOffset: this.#endOffset,
      epochs: this.#epochs.entries,
      areEpochsWrong: this.#areEpochsWrong,
      wrongSnapshots: this.#wrongSnapshots,
      tableSnapshots: this.#tableSnapshots,
      isTableIncomplete: this.#isTableIncomplete,
      isTopicIdWrong: this.#isTopicIdWrong,
      isInSwap: this.#isInSwap,
    }
  }

  *run(): Generator<number> {
    const { directory, recoveryPoint, topicId, isClean } = this.#facts
    this.#exists = this.#fileSystem.stat(directory)?.kind === 'directory'
    if (!this.#exists) {
      this.#damage('directory', directory, 'the partition has no directory')
      this.#checkEnd()
      return
    }
    const names = this.#fileSystem.readDirectory(directory)
    this.#lookForLeftOvers(names)
    this.#loadEpochs()
    yield* this.#scrubSegments(names)
    this.#checkEnd()
    this.#checkEpochs()
    this.#checkSnapshots(names, isClean ? Infinity : (recoveryPoint ?? 0))
    this.#tableSnapshots = yield* scrubSnapshots(this.#fileSystem, directory)
    this.#checkTable()
    if (topicId !== undefined) this.#checkTopicId(topicId)
  }

  #note(kind: Finding['kind'], path: string, message: string): void {
    this.#findings.push({ severity: 'note', kind, path, log: this.#facts.name, message })
  }

  #damage(
    kind: Finding['kind'],
    path: string,
    message: string,
    more: Pick<Finding, 'position' | 'sizeBytes' | 'offsets'> = {},
  ): void {
    const { name: log } = this.#facts
    this.#findings.push({ severity: 'damage', kind, path, log, message, ...more })
  }

  #lookForLeftOvers(names: readonly string[]): void {
    const suffixes = [swapSuffix, cleanedSuffix, deletedSuffix, temporarySuffix]
    for (const name of names) {
      if (!suffixes.some((suffix) => name.endsWith(suffix))) continue
      this.#isInSwap ||= name.endsWith(swapSuffix)
      const path = `${this.#facts.directory}/${name}`
      this.#note(
        'left-over',
        path,
        'left by an interrupted change: opening the store deals with it',
      )
    }
  }

  #loadEpochs(): void {
    try {
      this.#filedEpochs.load()
    } catch (error) {
      if (!(error instanceof StoreFormatError)) throw error
      this.#areEpochsReadable = false
      this.#areEpochsWrong = true
      this.#damage('leader-epochs', error.path, error.message.slice(error.path.length + 2))
    }
  }

  *#scrubSegments(names: readonly string[]): Generator<number> {
    const bases = names
      .map((name) => offsetOfFileName(name, logSuffix))
      .filter((base) => base !== undefined)
      .sort((a, b) => a - b)
    for (const [i, baseOffset] of bases.entries()) {
      const found = yield* this.#scrubSegment(baseOffset, bases[i + 1], names)
      this.#segments.push(found)
      this.#report(found, bases[i + 1])
      this.#endOffset = found.nextOffset
      if (found.pieces.at(-1)?.kind !== 'unrecovered') continue
      const { directory } = this.#facts
      const dropped = bases.slice(i + 1)
      this.#droppedPaths = dropped.map((base) => `${directory}/${segmentFileName(base, logSuffix)}`)
      return
    }
  }

  *#scrubSegment(
    baseOffset: Offset,
    nextBase: Offset | undefined,
    names: readonly string[],
  ): Generator<number, SegmentFacts> {
    const { directory, mayHaveGaps, isClean, recoveryPoint, maxEpoch } = this.#facts
    const path = `${directory}/${segmentFileName(baseOffset, logSuffix)}`
    const file = this.#fileSystem.open(path, 'read')
    try {
      const sizeBytes = file.size()
      // Of what recovery scans it makes the indexes too.
      const isSuspect = !isClean && (nextBase === undefined || nextBase >= (recoveryPoint ?? 0))
      const check = new IndexCheck(baseOffset, !mayHaveGaps, {
        offsets: isSuspect ? noBytes : this.#readIndex(baseOffset, offsetIndexSuffix),
        times: isSuspect ? noBytes : this.#readIndex(baseOffset, timeIndexSuffix),
      })
      const knownEnd = isClean ? recoveryPoint : undefined
      const rules = {
        baseOffset,
        limitOffset: nextBase ?? Infinity,
        endOffset: nextBase === undefined ? knownEnd : mayHaveGaps ? undefined : nextBase,
        isDense: !mayHaveGaps,
        durableBelow: isClean ? Infinity : (recoveryPoint ?? 0),
        wholeFrames: this.#facts.wholeFrames,
        previousEpoch: this.#segments.at(-1)?.lastEpoch ?? -1,
        maxEpoch,
        epochOf: (offset: Offset) =>
          this.#areEpochsReadable ? this.#filedEpochs.epochOf(offset) : undefined,
        borders: check.borders,
      }
      if (sizeBytes > maxSegmentBytes) {
        this.#damage('records', path, `${sizeBytes} bytes are more than a segment can have`)
      }
      const scrubbed = yield* scrubSegment(file, rules, (batch, position) => {
        check.add(batch, position)
        const { leaderEpoch } = batch
        if (leaderEpoch > this.#epochs.latest) this.#epochs.note(leaderEpoch, batch.baseOffset)
        this.#onBatch(batch)
      })
      const isWhole = scrubbed.pieces.every(({ kind }) => kind === 'whole' || kind === 'missing')
      const areIndexesWrong =
        isWhole && !isSuspect && sizeBytes > 0 && this.#reportIndexes(baseOffset, names, check)
      const { pieces, nextOffset, lastEpoch, batchCount, recordCount } = scrubbed
      const counts = { batchCount, recordCount }
      return {
        baseOffset,
        path,
        sizeBytes,
        pieces,
        nextOffset,
        lastEpoch,
        ...counts,
        areIndexesWrong,
      }
    } finally {
      file.close()
    }
  }

  #readIndex(baseOffset: Offset, suffix: string): Buffer {
    const path = `${this.#facts.directory}/${segmentFileName(baseOffset, suffix)}`
    if (this.#fileSystem.stat(path) === undefined) return noBytes
    const file = this.#fileSystem.open(path, 'read')
    try {
      const bytes = Buffer.alloc(file.size())
      return bytes.subarray(0, file.read(bytes, 0))
    } finally {
      file.close()
    }
  }

  /** @returns whether an index is missing or wrong. */
  #reportIndexes(baseOffset: Offset, names: readonly string[], check: IndexCheck): boolean {
    const faults = check.finish()
    let isWrong = false
    for (const [suffix, found] of [
      [offsetIndexSuffix, faults.offsets],
      [timeIndexSuffix, faults.times],
    ] as const) {
      const name = segmentFileName(baseOffset, suffix)
      const fault = names.includes(name) ? found : 'index is missing'
      if (fault === undefined) continue
      isWrong = true
      this.#damage('index', `${this.#facts.directory}/${name}`, fault)
    }
    return isWrong
  }

  #report(segment: SegmentFacts, nextBase: Offset | undefined): void {
    const { path, pieces, nextOffset } = segment
    for (const { kind, position, sizeBytes, from, to, reason } of pieces) {
      // What follows the last damage of a segment begins the next one.
      const offsets = { from, to: to ?? this.#endBehind(nextBase) }
      const place = { position, sizeBytes, offsets }
      if (kind === 'damaged') this.#damage('records', path, reason, place)
      if (kind === 'missing') this.#damage('records', path, reason, { position, offsets })
      if (kind === 'healed') this.#damage('header', path, reason, place)
      if (kind !== 'unrecovered') continue
      const message = `${reason}: not recovered yet, opening the store cuts ${sizeBytes} bytes here`
      const log = this.#facts.name
      this.#findings.push({ severity: 'note', kind: 'not-recovered', path, log, position, message })
    }
    const last = pieces.at(-1)?.kind
    const isShort = nextBase !== undefined && nextOffset < nextBase && !this.#facts.mayHaveGaps
    if (!isShort || last === 'damaged' || last === 'unrecovered') return
    const { recoveryPoint, isClean } = this.#facts
    if (!isClean && nextOffset >= (recoveryPoint ?? 0)) return
    this.#missing(segment.path, segment.sizeBytes, nextOffset, nextBase)
  }

  /** Where records damaged at the end of a segment ended, as far as that is known. */
  #endBehind(nextBase: Offset | undefined): Offset | undefined {
    return nextBase ?? this.#facts.recoveryPoint
  }

  #missing(path: string, position: number, from: Offset, to: Offset): void {
    const place = { position: position as FilePosition, offsets: { from, to } }
    this.#damage('records', path, 'records are missing', place)
  }

  /** Records below the recovery point were durable, and must be there. */
  #checkEnd(): void {
    const { recoveryPoint = 0 as Offset, directory } = this.#facts
    const last = this.#segments.at(-1)
    const lastPiece = last?.pieces.findLast(({ kind }) => kind !== 'unrecovered')?.kind
    if (this.#endOffset >= recoveryPoint || lastPiece === 'damaged') return
    this.#missing(last?.path ?? directory, last?.sizeBytes ?? 0, this.#endOffset, recoveryPoint)
  }

  /** Below the recovery point the file says what the batches say. */
  #checkEpochs(): void {
    const { isClean, mayHaveGaps, directory, recoveryPoint } = this.#facts
    const start = this.#start()
    for (const epochs of [this.#epochs, this.#filedEpochs]) {
      epochs.cutEnd(this.#endOffset)
      epochs.cutStart(start)
    }
    const areRecordsWhole = this.#findings.every(({ kind }) => kind !== 'records')
    if (mayHaveGaps || !this.#areEpochsReadable || !areRecordsWhole) return
    const end = isClean ? this.#endOffset : (recoveryPoint ?? 0)
    const textOf = ({ entries }: LeaderEpochs) =>
      entries
        .filter(({ startOffset }) => startOffset < end)
        .map(({ epoch, startOffset }) => `${epoch}@${startOffset}`)
        .join()
    if (textOf(this.#epochs) === textOf(this.#filedEpochs)) return
    this.#areEpochsWrong = true
    const path = `${directory}/${leaderEpochFileName}`
    this.#damage('leader-epochs', path, 'epochs are not those of the batches')
  }

  #checkSnapshots(names: readonly string[], durableBelow: number): void {
    for (const name of names) {
      const offset = offsetOfFileName(name, snapshotSuffix)
      if (offset === undefined || offset > durableBelow) continue
      const path = `${this.#facts.directory}/${name}`
      if (readSnapshot(this.#fileSystem, path) !== undefined) continue
      this.#wrongSnapshots.push(path)
      this.#damage('snapshot', path, 'checksum mismatch, or cut off')
    }
  }

  /** Opening a table needs a whole snapshot, or the log from its first change on. */
  #checkTable(): void {
    const { whole, damaged } = this.#tableSnapshots
    for (const { path, reason } of damaged) this.#damage('table-snapshot', path, reason)
    if (whole.length + damaged.length === 0) return
    const { isClean, recoveryPoint = 0, directory } = this.#facts
    const end = Math.max(this.#endOffset, recoveryPoint)
    const start = this.#start()
    // Before recovery the journal may hold the records below a snapshot.
    const isUsable = (offset: Offset) => offset >= start && (!isClean || offset <= end)
    if (start === 0 || whole.some(isUsable)) return
    this.#isTableIncomplete = true
    const message = `no whole snapshot reaches the log, which begins at offset ${start}`
    this.#damage('table-snapshot', directory, message)
  }

  /** First readable offset. */
  #start(): Offset {
    const { logStart = 0, recoveryPoint = 0 } = this.#facts
    const firstBase = this.#segments[0]?.baseOffset ?? 0
    // A start beyond the end is none: see the checkpoint's own finding.
    const isPossible = logStart <= Math.max(this.#endOffset, recoveryPoint)
    return Math.max(isPossible ? logStart : 0, firstBase) as Offset
  }

  #checkTopicId(topicId: string): void {
    const path = `${this.#facts.directory}/${partitionMetadataFileName}`
    const found = readTopicId(this.#fileSystem, path)
    if (found === topicId) return
    this.#isTopicIdWrong = true
    this.#damage('topic-id', path, `topic id is ${found ?? 'not readable'} instead of ${topicId}`)
  }
}
