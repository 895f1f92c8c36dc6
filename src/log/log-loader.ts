/**
 * Opens a partition directory: removes what an interrupted clean-up left, finishes interrupted
 * swaps, finds the segments, and after an unclean stop recovers everything from the recovery point
 * on. Mirrors what Kafka does, so that either program can open the other's directory.
 */
import { CorruptBatchError, CorruptionError, StoreFormatError } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import type { Offset } from '../base/types.ts'
import type { FileSystem } from '../platform/file-system.ts'
import type { WholeFrames } from '../record/group-mark.ts'
import { BatchScanner } from '../segment/batch-scanner.ts'
import type { IndexSeal } from '../segment/index-seal.ts'
import { Segment, type SegmentEnvironment } from '../segment/segment.ts'
import {
  cleanedSuffix,
  damagedSuffix,
  deletedSuffix,
  logSuffix,
  offsetIndexSuffix,
  offsetOfFileName,
  segmentFileName,
  swapSuffix,
  timeIndexSuffix,
  transactionIndexSuffix,
} from '../segment/segment-file-name.ts'
import { SegmentList } from '../segment/segment-list.ts'
import { recoverSegment } from '../segment/segment-recovery.ts'
import { LeaderEpochs } from './leader-epochs.ts'
import type { LogEnvironment } from './log-environment.ts'
import { locateBatch } from './log-search.ts'
import type { ProducerState } from './producer-state.ts'
import { ProducerStateFiles } from './producer-state-files.ts'

export type LogCheckpoint = {
  /** The store was closed properly: nothing needs to be checked. */
  readonly isClean: boolean
  /** First offset not known to be durable. */
  readonly recoveryPoint: Offset
  /** Index files to begin recovery with, if the last checkpoint kept any. */
  readonly indexSeal: IndexSeal | undefined
  /** Which groups count that batches are of. */
  readonly wholeFrames: readonly WholeFrames[]
  /** First offset readers may see; segments may begin below it. */
  readonly logStart: Offset
  /** What was committed, exclusive; of a replicated log only. */
  readonly highWatermark: Offset
}

export type LoadedLog = {
  readonly segments: SegmentList
  readonly epochs: LeaderEpochs
  readonly producers: ProducerState
  readonly snapshots: ProducerStateFiles
  readonly logStart: Offset
  readonly logEnd: Offset
  readonly recoveryPoint: Offset
  /** All is as a clean stop left it, durably: nothing was made, cut or dropped. */
  readonly isAsStored: boolean
  /** What was committed at the last checkpoint, exclusive; undefined unless the log is replicated. */
  readonly committed: Offset | undefined
  /** Bytes that recovery looked at. */
  readonly checkedBytes: number
  /** What recovery cut, for the operator; undefined when nothing was lost. */
  readonly cut: { path: string; position: number; bytes: number; reason: string } | undefined
}

/**
 * Loads a log. Yields the bytes recovered since the last yield, so that the caller may report.
 *
 * @throws CorruptionError records that were durable are damaged or missing, so that the end of the
 *         log cannot be known, or offsets would be given out twice. Nothing of them was removed.
 */
export function* loadLog(
  env: LogEnvironment,
  checkpoint: LogCheckpoint,
): Generator<number, LoadedLog> {
  const found: Segment[] = []
  const segments = new SegmentList()
  try {
    return yield* load(env, checkpoint, found, segments)
  } catch (error) {
    for (const segment of [...found, ...segments]) segment.close()
    throw error
  }
}

/**
 * @param found    gets every segment that is there, also those that recovery then deletes.
 * @param segments gets those of the loaded log.
 */
function* load(
  env: LogEnvironment,
  checkpoint: LogCheckpoint,
  found: Segment[],
  segments: SegmentList,
): Generator<number, LoadedLog> {
  const { fileSystem, directory } = env
  const names = cleanUp(fileSystem, directory, env.logger)
  openSegments(env, checkpoint, names, found)
  for (const segment of found) segments.push(segment)
  const epochs = loadEpochs(env, segments)
  const snapshots = new ProducerStateFiles(env)
  const { cut, checkedBytes } = checkpoint.isClean
    ? { cut: undefined, checkedBytes: 0 }
    : yield* recover(env, segments, epochs, snapshots, checkpoint)
  dropEmptyBelow(env, segments, checkpoint.logStart)
  if (segments.count === 0) segments.push(Segment.create(env, checkpoint.logStart))
  else segments.active.activate()
  const logEnd = segments.active.findNextOffset()
  checkEnd(segments, checkpoint, logEnd)
  const logStart = Math.max(checkpoint.logStart, segments.first.baseOffset) as Offset
  const recoveryPoint = checkpoint.isClean
    ? logEnd
    : (Math.max(logStart, Math.min(checkpoint.recoveryPoint, logEnd)) as Offset)
  // Trimmed to its end, a log keeps the epoch of what stood there: who has read that asks for its end.
  const isEmptied = logStart === logEnd && epochs.entries[0]?.startOffset === logEnd
  epochs.cutEnd((isEmptied ? logEnd + 1 : logEnd) as Offset)
  epochs.cutStart(logStart)
  if (env.mayHaveGaps !== true && !areEpochsTrue(epochs, segments, logStart, logEnd)) {
    env.logger.warn({ log: env.name }, 'leader epochs contradict the log: reading them from it')
    readEpochs(epochs, segments, maxEpochOf(env))
    epochs.cutStart(logStart)
  }
  const producers = snapshots.rebuild(segments, logStart, logEnd)
  producers.expire(env.clock.now() - env.settings.producerExpiryMs)
  const isAsStored =
    checkpoint.isClean &&
    found.length > 0 &&
    found.length === segments.count &&
    (snapshots.offsets().length > 0 || !snapshots.isDue(producers, segments))
  return {
    segments,
    epochs,
    producers,
    snapshots,
    logStart,
    logEnd,
    recoveryPoint,
    isAsStored,
    committed: env.isReplicated === true ? checkpoint.highWatermark : undefined,
    checkedBytes,
    cut,
  }
}

/** The epochs from their file or, when that cannot be read, from the headers of all batches. */
function loadEpochs(env: LogEnvironment, segments: SegmentList): LeaderEpochs {
  const epochs = new LeaderEpochs(env)
  try {
    epochs.load()
    // Nothing else tells which epochs a replicated log had.
    if (env.isReplicated === true && epochs.latest < 0) readEpochs(epochs, segments, Infinity)
  } catch (error) {
    if (!(error instanceof StoreFormatError)) throw error
    env.logger.warn({ error: error.message }, 'reading leader epochs from the log instead')
    readEpochs(epochs, segments, env.mayHaveGaps === true ? Infinity : maxEpochOf(env))
  }
  return epochs
}

/** The largest epoch that a batch of the log can have. */
function maxEpochOf(env: LogEnvironment): number {
  return env.isReplicated === true ? Infinity : env.leaderEpoch
}

/** The epochs from the batch headers; those above `maxEpoch` never were: their field is damaged. */
function readEpochs(epochs: LeaderEpochs, segments: SegmentList, maxEpoch: number): void {
  epochs.clear()
  for (const segment of segments) {
    const scanner = segment.scan('headers')
    try {
      while (scanner.next() === 'batch') {
        const { leaderEpoch, baseOffset } = scanner.view
        if (leaderEpoch <= epochs.latest || leaderEpoch > maxEpoch) continue
        epochs.note(leaderEpoch, baseOffset)
      }
    } catch (error) {
      // A damaged header: those who read it are told.
      if (!(error instanceof CorruptBatchError)) throw error
    }
  }
}

/**
 * Whether every epoch begins at a batch that has it, and the last batch has the latest. The file has
 * no checksum, and a wrong answer would make consumers take records they have read for lost.
 */
function areEpochsTrue(
  epochs: LeaderEpochs,
  segments: SegmentList,
  logStart: Offset,
  logEnd: Offset,
): boolean {
  try {
    const last = locateBatch(segments, (logEnd - 1) as Offset)
    if (last === undefined || logEnd === segments.first.baseOffset) return true
    const isLatest = last.place.leaderEpoch === epochs.latest
    // What is there is below the start: its epoch is known, or was forgotten.
    if (logStart === logEnd) return isLatest || epochs.latest < 0
    if (!isLatest) return false
    return epochs.entries.every(({ epoch, startOffset }, i) => {
      const place = locateBatch(segments, startOffset)?.place
      return place?.leaderEpoch === epoch && (i === 0 || place.baseOffset === startOffset)
    })
  } catch (error) {
    // The log is damaged there, which is no reason to distrust the file.
    if (error instanceof CorruptionError) return true
    throw error
  }
}

/** A log without records begins where the checkpoint says. */
function dropEmptyBelow(env: LogEnvironment, segments: SegmentList, logStart: Offset): void {
  const all = [...segments]
  if (all.some((segment) => segment.sizeBytes > 0)) return
  if (all.length === 0 || segments.active.baseOffset >= logStart) return
  while (segments.count > 0) segments.pop().delete()
  env.fileSystem.syncDirectorySync(env.directory)
}

/**
 * Makes sure that the log ends where its last header says. Records below the recovery point and the
 * log start were durable: where they are missing, going on at the end that was found would give out
 * their offsets a second time.
 */
function checkEnd(segments: SegmentList, checkpoint: LogCheckpoint, logEnd: Offset): void {
  const { recoveryPoint, logStart } = checkpoint
  // What two agree on needs no third.
  if (logEnd !== recoveryPoint) segments.active.checkLastBatch()
  if (logEnd >= recoveryPoint && logEnd >= logStart) return
  const wanted =
    logEnd < recoveryPoint
      ? `everything below offset ${recoveryPoint} was durable`
      : `its checkpoint says that it begins at ${logStart}`
  const { active } = segments
  throw active.corruption(active.sizeBytes, `the log ends at offset ${logEnd}, though ${wanted},`)
}

/** @returns the names that are left. */
function cleanUp(fileSystem: FileSystem, directory: string, logger: Logger): string[] {
  const names = fileSystem.readDirectory(directory)
  const cleaned = names.filter((name) => name.endsWith(cleanedSuffix))
  const firstCleaned = Math.min(...cleaned.map((name) => Number(name.slice(0, 20))))
  const swaps = names.filter((name) => name.endsWith(swapSuffix))
  // A swap at or above an unfinished output belongs to a replacement that had not begun to rename.
  // It goes first: without the output it would be finished by the next open.
  const leftOver = [
    ...names.filter((name) => name.endsWith(deletedSuffix)),
    ...swaps.filter((name) => Number(name.slice(0, 20)) >= firstCleaned),
    ...cleaned,
  ]
  for (const name of leftOver) {
    logger.info({ file: `${directory}/${name}` }, 'removing a left-over file')
    fileSystem.remove(`${directory}/${name}`)
  }
  if (leftOver.length === 0 && swaps.length === 0) return names
  finishSwaps(fileSystem, directory, logger)
  return fileSystem.readDirectory(directory)
}

/** Swapped-in segments replace every file their offsets cover, and then take their names. */
function finishSwaps(fileSystem: FileSystem, directory: string, logger: Logger): void {
  const names = fileSystem.readDirectory(directory)
  const swaps = names.filter((name) => name.endsWith(swapSuffix))
  if (swaps.length === 0) return
  let first = Infinity
  let next = 0
  for (const name of swaps.filter((name) => name.endsWith(logSuffix + swapSuffix))) {
    first = Math.min(first, Number(name.slice(0, 20)))
    next = Math.max(next, endOfSwap(fileSystem, directory, name))
  }
  for (const name of names.filter((name) => !name.endsWith(swapSuffix))) {
    const offset = Number(/^\d{20}(?=\.)/.exec(name)?.[0] ?? Number.NaN)
    if (name.endsWith(damagedSuffix)) continue
    if (offset >= first && offset < next) fileSystem.remove(`${directory}/${name}`)
  }
  for (const name of swaps) {
    const path = `${directory}/${name}`
    logger.info({ file: path }, 'finishing an interrupted segment swap')
    fileSystem.rename(path, path.slice(0, -swapSuffix.length))
  }
  fileSystem.syncDirectorySync(directory)
}

function endOfSwap(fileSystem: FileSystem, directory: string, name: string): number {
  // Only the name differs from a segment's: read it under its own name through a scanner.
  const file = fileSystem.open(`${directory}/${name}`, 'read')
  try {
    const scanner = new BatchScanner(file, 'headers').start(0, file.size())
    let next = Number(name.slice(0, 20))
    while (scanner.next() === 'batch') next = scanner.view.nextOffset
    return next
  } finally {
    file.close()
  }
}

function openSegments(
  env: LogEnvironment & SegmentEnvironment,
  checkpoint: LogCheckpoint,
  found: readonly string[],
  segments: Segment[],
): void {
  const { fileSystem, directory } = env
  const names = new Set(found)
  for (const suffix of [offsetIndexSuffix, timeIndexSuffix, transactionIndexSuffix]) {
    for (const name of names) {
      const offset = offsetOfFileName(name, suffix)
      if (offset === undefined || names.has(segmentFileName(offset, logSuffix))) continue
      env.logger.warn({ file: `${directory}/${name}` }, 'removing an index without a segment')
      fileSystem.remove(`${directory}/${name}`)
    }
  }
  for (const name of [...names].sort()) {
    const offset = offsetOfFileName(name, logSuffix)
    if (offset === undefined) continue
    const segment = Segment.open(env, offset)
    segments.push(segment)
  }
  segments.forEach((segment, i) => {
    // Recovery makes the indexes of what it scans.
    const isScanned = !checkpoint.isClean && isSuspect(segments, i, checkpoint.recoveryPoint)
    if (!isScanned && segment.sizeBytes > 0 && !hasIndexes(names, segment)) segment.rebuildIndexes()
  })
}

/** Whether the segment at `index` may hold bytes, or have indexes, that are not durable. */
function isSuspect(segments: readonly Segment[], index: number, recoveryPoint: Offset): boolean {
  const next = segments[index + 1]
  // A segment that ends at the recovery point may have been sealed after that was written.
  return next === undefined || next.baseOffset >= recoveryPoint
}

function hasIndexes(names: ReadonlySet<string>, segment: Segment): boolean {
  return (
    names.has(segmentFileName(segment.baseOffset, offsetIndexSuffix)) &&
    names.has(segmentFileName(segment.baseOffset, timeIndexSuffix))
  )
}

function* recover(
  env: LogEnvironment,
  segments: SegmentList,
  epochs: LeaderEpochs,
  snapshots: ProducerStateFiles,
  { recoveryPoint, logStart, indexSeal, wholeFrames }: LogCheckpoint,
): Generator<number, Pick<LoadedLog, 'cut' | 'checkedBytes'>> {
  const all = [...segments]
  const suspects = all.filter((_, i) => isSuspect(all, i, recoveryPoint))
  for (const _ of suspects) segments.pop()
  const isDense = env.mayHaveGaps !== true
  // The unclean stop began a new epoch, in which nothing was written yet. A replicated log has its
  // epochs in the file before it has their first records.
  const latestEpoch = env.isReplicated === true ? epochs.latest : env.leaderEpoch - 1
  const maxLeaderEpoch = Math.max(0, latestEpoch)
  const rules = { trustedBelow: recoveryPoint, indexSeal, wholeFrames, isDense, maxLeaderEpoch }
  let expected: Offset | undefined
  // Snapshots past the recovery point may be torn or describe records that are gone.
  snapshots.removeAbove(Math.max(recoveryPoint, suspects[0]?.baseOffset ?? 0) as Offset)
  snapshots.removeTorn()
  let cut: LoadedLog['cut']
  let checkedBytes = 0
  for (const [i, segment] of suspects.entries()) {
    // A trim that a crash cut short leaves some of what lies below the start, perhaps with holes.
    const after = suspects[i + 1]
    if (after !== undefined && after.baseOffset <= logStart) {
      segments.push(segment)
      expected = undefined
      continue
    }
    if (cut === undefined && isDense && (expected ?? segment.baseOffset) !== segment.baseOffset) {
      const reason = `the segment before it ends at offset ${expected}`
      if ((expected as Offset) < recoveryPoint) throw segment.corruption(0, reason)
      cut = { path: segment.path, position: 0, bytes: segment.sizeBytes, reason }
    }
    if (cut !== undefined) {
      env.logger.warn(
        { file: segment.path, bytes: segment.sizeBytes },
        'dropping what follows a cut',
      )
      segment.delete()
      continue
    }
    const recovered = yield* recoverSegment(segment, rules, ({ leaderEpoch, baseOffset }) => {
      // The file may be older than a truncation, and begin an epoch where it began before that.
      if (leaderEpoch > epochs.epochOf(baseOffset)) epochs.note(leaderEpoch, baseOffset)
    })
    checkedBytes += recovered.checkedBytes
    if (segment.sizeBytes > 0 || !segment.hasEmptyIndexes) segment.saveIndexes()
    segments.push(segment)
    expected = recovered.nextOffset
    if (recovered.cut !== undefined) cut = { path: segment.path, ...recovered.cut }
  }
  if (cut !== undefined) env.fileSystem.syncDirectorySync(env.directory)
  epochs.cutEnd(segments.count === 0 ? (0 as Offset) : segments.active.findNextOffset())
  epochs.save()
  return { cut, checkedBytes }
}
