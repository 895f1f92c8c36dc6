/**
 * Replaces one segment by what a scrub found good in it. Safe against a crash at any moment: what
 * is taken out is durable in side files first, the new file takes the place of the old one by a
 * rename, and indexes are removed before, because they would name places in the old one.
 */
import { systemClock } from '../base/clock.ts'
import type { Offset } from '../base/types.ts'
import type { File, FileSystem } from '../platform/file-system.ts'
import { Segment, type SegmentSettings } from '../segment/segment.ts'
import {
  cleanedSuffix,
  logSuffix,
  offsetIndexSuffix,
  segmentFileName,
  timeIndexSuffix,
} from '../segment/segment-file-name.ts'
import { SegmentFiles } from '../segment/segment-files.ts'
import type { Piece } from '../segment/segment-scrub.ts'
import { copyStretch, setAside } from './side-file.ts'

/** A segment, or the place for one. */
export type SegmentToRepair = {
  readonly directory: string
  readonly baseOffset: Offset
  readonly pieces: readonly Piece[]
  readonly settings: SegmentSettings
  readonly mayHaveGaps: boolean
}

/** Kinds of pieces that are taken out. */
export type TakenOut = readonly Piece['kind'][]

/**
 * Writes the segment anew without the pieces of the kinds `takenOut`, which go to side files, with
 * healed headers, and with `appended` behind it. Durable on return, indexes included.
 */
export function rewriteSegment(
  fileSystem: FileSystem,
  segment: SegmentToRepair,
  options: { readonly takenOut: TakenOut; readonly appended?: Buffer },
): void {
  const path = pathOf(segment, logSuffix)
  setPiecesAside(fileSystem, segment, options.takenOut)
  const kept = segment.pieces.filter(({ kind }) => !options.takenOut.includes(kind))
  writeNext(fileSystem, path, kept, options.appended)
  removeIndexes(fileSystem, segment)
  fileSystem.rename(path + cleanedSuffix, path)
  fileSystem.syncDirectorySync(segment.directory)
  rebuildIndexes(fileSystem, segment)
}

/** Removes a segment of which nothing is left, once all of it is in side files. */
export function removeSegment(fileSystem: FileSystem, segment: SegmentToRepair): void {
  setPiecesAside(fileSystem, segment, ['damaged'])
  removeIndexes(fileSystem, segment)
  fileSystem.remove(pathOf(segment, logSuffix))
  fileSystem.syncDirectorySync(segment.directory)
}

/** Makes an empty segment where the log goes on. */
export function makeSegment(fileSystem: FileSystem, directory: string, baseOffset: Offset): void {
  const path = `${directory}/${segmentFileName(baseOffset, logSuffix)}`
  const file = fileSystem.open(path, 'open-or-create')
  try {
    file.flushSync()
  } finally {
    file.close()
  }
  fileSystem.syncDirectorySync(directory)
}

/** Builds both indexes from the batches, durably. */
export function rebuildIndexes(fileSystem: FileSystem, segment: SegmentToRepair): void {
  const { directory, baseOffset, settings, mayHaveGaps } = segment
  const files = new SegmentFiles(fileSystem, 1)
  const env = { fileSystem, files, directory, clock: systemClock, settings, mayHaveGaps }
  const opened = Segment.open(env, baseOffset)
  try {
    opened.rebuildIndexes()
    opened.flushSync()
  } finally {
    opened.close()
  }
  fileSystem.syncDirectorySync(directory)
}

function setPiecesAside(
  fileSystem: FileSystem,
  segment: SegmentToRepair,
  takenOut: TakenOut,
): void {
  const path = pathOf(segment, logSuffix)
  for (const { kind, position, sizeBytes } of segment.pieces) {
    if (takenOut.includes(kind) && sizeBytes > 0)
      setAside(fileSystem, { path, position, sizeBytes })
  }
}

function writeNext(
  fileSystem: FileSystem,
  path: string,
  pieces: readonly Piece[],
  appended: Buffer | undefined,
): void {
  const source = fileSystem.stat(path) === undefined ? undefined : fileSystem.open(path, 'read')
  const target = fileSystem.open(path + cleanedSuffix, 'open-or-create')
  try {
    target.truncate(0)
    let at = 0
    for (const piece of pieces) at = copyPiece(source, piece, target, at)
    if (appended !== undefined) target.write(appended, at)
    target.flushSync()
  } finally {
    source?.close()
    target.close()
  }
}

function copyPiece(source: File | undefined, piece: Piece, target: File, at: number): number {
  if (source === undefined) return at
  const end = copyStretch(source, piece, target, at)
  if (piece.header !== undefined) target.write(piece.header, at)
  return end
}

function removeIndexes(fileSystem: FileSystem, segment: SegmentToRepair): void {
  for (const suffix of [offsetIndexSuffix, timeIndexSuffix]) {
    const path = pathOf(segment, suffix)
    if (fileSystem.stat(path) !== undefined) fileSystem.remove(path)
  }
  fileSystem.syncDirectorySync(segment.directory)
}

function pathOf({ directory, baseOffset }: SegmentToRepair, suffix: string): string {
  return `${directory}/${segmentFileName(baseOffset, suffix)}`
}
