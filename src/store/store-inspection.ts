/**
 * Reads a whole data directory, every byte of every log included, and says what is wrong with it.
 * Changes nothing. What verify reports and repair works from.
 *
 * The directory must be locked by the caller.
 */
import {
  CodecUnavailableError,
  type LogError,
  StorageError,
  StoreFormatError,
} from '../base/errors.ts'
import { silentLogger } from '../base/logger.ts'
import type { Offset } from '../base/types.ts'
import { indexCheckpointFileName, readSeals } from '../flush/index-checkpoint.ts'
import { journalFileName } from '../flush/journal.ts'
import { JournalReplay } from '../flush/journal-replay.ts'
import {
  logStartFileName,
  type OffsetsByLog,
  readOffsets,
  recoveryPointFileName,
} from '../flush/offset-checkpoint.ts'
import { readWholeFrames, wholeFramesFileName } from '../flush/whole-frames.ts'
import type { FileSystem } from '../platform/file-system.ts'
import { isOutOfDescriptors } from '../platform/storage-failure.ts'
import type { BatchView } from '../record/batch-view.ts'
import type { WholeFrames } from '../record/group-mark.ts'
import { RecordCursor } from '../record/record-cursor.ts'
import { logSuffix, offsetOfFileName } from '../segment/segment-file-name.ts'
import type { Finding } from './finding.ts'
import { type FoundDirectories, findLogDirectories } from './log-directories.ts'
import { type LogFacts, type ScrubbedLog, scrubLog } from './log-scrub.ts'
import { readMetaProperties } from './meta-properties.ts'
import {
  cleanShutdownFileName,
  logDirectoryName,
  metaPropertiesFileName,
  systemTopic,
} from './store-layout.ts'
import {
  deletedPrefix,
  leaderEpochKey,
  producerIdKey,
  type TopicEntry,
  topicPrefix,
} from './store-metadata.ts'
import { salvageSnapshot } from './table-scrub.ts'

/** How far a check of a data directory has come. */
export type CheckProgress = {
  /** Log being read, `<topic>-<partition>`. */
  readonly log: string
  readonly checkedBytes: number
  readonly totalBytes: number
}

export type StoreInspection = {
  readonly path: string
  /** The marker of a clean stop is there. */
  readonly isClean: boolean
  /** Writes wait in a journal until the store is opened. */
  readonly hasJournal: boolean
  /** Everything that was found, logs included. */
  readonly findings: readonly Finding[]
  /** Why logs are not among `logs`: a file of theirs cannot be read. */
  readonly unreadable: readonly LogError[]
  readonly logs: readonly ScrubbedLog[]
  readonly systemLog: ScrubbedLog
  readonly table: TableContent
  readonly arePropertiesWrong: boolean
  /** Undefined when the file cannot be read. */
  readonly recoveryPoints: OffsetsByLog | undefined
  readonly logStarts: OffsetsByLog | undefined
  readonly areCheckpointsWrong: boolean
  readonly areSealsWrong: boolean
  /** Largest producer id and leader epoch that any batch has; −1 for none. */
  readonly largestProducerId: number
  readonly largestEpoch: number
  readonly checkedBytes: number
}

/** The store's own table, as far as its records can be read. */
export type TableContent = {
  /** No record of it is damaged or missing. */
  readonly isWhole: boolean
  readonly topics: ReadonlyMap<string, TopicEntry>
  readonly leaderEpoch: number
  readonly producerIdLimit: number
  /** Ids of deleted topics whose files may still be there. */
  readonly deletedIds: ReadonlySet<string>
}

export async function inspectStore(
  fileSystem: FileSystem,
  path: string,
  onProgress: (progress: CheckProgress) => void,
): Promise<StoreInspection> {
  return new Inspection(fileSystem, path, onProgress).run()
}

class Inspection {
  readonly #fileSystem: FileSystem
  readonly #path: string
  readonly #onProgress: (progress: CheckProgress) => void
  readonly #findings: Finding[] = []
  readonly #unreadable: LogError[] = []
  readonly #entries = new Map<string, unknown>()
  readonly #records = new RecordCursor()
  /** Changes of the store's table below are in the snapshot that was read. */
  #tableFrom = 0 as Offset
  #largestProducerId = -1
  #largestEpoch = -1
  #checkedBytes = 0
  #totalBytes = 0

  constructor(fileSystem: FileSystem, path: string, onProgress: (progress: CheckProgress) => void) {
    this.#fileSystem = fileSystem
    this.#path = path
    this.#onProgress = onProgress
  }

  async run(): Promise<StoreInspection> {
    const stop = this.#readStop()
    const found = findLogDirectories(this.#fileSystem, this.#path, silentLogger)
    const arePropertiesWrong = this.#checkProperties()
    const recoveryPoints = this.#readCheckpoint(recoveryPointFileName)
    const logStarts = this.#readCheckpoint(logStartFileName)
    const areSealsWrong = this.#areSealsWrong()
    this.#totalBytes = this.#sizeOf(found)
    const wholeFrames = stop.isClean ? [] : this.#readWholeFrames(stop.hasJournal)
    const common = { isClean: stop.isClean, maxEpoch: Infinity, wholeFrames }
    const pointsOf = (name: string) => ({
      name,
      directory: `${this.#path}/${name}`,
      recoveryPoint: recoveryPoints?.get(name),
      logStart: logStarts?.get(name),
    })
    const system = logDirectoryName(systemTopic, 0)
    const systemFacts = { ...common, ...pointsOf(system), mayHaveGaps: true, topicId: undefined }
    if (found.hasSystemLog) this.#readTableSnapshot(systemFacts.directory)
    const systemLog = found.hasSystemLog
      ? await this.#scrub(systemFacts, (batch) => this.#readTable(batch))
      : await this.#missingSystemLog(systemFacts, found)
    const table = this.#tableContent(systemLog)
    const logs: ScrubbedLog[] = []
    for (const { topic, partition } of this.#partitions(found, table)) {
      const entry = table.topics.get(topic)
      const facts = {
        ...common,
        ...pointsOf(logDirectoryName(topic, partition)),
        mayHaveGaps: mayHaveGaps(entry),
        maxEpoch: isEpochBounded(entry, table) ? table.leaderEpoch : Infinity,
        topicId: entry?.id,
      }
      const log = await this.#scrubReadable(facts)
      if (log !== undefined) logs.push(log)
    }
    const all = [systemLog, ...logs]
    const areCheckpointsWrong = this.#checkCheckpoints(all, recoveryPoints, logStarts)
    return {
      path: this.#path,
      ...stop,
      findings: [...this.#findings, ...all.flatMap(({ findings }) => findings)],
      unreadable: this.#unreadable,
      logs,
      systemLog,
      table,
      arePropertiesWrong,
      recoveryPoints,
      logStarts,
      areCheckpointsWrong,
      areSealsWrong,
      largestProducerId: this.#largestProducerId,
      largestEpoch: this.#largestEpoch,
      checkedBytes: this.#checkedBytes,
    }
  }

  #add(severity: Finding['severity'], kind: Finding['kind'], name: string, message: string): void {
    this.#findings.push({ severity, kind, path: `${this.#path}/${name}`, message })
  }

  /** How the last process left the directory; the one place that knows what must come first. */
  #readStop(): { isClean: boolean; hasJournal: boolean } {
    const has = (name: string) => this.#fileSystem.stat(`${this.#path}/${name}`) !== undefined
    const isClean = has(cleanShutdownFileName)
    // After a clean stop it says nothing, and opening the store removes it.
    const hasJournal = !isClean && has(journalFileName)
    if (hasJournal) {
      const message =
        'holds durable writes that are not in the logs yet: opening the store puts them there'
      this.#add('note', 'not-recovered', journalFileName, message)
    }
    if (!isClean) {
      const message = 'the last stop was not clean: opening the store recovers it'
      this.#findings.push({ severity: 'note', kind: 'not-recovered', path: this.#path, message })
    }
    return { isClean, hasJournal }
  }

  /** What tells which atomic groups are torn; recovery asks the same. */
  #readWholeFrames(hasJournal: boolean): WholeFrames[] {
    const frames: WholeFrames[] = []
    let name = wholeFramesFileName
    try {
      frames.push(...readWholeFrames(this.#fileSystem, this.#path))
      name = journalFileName
      const last = hasJournal && new JournalReplay(this.#fileSystem, this.#path).lastFrame
      if (last) frames.push(last)
    } catch (error) {
      this.#addUnreadable(error, 'journal', name)
    }
    return frames
  }

  #checkProperties(): boolean {
    try {
      const meta = readMetaProperties(this.#fileSystem, this.#path)
      if (meta !== undefined) return false
      this.#add('damage', 'properties', metaPropertiesFileName, 'the file is missing')
    } catch (error) {
      this.#addUnreadable(error, 'properties', metaPropertiesFileName)
    }
    return true
  }

  #readCheckpoint(name: string): OffsetsByLog | undefined {
    try {
      return readOffsets(this.#fileSystem, this.#path, name)
    } catch (error) {
      this.#addUnreadable(error, 'checkpoint', name)
      return undefined
    }
  }

  #areSealsWrong(): boolean {
    try {
      readSeals(this.#fileSystem, this.#path)
      return false
    } catch (error) {
      this.#addUnreadable(error, 'checkpoint', indexCheckpointFileName)
      return true
    }
  }

  #addUnreadable(error: unknown, kind: Finding['kind'], name: string): void {
    if (!(error instanceof StoreFormatError)) throw error
    this.#add('damage', kind, name, error.message.slice(error.path.length + 2))
  }

  #sizeOf(found: FoundDirectories): number {
    let bytes = 0
    const names = [...(found.hasSystemLog ? [logDirectoryName(systemTopic, 0)] : [])]
    for (const [topic, { partitions }] of found.topics) {
      for (const partition of partitions) names.push(logDirectoryName(topic, partition))
    }
    for (const name of names) {
      for (const file of this.#fileSystem.readDirectory(`${this.#path}/${name}`)) {
        if (offsetOfFileName(file, logSuffix) === undefined) continue
        bytes += this.#fileSystem.stat(`${this.#path}/${name}/${file}`)?.sizeBytes ?? 0
      }
    }
    return bytes
  }

  /** Undefined, and a finding, when a file of the log cannot be read: others may be whole. */
  async #scrubReadable(facts: LogFacts): Promise<ScrubbedLog | undefined> {
    try {
      return await this.#scrub(facts, () => {})
    } catch (error) {
      if (!isAboutOneLog(error)) throw error
      const path = error instanceof StorageError ? error.path : facts.directory
      const message = error.message.replace(` ${path}`, '')
      this.#unreadable.push(error)
      this.#findings.push({
        severity: 'damage',
        kind: 'unreadable',
        path,
        log: facts.name,
        message,
      })
      return undefined
    }
  }

  async #scrub(facts: LogFacts, onBatch: (batch: BatchView) => void): Promise<ScrubbedLog> {
    const scrubbing = scrubLog(this.#fileSystem, facts, (batch) => {
      this.#largestProducerId = Math.max(this.#largestProducerId, batch.producerId)
      this.#largestEpoch = Math.max(this.#largestEpoch, batch.leaderEpoch)
      onBatch(batch)
    })
    for (;;) {
      const step = scrubbing.next()
      if (step.done === true) return step.value
      this.#checkedBytes += step.value
      const [checkedBytes, totalBytes] = [this.#checkedBytes, this.#totalBytes]
      this.#onProgress({ log: facts.name, checkedBytes, totalBytes })
      await new Promise((resolve) => setImmediate(resolve))
    }
  }

  /** Without a table the topics on disk are adopted, unless the checkpoint knows of a table. */
  async #missingSystemLog(facts: LogFacts, found: FoundDirectories): Promise<ScrubbedLog> {
    const scrubbed = await this.#scrub(facts, () => {})
    if (facts.recoveryPoint !== undefined) return scrubbed
    if (found.topics.size > 0) {
      this.#add('note', 'table', facts.name, 'no table yet: opening the store adopts its topics')
    }
    return { ...scrubbed, findings: [] }
  }

  /** The newest snapshot of the store's table, or what can be read of it when none is whole. */
  #readTableSnapshot(directory: string): void {
    const salvaged = salvageSnapshot(this.#fileSystem, directory)
    if (salvaged === undefined) return
    this.#tableFrom = salvaged.offset
    for (const [key, value] of salvaged.entries) this.#setEntry(key.toString(), value)
  }

  #setEntry(key: string, value: Buffer | null): void {
    if (value === null) {
      this.#entries.delete(key)
      return
    }
    try {
      this.#entries.set(key, JSON.parse(value.toString()))
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error
      this.#add('damage', 'table', logDirectoryName(systemTopic, 0), `${key} is not JSON`)
    }
  }

  #readTable(batch: BatchView): void {
    if (batch.lastOffset < this.#tableFrom) return
    this.#records.open(batch.bytes, batch.position)
    while (this.#records.next()) {
      const key = this.#records.key()?.toString()
      if (key !== undefined) this.#setEntry(key, this.#records.value())
    }
  }

  #tableContent(systemLog: ScrubbedLog): TableContent {
    const topics = new Map<string, TopicEntry>()
    const deletedIds = new Set<string>()
    for (const [key, value] of this.#entries) {
      if (key.startsWith(topicPrefix))
        topics.set(key.slice(topicPrefix.length), value as TopicEntry)
      if (key.startsWith(deletedPrefix)) deletedIds.add(key.slice(deletedPrefix.length))
    }
    const numberOf = (key: string) => (this.#entries.get(key) as { value?: number })?.value ?? 0
    const isWhole =
      systemLog.findings.every(({ kind }) => kind !== 'records') && !systemLog.isTableIncomplete
    return {
      topics,
      deletedIds,
      isWhole,
      leaderEpoch: numberOf(leaderEpochKey),
      producerIdLimit: numberOf(producerIdKey),
    }
  }

  /** Partitions on disk and in the table, without those of deleted topics. */
  #partitions(
    found: FoundDirectories,
    table: TableContent,
  ): { topic: string; partition: number }[] {
    const all: { topic: string; partition: number }[] = []
    for (const topic of new Set([...found.topics.keys(), ...table.topics.keys()])) {
      const onDisk = found.topics.get(topic)
      if (onDisk?.id !== undefined && table.deletedIds.has(onDisk.id)) continue
      const partitions = new Set(onDisk?.partitions)
      for (let i = 0; i < (table.topics.get(topic)?.partitions ?? 0); i++) partitions.add(i)
      for (const partition of [...partitions].sort((a, b) => a - b)) all.push({ topic, partition })
    }
    return all
  }

  /** After a clean stop every recovery point is the end of its log. */
  #checkCheckpoints(
    logs: readonly ScrubbedLog[],
    recoveryPoints: OffsetsByLog | undefined,
    logStarts: OffsetsByLog | undefined,
  ): boolean {
    let isWrong = recoveryPoints === undefined || logStarts === undefined
    for (const { name, isClean, recoveryPoint, logStart, endOffset, segments } of logs) {
      if (isClean && recoveryPoints !== undefined && endOffset > (recoveryPoint ?? 0)) {
        isWrong = true
        const said = recoveryPoint === undefined ? 'is not in it' : `is at ${recoveryPoint} in it`
        const message = `${name} ${said}, but ends at ${endOffset}`
        this.#add('damage', 'checkpoint', recoveryPointFileName, message)
      }
      const end = Math.max(endOffset, recoveryPoint ?? 0)
      if (logStart === undefined) continue
      if (logStart > end && segments.some(({ sizeBytes }) => sizeBytes > 0)) {
        isWrong = true
        const message = `${name} begins at ${logStart} in it, but ends at ${end}`
        this.#add('damage', 'checkpoint', logStartFileName, message)
      } else if (isClean && (segments[1]?.baseOffset ?? Infinity) <= logStart) {
        const message = `${name} begins at ${logStart} in it: segments below are kept until a trim`
        this.#add('note', 'checkpoint', logStartFileName, message)
      }
    }
    return isWrong
  }
}

/** What keeps one log from being read, and says nothing of the others. */
function isAboutOneLog(error: unknown): error is StorageError | CodecUnavailableError {
  if (error instanceof StorageError) return !isOutOfDescriptors(error)
  return error instanceof CodecUnavailableError
}

/** Whether the store's epoch bounds those of a topic's logs. */
function isEpochBounded(entry: TopicEntry | undefined, table: TableContent): boolean {
  return entry !== undefined && table.isWhole && entry.isReplicated !== true
}

function mayHaveGaps(entry: TopicEntry | undefined): boolean {
  if (entry === undefined || entry.isAdopted === true || entry.hasHoles === true) return true
  return entry.config['cleanup.policy']?.split(',').includes('compact') === true
}
