/**
 * Reads what a crash left in the redo journal and writes it where it belongs.
 *
 * Frames are read in the order of their numbers up to the first that is not whole: nothing behind it
 * was acknowledged. Writes that a later truncation voided are dropped or cut short. Replaying twice
 * is the same as once, because every record says what stands where. When all of it is durable in the
 * segments, the journal is removed.
 */
import { forEachLimited } from '../base/for-each-limited.ts'
import type { Logger } from '../base/logger.ts'
import type { Offset } from '../base/types.ts'
import { kibibyte } from '../base/units.ts'
import type { File, FileSystem } from '../platform/file-system.ts'
import type { GroupMark, WholeFrames } from '../record/group-mark.ts'
import { logSuffix, segmentFileName } from '../segment/segment-file-name.ts'
import { journalFileName } from './journal.ts'
import {
  decodeRecords,
  decodeRegionHeader,
  frameSizeAt,
  journalPageBytes,
  minRegionBytes,
  paddedToPage,
  type RedoRecord,
  type RegionHeader,
  recordKinds,
} from './journal-format.ts'

/** Which writes are still wanted. */
export type ReplayRule = {
  /** Id of the topic that has this directory now; undefined when none has. */
  readonly topicId: string | undefined
  /** Records below are trimmed away, and their segments may be gone. */
  readonly logStart: Offset
}

export class JournalReplay {
  readonly #fileSystem: FileSystem
  readonly #directory: string
  readonly #recordsByLog = new Map<string, RedoRecord[]>()
  readonly #isThere: boolean
  #replayedBytes = 0
  #lastFrame: GroupMark | undefined
  readonly #takenBack: number[] = []

  /** Reads the journal of a data directory, if there is one. @throws StorageError, StoreFormatError */
  constructor(fileSystem: FileSystem, directory: string) {
    this.#fileSystem = fileSystem
    this.#directory = directory
    this.#isThere = fileSystem.stat(this.#path) !== undefined
    if (!this.#isThere) return
    const reading = readJournal(fileSystem, this.#path)
    for (let step = reading.next(); ; step = reading.next()) {
      if (step.done === true) {
        this.#lastFrame = step.value
        return
      }
      this.#note(step.value)
    }
  }

  get #path(): string {
    return `${this.#directory}/${journalFileName}`
  }

  /** Directories of the logs that have records here. */
  get logs(): string[] {
    return [...this.#recordsByLog.keys()]
  }

  /** Which groups count: those of whole frames. Undefined when there was no journal. */
  get lastFrame(): WholeFrames | undefined {
    const last = this.#lastFrame
    return last === undefined ? undefined : { ...last, takenBack: this.#takenBack }
  }

  /** Bytes written back so far. */
  get replayedBytes(): number {
    return this.#replayedBytes
  }

  #note(record: RedoRecord): void {
    const { directoryName } = record
    if (record.kind === recordKinds.takenBack) {
      this.#takenBack.push(record.baseOffset)
      return
    }
    const known = this.#recordsByLog.get(directoryName) ?? []
    if (record.kind === recordKinds.write) known.push(record)
    this.#recordsByLog.set(
      directoryName,
      record.kind === recordKinds.cut ? withoutCut(known, record) : known,
    )
  }

  /**
   * Writes back what `ruleOf` wants of every log that is left, durably; the syncs of some logs at a time
   * go through the thread pool. @throws (rejects) the first StorageError.
   */
  replayAll(ruleOf: (directoryName: string) => ReplayRule): Promise<void> {
    return forEachLimited(this.logs, this.#fileSystem.syncsAtOnce, (name) => {
      return this.replay(name, ruleOf(name))
    })
  }

  /** Writes back the records of one log that `rule` wants, durably. @throws (rejects) StorageError. */
  async replay(directoryName: string, rule: ReplayRule): Promise<void> {
    const records = this.#recordsByLog.get(directoryName) ?? []
    this.#recordsByLog.delete(directoryName)
    const bySegment = new Map<Offset, RedoRecord[]>()
    for (const record of records) {
      if (record.topicId !== rule.topicId) continue
      const known = bySegment.get(record.baseOffset) ?? []
      known.push(record)
      bySegment.set(record.baseOffset, known)
    }
    if (bySegment.size === 0) return
    const directory = `${this.#directory}/${directoryName}`
    this.#fileSystem.makeDirectory(directory)
    for (const [baseOffset, ofSegment] of bySegment) {
      const path = `${directory}/${segmentFileName(baseOffset, logSuffix)}`
      // Trimming deletes whole segments: what is left of one is replayed as a whole, or not at all.
      const isTrimmed = ofSegment.every(({ endOffset }) => endOffset <= rule.logStart)
      if (isTrimmed && this.#fileSystem.stat(path) === undefined) continue
      await this.#write(path, ofSegment)
    }
    await this.#fileSystem.syncDirectory(directory)
  }

  async #write(path: string, records: readonly RedoRecord[]): Promise<void> {
    const file = this.#fileSystem.open(path, 'open-or-create')
    try {
      for (const { position, data } of runsOf(records)) {
        file.write(data, position)
        this.#replayedBytes += data.length
      }
      await file.flush()
    } finally {
      file.close()
    }
  }

  /** Removes the journal, durably: all that is wanted of it stands in the segments. */
  finish(logger: Logger): void {
    if (!this.#isThere) return
    if (this.#replayedBytes > 0) {
      logger.info({ bytes: this.#replayedBytes }, 'wrote back what the journal held')
    }
    removeJournal(this.#fileSystem, this.#directory)
  }
}

/** The same bytes with those that follow each other in one piece: a write each costs more than the copy. */
function* runsOf(records: readonly RedoRecord[]): Generator<{ position: number; data: Buffer }> {
  let run: Buffer[] = []
  let start = 0
  let end = 0
  for (const { position, data } of records) {
    if (position !== end || end - start > maxRunBytes) {
      if (run.length > 0) yield { position: start, data: Buffer.concat(run) }
      run = []
      start = end = position
    }
    run.push(data)
    end += data.length
  }
  if (run.length > 0) yield { position: start, data: Buffer.concat(run) }
}

const maxRunBytes = 256 * kibibyte

/** Removes the journal file, durably, if it is there. */
export function removeJournal(fileSystem: FileSystem, directory: string): void {
  const path = `${directory}/${journalFileName}`
  if (fileSystem.stat(path) === undefined) return
  fileSystem.remove(path)
  fileSystem.syncDirectorySync(directory)
}

/**
 * Every record of the journal at `path`, in the order they were written.
 * @returns its last whole frame, or undefined when it never held a header.
 */
export function* readJournal(
  fileSystem: FileSystem,
  path: string,
): Generator<RedoRecord, GroupMark | undefined> {
  const file = fileSystem.open(path, 'read')
  try {
    const regions: { start: number; header: RegionHeader }[] = []
    const page = Buffer.alloc(journalPageBytes)
    const first = readHeader(file, path, 0, page)
    // Both headers tell the size of a region; the first may never have been written whole.
    const regionBytes = first?.regionBytes ?? Math.floor(file.size() / 2)
    if (first !== undefined) regions.push({ start: 0, header: first })
    const second = readHeader(file, path, regionBytes, page)
    if (second !== undefined) regions.push({ start: regionBytes, header: second })
    regions.sort((one, other) => one.header.firstSequence - other.header.firstSequence)
    let next: number | undefined
    let last: GroupMark | undefined
    for (const { header } of regions) {
      // Frames below were written back: they count as whole, the others when they are found.
      const { journalId, firstSequence, isFree } = header
      if (isFree) last = { journalId, sequence: firstSequence - 1 }
    }
    for (const { start, header } of regions) {
      if (header.isFree) continue
      // No frame may be missing between two regions. A region that is written again is no region
      // before that: its old header went for good when it became free.
      if (next !== undefined && header.firstSequence !== next) break
      const bytes = Buffer.allocUnsafeSlow(regionBytes)
      const count = file.read(bytes, start)
      next = yield* readRegion(bytes.subarray(0, count), header.firstSequence)
      const sequence = Math.max(next - 1, last?.sequence ?? 0)
      last = { journalId: header.journalId, sequence }
    }
    return last
  } finally {
    file.close()
  }
}

function readHeader(
  file: File,
  path: string,
  position: number,
  page: Buffer,
): RegionHeader | undefined {
  const count = file.read(page, position)
  const header = decodeRegionHeader(page.subarray(0, count), path)
  const isUsable =
    header !== undefined && header.regionBytes >= minRegionBytes && header.firstSequence >= 1
  return isUsable ? header : undefined
}

/** @returns the number of the frame that would come next. */
function* readRegion(bytes: Buffer, firstSequence: number): Generator<RedoRecord, number> {
  let sequence = firstSequence
  let at = journalPageBytes
  for (;;) {
    const size = frameSizeAt(bytes, at, sequence)
    if (size === undefined) return sequence
    yield* decodeRecords(bytes, at, at + size)
    at += paddedToPage(size)
    sequence++
  }
}

/** What is left of earlier writes of a log once it was truncated at the place of `cut`. */
function withoutCut(records: readonly RedoRecord[], cut: RedoRecord): RedoRecord[] {
  const left: RedoRecord[] = []
  for (const record of records) {
    if (record.topicId !== cut.topicId || record.baseOffset < cut.baseOffset) left.push(record)
    else if (record.baseOffset === cut.baseOffset && record.position < cut.position) {
      const room = cut.position - record.position
      if (record.data.length <= room) left.push(record)
      else left.push({ ...record, data: record.data.subarray(0, room), endOffset: cut.endOffset })
    }
  }
  return left
}
