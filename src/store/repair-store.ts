/**
 * Repairs a data directory: takes out what is damaged, keeps every record that is whole under its
 * offset, and builds anew what can be derived.
 *
 * Order matters to a crash in the middle, after which everything is planned anew: a log's files come
 * before the table says that it has holes, because without that the next scrub still knows that any
 * hole is one to report; the checkpoints come last. The store's own log comes first, and what stands
 * in for its lost records enters it in the same rename that takes them out.
 */
import { silentLogger } from '../base/logger.ts'
import { booleanOption, functionOption, knownOptions, pathOption } from '../base/option-fields.ts'
import { drain } from '../base/steps.ts'
import type { Offset } from '../base/types.ts'
import { indexCheckpointFileName, writeSeals } from '../flush/index-checkpoint.ts'
import { journalFileName } from '../flush/journal.ts'
import { JournalReplay } from '../flush/journal-replay.ts'
import {
  logStartFileName,
  type OffsetsByLog,
  recoveryPointFileName,
  writeOffsets,
} from '../flush/offset-checkpoint.ts'
import { defaultLogSettings } from '../log/log-settings.ts'
import type { FileSystem } from '../platform/file-system.ts'
import { BatchBuilder } from '../record/batch-builder.ts'
import { assignOffset } from '../record/batch-view.ts'
import type { SegmentSettings } from '../segment/segment.ts'
import type { Finding } from './finding.ts'
import { finalEnd, type ScrubbedLog, scrubLog } from './log-scrub.ts'
import { readTopicId, rewriteMetaProperties } from './meta-properties.ts'
import type { LostRecords, PlannedAction, RepairAction } from './repair-action.ts'
import { hasHole, planLog, toRepair } from './repair-log.ts'
import { rewriteSegment } from './segment-repair.ts'
import { setAside, sideFilePath } from './side-file.ts'
import { type CheckProgress, inspectStore, type StoreInspection } from './store-inspection.ts'
import {
  metaPropertiesFileName,
  parseLogDirectoryName,
  partitionMetadataFileName,
  systemTopic,
} from './store-layout.ts'
import { leaderEpochKey, producerIdKey, topicPrefix } from './store-metadata.ts'
import type { TableCodecs } from './topic.ts'
import { TopicConfig } from './topic-config.ts'
import { fileSystemOption, withLock } from './verify-store.ts'

export type RepairOptions = {
  /** Change the directory. Default false: only say what would be done. */
  readonly apply?: boolean
  /** Called now and then; the event loop gets a turn after each call. */
  readonly onProgress?: (progress: CheckProgress) => void
  readonly fileSystem?: FileSystem
}

export type RepairReport = {
  /** The actions were done, not only planned. */
  readonly isApplied: boolean
  /** What was found before. */
  readonly findings: readonly Finding[]
  readonly actions: readonly RepairAction[]
  /** Records that no action brings back. */
  readonly lost: readonly LostRecords[]
  /** Damage that is there after the actions were done; without `apply`, that none deals with. */
  readonly remaining: readonly Finding[]
}

/**
 * Checks the data directory at `directory` as `verifyStore` does and plans what makes it whole again;
 * with `apply` it is done, and the directory is checked once more.
 *
 * Batches that are whole are kept, under their offsets. Bytes that are taken out go to side files,
 * `<file>.<position>.damaged`, which are durable before anything is removed. A log that lost records
 * has a hole from then on and says so in the store's table. A tail that was not durable before an
 * unclean stop is left to the next open, which cuts it. May be stopped at any moment and begun again.
 * Needs free space for one segment.
 *
 * @throws (rejects) StoreLockedError (the directory is in use), StoreFormatError (there is no such
 *         directory), StorageError, InvalidOptionError.
 */
export async function repairStore(
  directory: string | URL,
  options: RepairOptions = {},
): Promise<RepairReport> {
  knownOptions('repairStore', options, ['apply', 'onProgress', 'fileSystem'])
  const isApplied = booleanOption('apply', options.apply, { default: false })
  const path = pathOption('path', directory)
  const fileSystem = fileSystemOption(options.fileSystem)
  const onProgress = functionOption('onProgress', options.onProgress ?? (() => {}))
  return withLock(fileSystem, path, async () => {
    const inspect = () => inspectReadable(fileSystem, path, onProgress)
    let inspection = await inspect()
    const actions: RepairAction[] = []
    if (inspection.hasJournal) {
      actions.push(journalAction(path))
      if (isApplied && !isJournalWrong(inspection)) {
        const replay = await replayJournal(fileSystem, inspection)
        inspection = await inspect()
        finishJournal(fileSystem, inspection, replay)
        inspection = await inspect()
      }
    }
    const { findings } = inspection
    const planned = new RepairPlan(fileSystem, inspection).actions()
    actions.push(...planned.map(({ apply: _, ...said }) => said))
    const report = { isApplied, findings, actions, lost: lostRecords(findings) }
    if (!isApplied) return { ...report, remaining: unhandled(inspection) }
    for (const action of planned) {
      await action.apply()
      await new Promise((resolve) => setImmediate(resolve))
    }
    const after = await inspect()
    return { ...report, remaining: after.findings.filter(({ severity }) => severity === 'damage') }
  })
}

/** @throws StorageError a file cannot be read: what it holds may be whole, on another disk or another day. */
async function inspectReadable(
  fileSystem: FileSystem,
  path: string,
  onProgress: (progress: CheckProgress) => void,
): Promise<StoreInspection> {
  const inspection = await inspectStore(fileSystem, path, onProgress)
  const [unreadable] = inspection.unreadable
  if (unreadable !== undefined) throw unreadable
  return inspection
}

function lostRecords(findings: readonly Finding[]): LostRecords[] {
  const lost: LostRecords[] = []
  for (const { severity, kind, log, offsets } of findings) {
    if (severity !== 'damage' || kind !== 'records' || log === undefined) continue
    if (offsets !== undefined) lost.push({ log, ...offsets })
  }
  return lost
}

function isJournalWrong({ findings }: StoreInspection): boolean {
  return findings.some(({ severity, kind }) => severity === 'damage' && kind === 'journal')
}

/** Damage in logs whose segments are being replaced is left alone, and so is a foreign journal. */
function unhandled({ logs, systemLog, findings }: StoreInspection): Finding[] {
  const inSwap = [systemLog, ...logs].filter(({ isInSwap }) => isInSwap)
  return [
    ...findings.filter(({ kind, severity }) => severity === 'damage' && kind === 'journal'),
    ...inSwap.flatMap((log) => log.findings.filter(({ severity }) => severity === 'damage')),
  ]
}

function journalAction(path: string): RepairAction {
  const message = 'write back what the journal holds; what follows was planned without it'
  return { path: `${path}/${journalFileName}`, message, sideFiles: [] }
}

/** As opening the store does: what was durable in the journal only belongs to its logs. */
async function replayJournal(
  fileSystem: FileSystem,
  inspection: StoreInspection,
): Promise<JournalReplay> {
  const { path, table, logStarts } = inspection
  const replay = new JournalReplay(fileSystem, path)
  await replay.replayAll((name) => {
    const topic = parseLogDirectoryName(name)?.topic
    const found = readTopicId(fileSystem, `${path}/${name}/${partitionMetadataFileName}`)
    const known = table.topics.get(topic ?? '')?.id
    // A table that lost the topic does not mean that it was deleted: its directory has the id too.
    const topicId = topic === systemTopic ? '' : (known ?? (table.isWhole ? undefined : found))
    return { topicId, logStart: logStarts?.get(name) ?? (0 as Offset) }
  })
  return replay
}

/**
 * Removes the journal: it names places in segments that are about to be rewritten. It is also what
 * tells torn groups from whole ones, so what recovery would cut is cut before.
 */
function finishJournal(
  fileSystem: FileSystem,
  { logs, systemLog }: StoreInspection,
  replay: JournalReplay,
): void {
  for (const log of [systemLog, ...logs]) {
    for (const path of log.droppedPaths) {
      cutFile(fileSystem, path, 0)
      fileSystem.remove(path)
    }
    if (log.droppedPaths.length > 0) fileSystem.syncDirectorySync(log.directory)
    const last = log.segments.at(-1)
    const tail = last?.pieces.at(-1)
    if (last !== undefined && tail?.kind === 'unrecovered') {
      cutFile(fileSystem, last.path, tail.position)
    }
  }
  replay.finish(silentLogger)
}

/** Cuts a file, once what goes is in a side file. Durable on return. */
function cutFile(fileSystem: FileSystem, path: string, position: number): void {
  const sizeBytes = (fileSystem.stat(path)?.sizeBytes ?? position) - position
  if (sizeBytes > 0) setAside(fileSystem, { path, position, sizeBytes })
  const file = fileSystem.open(path, 'write')
  try {
    file.truncate(position)
    file.flushSync()
  } finally {
    file.close()
  }
}

/** Far more ids than are handed out between two records of the table. */
const producerIdMargin = 1_000_000

class RepairPlan {
  readonly #fileSystem: FileSystem
  readonly #found: StoreInspection

  constructor(fileSystem: FileSystem, found: StoreInspection) {
    this.#fileSystem = fileSystem
    this.#found = found
  }

  actions(): PlannedAction[] {
    const { logs } = this.#found
    return [
      ...this.#planTable(),
      ...logs.flatMap((log) => planLog(this.#fileSystem, log, this.#kindOf(log))),
      ...this.#planMarks(),
      ...this.#planProperties(),
      ...this.#planCheckpoints(),
    ]
  }

  #kindOf(log: ScrubbedLog): { settings: SegmentSettings; codecs: TableCodecs | undefined } {
    const topic = parseLogDirectoryName(log.name)?.topic ?? ''
    const entry = this.#found.table.topics.get(topic)
    return { settings: new TopicConfig(entry?.config ?? {}).settings, codecs: entry?.table }
  }

  /** The store's own log. Where records of it are lost, others stand in for what they may have said. */
  #planTable(): PlannedAction[] {
    const { systemLog, table } = this.#found
    const kind = { settings: defaultLogSettings, codecs: { key: 'string', value: 'json' } }
    const planned = planLog(this.#fileSystem, systemLog, kind)
    if (table.isWhole || systemLog.isInSwap) return planned
    const { leaderEpoch, producerIdLimit } = this.#standIns()
    const message =
      `take the damage out and note leader epoch ${leaderEpoch} and producer ids from ` +
      `${producerIdLimit} on; topics it lost are adopted with default settings`
    const records = [
      { key: leaderEpochKey, value: JSON.stringify({ value: leaderEpoch }) },
      { key: producerIdKey, value: JSON.stringify({ value: producerIdLimit }) },
    ]
    const standIn: PlannedAction = {
      path: systemLog.directory,
      message,
      sideFiles: planned.flatMap(({ sideFiles }) => sideFiles),
      apply: () => {
        this.#fileSystem.makeDirectory(systemLog.directory)
        this.#fileSystem.syncDirectorySync(this.#found.path)
        appendToTable(this.#fileSystem, systemLog, records)
      },
    }
    const last = systemLog.segments.at(-1)?.path
    // The last segment is rewritten by the append; a new one behind it is not needed then.
    const isDone = ({ path, message }: PlannedAction) =>
      path === last || (path === systemLog.directory && !message.startsWith('write a table'))
    const others = planned.filter((action) => !isDone(action))
    return [standIn, ...others]
  }

  /** An epoch and ids that are above all that any record shows. */
  #standIns(): { leaderEpoch: number; producerIdLimit: number } {
    const { table, largestEpoch, largestProducerId } = this.#found
    return {
      leaderEpoch: Math.max(table.leaderEpoch, largestEpoch) + 1,
      producerIdLimit: Math.max(table.producerIdLimit, largestProducerId) + producerIdMargin,
    }
  }

  /** Notes which topics have holes now. */
  #planMarks(): PlannedAction[] {
    const { logs, table, systemLog } = this.#found
    const topics = new Set<string>()
    for (const log of logs) {
      const topic = parseLogDirectoryName(log.name)?.topic ?? ''
      if (!log.mayHaveGaps && !log.isInSwap && hasHole(log)) topics.add(topic)
    }
    if (topics.size === 0 || systemLog.isInSwap) return []
    const records = Array.from(topics, (topic) => ({
      key: topicPrefix + topic,
      value: JSON.stringify({ ...table.topics.get(topic), hasHoles: true }),
    }))
    return [
      {
        path: systemLog.directory,
        message: `note that offsets are missing in ${[...topics].join(', ')}`,
        sideFiles: [],
        apply: () => appendToTable(this.#fileSystem, rescrub(this.#fileSystem, systemLog), records),
      },
    ]
  }

  #planProperties(): PlannedAction[] {
    if (!this.#found.arePropertiesWrong) return []
    const path = `${this.#found.path}/${metaPropertiesFileName}`
    const message =
      'write it anew with what can be read of it; a cluster id that cannot is a new one'
    return [
      this.#replacing(path, message, () => {
        rewriteMetaProperties(this.#fileSystem, this.#found.path)
      }),
    ]
  }

  #planCheckpoints(): PlannedAction[] {
    const { path, areSealsWrong } = this.#found
    const actions: PlannedAction[] = []
    const points = this.#recoveryPoints()
    if (!isSame(points, this.#found.recoveryPoints) || this.#changesEnds()) {
      const write = () => {
        // Read again: what was appended to the table moved its end.
        const ends = this.#recoveryPoints(true)
        writeOffsets(this.#fileSystem, path, recoveryPointFileName, ends)
      }
      const message = this.#found.isClean
        ? 'write where each log ends'
        : 'write an empty one: the next open checks every log from its start'
      actions.push(this.#replacing(`${path}/${recoveryPointFileName}`, message, write))
    }
    const starts = this.#logStarts()
    if (!isSame(starts, this.#found.logStarts)) {
      const write = () => writeOffsets(this.#fileSystem, path, logStartFileName, starts)
      const message = 'drop starts that cannot be: records that were trimmed may be readable again'
      actions.push(this.#replacing(`${path}/${logStartFileName}`, message, write))
    }
    if (areSealsWrong) {
      const write = () => writeSeals(this.#fileSystem, path, new Map())
      const message = 'remove it: recovery takes longer without it'
      actions.push(this.#replacing(`${path}/${indexCheckpointFileName}`, message, write))
    }
    return actions
  }

  /** After a clean stop, where every log ends; else what could be read. */
  #recoveryPoints(isAfter = false): OffsetsByLog {
    const { isClean, logs, systemLog, recoveryPoints } = this.#found
    const points: OffsetsByLog = new Map(recoveryPoints)
    if (!isClean) return points
    const system = isAfter && systemLog.exists ? rescrub(this.#fileSystem, systemLog) : systemLog
    for (const log of [system, ...logs]) {
      const end = finalEnd(log)
      if (end > 0 || points.has(log.name)) points.set(log.name, end)
    }
    return points
  }

  #changesEnds(): boolean {
    return this.#found.isClean && (this.#planMarks().length > 0 || !this.#found.table.isWhole)
  }

  #logStarts(): OffsetsByLog {
    const starts: OffsetsByLog = new Map(this.#found.logStarts)
    for (const log of this.#found.logs) {
      const start = starts.get(log.name)
      const hasRecords = log.segments.some(({ sizeBytes }) => sizeBytes > 0)
      if (start !== undefined && hasRecords && start > finalEnd(log)) starts.delete(log.name)
    }
    return starts
  }

  /** Replaces a small file, once what it held is in a side file, if that was wrong. */
  #replacing(path: string, message: string, write: () => void): PlannedAction {
    const isWrong = this.#found.findings.some(
      (finding) => finding.severity === 'damage' && finding.path === path,
    )
    const sizeBytes = isWrong ? this.#fileSystem.stat(path)?.sizeBytes : undefined
    const whole = { path, position: 0, sizeBytes: sizeBytes ?? 0 }
    return {
      path,
      message,
      sideFiles: sizeBytes === undefined ? [] : [sideFilePath(this.#fileSystem, whole)],
      apply: () => {
        if (sizeBytes !== undefined) setAside(this.#fileSystem, whole)
        write()
      },
    }
  }
}

function isSame(one: OffsetsByLog, other: OffsetsByLog | undefined): boolean {
  if (other === undefined || one.size !== other.size) return false
  return [...one].every(([log, offset]) => other.get(log) === offset)
}

/** As the log is now, whatever the checkpoint said of where it ended before. */
function rescrub(fileSystem: FileSystem, log: ScrubbedLog): ScrubbedLog {
  return drain(scrubLog(fileSystem, { ...log, recoveryPoint: undefined }))
}

/**
 * Rewrites the last segment of the store's own log without its damage, a tail that recovery would
 * cut included, and with one more batch of records behind it.
 */
function appendToTable(
  fileSystem: FileSystem,
  log: ScrubbedLog,
  records: readonly { readonly key: string; readonly value: string }[],
): void {
  const builder = new BatchBuilder({ codec: 'none' })
  builder.addAll(records, Date.now())
  const batch = builder.finish()
  const end = finalEnd(log)
  assignOffset(batch, 0, end, 0)
  const last = log.segments.at(-1) ?? { baseOffset: end, pieces: [] }
  const target = toRepair(log, last, defaultLogSettings)
  const takenOut = ['damaged', 'unrecovered'] as const
  rewriteSegment(fileSystem, target, { takenOut, appended: batch })
}
