/**
 * The producer snapshots of one log: which exist, which may go, and the state they give together
 * with a replay of the batches after them.
 */
import { CorruptBatchError, CorruptionError } from '../base/errors.ts'
import type { Offset } from '../base/types.ts'
import { mebibyte } from '../base/units.ts'
import { isGone } from '../platform/storage-failure.ts'
import type { Segment } from '../segment/segment.ts'
import { offsetOfFileName, segmentFileName, snapshotSuffix } from '../segment/segment-file-name.ts'
import type { SegmentList } from '../segment/segment-list.ts'
import type { LogHome } from './log-environment.ts'
import { readSnapshot, writeSnapshot } from './producer-snapshot.ts'
import { ProducerState } from './producer-state.ts'

export class ProducerStateFiles {
  readonly #home: LogHome
  /** Kept, because the directory names every file of every segment; undefined: to be read again. */
  #offsets: readonly Offset[] | undefined

  constructor(home: LogHome) {
    this.#home = home
  }

  /** Offsets that have a snapshot, ascending. */
  offsets(): readonly Offset[] {
    this.#offsets ??= this.#readOffsets()
    return this.#offsets
  }

  #readOffsets(): readonly Offset[] {
    const offsets: Offset[] = []
    for (const name of this.#home.fileSystem.readDirectory(this.#home.directory)) {
      const offset = offsetOfFileName(name, snapshotSuffix)
      if (offset !== undefined) offsets.push(offset)
    }
    return offsets.length === 0 ? noOffsets : offsets.sort((a, b) => a - b)
  }

  /**
   * State at `logEnd`: the newest readable snapshot at or below it, then the batches after it.
   * Cost: the headers between snapshot and log end, and those of the last `recalledBytes`.
   * Snapshots outside `(logStart, logEnd]` go.
   */
  rebuild(segments: SegmentList, logStart: Offset, logEnd: Offset): ProducerState {
    const state = new ProducerState(logStart)
    for (const offset of [...this.offsets()].reverse()) {
      const isOutside = offset > logEnd || offset <= logStart
      const producers = isOutside
        ? undefined
        : readSnapshot(this.#home.fileSystem, this.#path(offset))
      if (producers === undefined) {
        this.#remove(offset)
        continue
      }
      for (const producer of producers) state.load(producer)
      state.endOffset = offset
      break
    }
    replay(state, segments)
    if (state.producerCount > 0) recallBatches(state, segments)
    state.endOffset = logEnd
    return state
  }

  /**
   * Writes the snapshot of `state`, named by its end offset. One without producers too, so that nobody
   * looks for them in what is before it; but not of a log so short that this costs less than the file.
   */
  save(state: ProducerState, segments: SegmentList): void {
    if (!this.isDue(state, segments)) return
    const { endOffset } = state
    const others = this.offsets().filter((offset) => offset !== endOffset)
    // Whether it is there is not known when this fails.
    this.#offsets = undefined
    writeSnapshot(this.#home.fileSystem, this.#path(endOffset), state.entries())
    this.#offsets = [...others, endOffset].sort((a, b) => a - b)
  }

  /** Whether there is anything that a snapshot of `state` would save the next open. */
  isDue(state: ProducerState, segments: SegmentList): boolean {
    if (state.producerCount > 0 || this.offsets().length > 0) return true
    let logBytes = 0
    for (const { sizeBytes } of segments) logBytes += sizeBytes
    return logBytes >= replayedBytes
  }

  /** Removes snapshots that no segment begins at, but for the newest one. */
  prune(segments: SegmentList): void {
    for (const path of this.giveUpOld(segments)) this.#unlink(path)
  }

  /** The same for who removes their files: one that stays goes with the next open or `prune`. */
  giveUpOld(segments: SegmentList): string[] {
    const offsets = this.offsets()
    if (offsets.length <= 1) return []
    const bases = new Set(Array.from(segments, (segment) => segment.baseOffset))
    const isOld = (offset: Offset, i: number) => i < offsets.length - 1 && !bases.has(offset)
    this.#offsets = offsets.filter((offset, i) => !isOld(offset, i))
    return offsets.filter(isOld).map((offset) => this.#path(offset))
  }

  removeAbove(offset: Offset): void {
    for (const found of this.offsets()) if (found > offset) this.#remove(found)
  }

  /**
   * Snapshots are written in place and synced by nobody, so that a crash may tear any. Without one
   * that is torn the one before it counts. Costs a small read for each.
   */
  removeTorn(): void {
    for (const found of this.offsets()) {
      if (readSnapshot(this.#home.fileSystem, this.#path(found)) === undefined) this.#remove(found)
    }
  }

  removeAll(): void {
    for (const found of this.offsets()) this.#remove(found)
  }

  #path(offset: Offset): string {
    return `${this.#home.directory}/${segmentFileName(offset, snapshotSuffix)}`
  }

  #remove(offset: Offset): void {
    const others = this.offsets().filter((other) => other !== offset)
    this.#offsets = undefined
    this.#unlink(this.#path(offset))
    this.#offsets = others.length === 0 ? noOffsets : others
  }

  /** One that is gone already is fine: it may have been given up, and then found in the directory again. */
  #unlink(path: string): void {
    try {
      this.#home.fileSystem.remove(path)
    } catch (error) {
      if (!isGone(error)) throw error
    }
  }
}

/** A log shorter than this, without producers, is read through when it is opened: there may be many. */
const replayedBytes = mebibyte

/** Shared: most logs have no snapshot. */
const noOffsets: readonly Offset[] = []

/**
 * How much of the log's end is looked through for batches that snapshots leave out: enough for the
 * five largest batches of a default topic, and more of common ones.
 */
const recalledBytes = 8 * mebibyte

/**
 * A snapshot keeps only the last batch of each producer, but what a client had in flight at a
 * restart may be five. The others, when they are recent, still stand at the end of the log.
 */
function recallBatches(state: ProducerState, segments: SegmentList): void {
  const recalled = new ProducerState(state.endOffset)
  for (const { segment, position } of tailOf(segments)) {
    noteBatches(recalled, segment, position)
  }
  for (const entry of state.entries()) {
    const found = recalled.get(entry.producerId)
    const isSame =
      found?.epoch === entry.epoch &&
      found.batches.at(-1)?.lastOffset === entry.batches.at(-1)?.lastOffset
    if (isSame && found.batches.length > entry.batches.length) entry.batches = found.batches
  }
}

/** Where the last `recalledBytes` begin: in the active segment, and in the one before it. */
function tailOf(segments: SegmentList): { segment: Segment; position: number }[] {
  const { active } = segments
  const position = active.borderAtOrBelow(Math.max(active.sizeBytes - recalledBytes, 0))
  const tail = [{ segment: active, position }]
  const previous = segments.floor((active.baseOffset - 1) as Offset)
  const missing = recalledBytes - active.sizeBytes
  if (previous !== undefined && missing > 0) {
    const start = previous.borderAtOrBelow(Math.max(previous.sizeBytes - missing, 0))
    tail.unshift({ segment: previous, position: start })
  }
  return tail
}

function replay(state: ProducerState, segments: SegmentList): void {
  for (const segment of segments) {
    const next = segments.after(segment)
    if (next !== undefined && next.baseOffset <= state.endOffset) continue
    noteBatches(state, segment, placeOf(segment, state.endOffset))
  }
}

function placeOf(segment: Segment, offset: Offset): number | undefined {
  try {
    return segment.locate(offset)?.position
  } catch (error) {
    if (error instanceof CorruptionError) return undefined
    throw error
  }
}

/**
 * Notes the batches from `position` on, up to one whose header is damaged: readers are told of that
 * one, and what is remembered of producers must not keep the other records from being read.
 */
function noteBatches(state: ProducerState, segment: Segment, position: number | undefined): void {
  if (position === undefined) return
  const scanner = segment.scan('headers', position)
  try {
    while (scanner.next() === 'batch') state.note(scanner.view)
  } catch (error) {
    if (!(error instanceof CorruptBatchError)) throw error
  }
}
