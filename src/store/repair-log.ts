/**
 * Plans the repair of one log from what a scrub found.
 *
 * Damaged batches go to side files and leave a hole: every batch that is left keeps its offsets, and
 * where the end was lost the log goes on behind it, so that no offset is given out twice.
 */
import type { Offset } from '../base/types.ts'
import { LeaderEpochs, leaderEpochFileName } from '../log/leader-epochs.ts'
import type { FileSystem } from '../platform/file-system.ts'
import type { SegmentSettings } from '../segment/segment.ts'
import type { Piece } from '../segment/segment-scrub.ts'
import { finalEnd, type ScrubbedLog, type SegmentFacts } from './log-scrub.ts'
import { writeTopicId } from './meta-properties.ts'
import type { PlannedAction } from './repair-action.ts'
import {
  makeSegment,
  rebuildIndexes,
  removeSegment,
  rewriteSegment,
  type SegmentToRepair,
} from './segment-repair.ts'
import { setAside, sideFilePath } from './side-file.ts'
import { partitionMetadataFileName } from './store-layout.ts'
import { rewriteTable } from './table-repair.ts'
import type { TableCodecs } from './topic.ts'

export function planLog(
  fileSystem: FileSystem,
  log: ScrubbedLog,
  { settings, codecs }: { settings: SegmentSettings; codecs: TableCodecs | undefined },
): PlannedAction[] {
  // Its segments are about to be replaced: which ones count is for the store to finish first.
  if (log.isInSwap) return []
  return [
    ...planDirectory(fileSystem, log),
    ...planTail(fileSystem, log),
    ...log.segments.flatMap((segment) => planSegment(fileSystem, log, segment, settings)),
    ...planDerived(fileSystem, log),
    ...planTable(fileSystem, log, codecs),
  ]
}

/** Offsets are, or will be, missing inside the log. */
export function hasHole(log: ScrubbedLog): boolean {
  const isHole = ({ kind }: Piece) => kind === 'damaged' || kind === 'missing'
  return (
    log.findings.some(({ severity, kind }) => severity === 'damage' && kind === 'records') ||
    log.segments.some(({ pieces }) => pieces.some(isHole))
  )
}

/** Records end below the offset at which the log goes on. */
function endsEarly(log: ScrubbedLog): boolean {
  return log.endOffset < finalEnd(log)
}

function planDirectory(fileSystem: FileSystem, log: ScrubbedLog): PlannedAction[] {
  if (log.exists) return []
  const { directory } = log
  return [
    {
      path: directory,
      message: 'make the directory anew, empty',
      sideFiles: [],
      apply: () => {
        fileSystem.makeDirectory(directory)
        fileSystem.syncDirectorySync(directory.slice(0, directory.lastIndexOf('/')))
      },
    },
  ]
}

function planTail(fileSystem: FileSystem, log: ScrubbedLog): PlannedAction[] {
  if (!endsEarly(log)) return []
  const next = finalEnd(log)
  return [
    {
      path: log.directory,
      message: `go on at offset ${next}, in a new segment`,
      sideFiles: [],
      apply: () => makeSegment(fileSystem, log.directory, next),
    },
  ]
}

function planSegment(
  fileSystem: FileSystem,
  log: ScrubbedLog,
  segment: SegmentFacts,
  settings: SegmentSettings,
): PlannedAction[] {
  const target = toRepair(log, segment, settings)
  const { path, pieces } = segment
  const damaged = pieces.filter(({ kind }) => kind === 'damaged')
  const healed = pieces.filter(({ kind }) => kind === 'healed')
  if (damaged.length === 0 && healed.length === 0) {
    if (!segment.areIndexesWrong) return []
    const apply = () => rebuildIndexes(fileSystem, target)
    return [{ path, message: 'build both indexes anew', sideFiles: [], apply }]
  }
  const sideFiles = damaged.map(({ position, sizeBytes }) =>
    sideFilePath(fileSystem, { path, position, sizeBytes }),
  )
  const isLast = segment === log.segments.at(-1)
  if (damaged.length === pieces.length && (!isLast || endsEarly(log))) {
    const message = `take the segment out: nothing of its ${segment.sizeBytes} bytes is whole`
    return [{ path, message, sideFiles, apply: () => removeSegment(fileSystem, target) }]
  }
  const apply = () => rewriteSegment(fileSystem, target, { takenOut: ['damaged'] })
  return [{ path, message: rewriteText(damaged, healed), sideFiles, apply }]
}

function rewriteText(damaged: readonly Piece[], healed: readonly Piece[]): string {
  const parts: string[] = []
  if (damaged.length > 0) {
    const bytes = damaged.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
    const places = damaged.map(({ position }) => position).join(', ')
    parts.push(`take ${bytes} damaged bytes out (at ${places})`)
  }
  if (healed.length > 0) {
    const places = healed.map(({ position }) => position).join(', ')
    parts.push(
      `correct ${healed.length} batch header${healed.length > 1 ? 's' : ''} (at ${places})`,
    )
  }
  return `${parts.join(', ')} and build the indexes anew`
}

export function toRepair(
  log: ScrubbedLog,
  { baseOffset, pieces }: { readonly baseOffset: Offset; readonly pieces: readonly Piece[] },
  settings: SegmentSettings,
): SegmentToRepair {
  // What is left may have holes, whether the log might have had any before or not.
  return { directory: log.directory, baseOffset, pieces, settings, mayHaveGaps: true }
}

/** Files that the batches, or the store's table, say better. */
function planDerived(fileSystem: FileSystem, log: ScrubbedLog): PlannedAction[] {
  const actions: PlannedAction[] = []
  const { directory, topicId } = log
  if (log.areEpochsWrong) {
    actions.push({
      path: `${directory}/${leaderEpochFileName}`,
      message: 'write the leader epochs anew, from the batches',
      sideFiles: [],
      apply: () => writeEpochs(fileSystem, log),
    })
  }
  for (const path of log.wrongSnapshots) {
    const message = 'take the snapshot out: opening the log reads its producers from the batches'
    actions.push(takeOut(fileSystem, path, message))
  }
  if (topicId !== undefined && (log.isTopicIdWrong || !log.exists)) {
    const path = `${directory}/${partitionMetadataFileName}`
    actions.push({
      path,
      message: `write the topic id ${topicId} of the store's table`,
      sideFiles: [],
      apply: () => {
        writeTopicId(fileSystem, path, topicId)
        fileSystem.syncDirectorySync(directory)
      },
    })
  }
  return actions
}

/** Moves a whole file aside. */
function takeOut(fileSystem: FileSystem, path: string, message: string): PlannedAction {
  const whole = { path, position: 0, sizeBytes: fileSystem.stat(path)?.sizeBytes ?? 0 }
  return {
    path,
    message,
    sideFiles: [sideFilePath(fileSystem, whole)],
    apply: () => {
      setAside(fileSystem, whole)
      fileSystem.remove(path)
      fileSystem.syncDirectorySync(path.slice(0, path.lastIndexOf('/')))
    },
  }
}

/** Snapshots of a table: one that is damaged goes, once another says what it said, or what is left. */
function planTable(
  fileSystem: FileSystem,
  log: ScrubbedLog,
  codecs: TableCodecs | undefined,
): PlannedAction[] {
  const actions: PlannedAction[] = []
  if (log.isTableIncomplete) {
    actions.push({
      path: log.directory,
      message: 'write a table snapshot of what can be read; keys in damaged blocks are lost',
      sideFiles: [],
      apply: () => rewriteTable(fileSystem, log, codecs),
    })
  }
  for (const { path } of log.tableSnapshots.damaged) {
    actions.push(takeOut(fileSystem, path, 'take the table snapshot out'))
  }
  return actions
}

function writeEpochs(fileSystem: FileSystem, log: ScrubbedLog): void {
  const epochs = new LeaderEpochs({ fileSystem, directory: log.directory })
  for (const { epoch, startOffset } of log.epochs) epochs.note(epoch, startOffset)
  epochs.save({ always: true })
}
