/**
 * Offset checkpoint files of a data directory: one offset per partition.
 *
 * Kafka's names and grammar (see checkpoint-file.ts), so that either program can open a directory
 * the other closed.
 */
import { StoreFormatError } from '../base/errors.ts'
import type { Offset } from '../base/types.ts'
import type { FileSystem } from '../platform/file-system.ts'
import {
  formatCheckpoint,
  parseCheckpoint,
  readTextFile,
  replaceTextFile,
} from './checkpoint-file.ts'

export const recoveryPointFileName = 'recovery-point-offset-checkpoint'
export const logStartFileName = 'log-start-offset-checkpoint'
export const highWatermarkFileName = 'replication-offset-checkpoint'

/** Offset by partition directory name (`<topic>-<partition>`). */
export type OffsetsByLog = Map<string, Offset>

/** Reads a checkpoint; a missing file is an empty map. Throws StoreFormatError on other text. */
export function readOffsets(
  fileSystem: FileSystem,
  directory: string,
  fileName: string,
): OffsetsByLog {
  const path = `${directory}/${fileName}`
  const offsets: OffsetsByLog = new Map()
  for (const entry of parseCheckpoint(readTextFile(fileSystem, path) ?? '', path, 3)) {
    const [topic, partition, text] = entry as [string, string, string]
    const offset = Number(text)
    if (!/^\d+$/.test(partition) || !/^\d+$/.test(text) || !Number.isSafeInteger(offset)) {
      throw new StoreFormatError({ path, reason: `malformed line "${entry.join(' ')}"` })
    }
    offsets.set(`${topic}-${partition}`, offset as Offset)
  }
  return offsets
}

/** Replaces a checkpoint atomically and durably. */
export function writeOffsets(
  fileSystem: FileSystem,
  directory: string,
  fileName: string,
  offsets: OffsetsByLog,
): void {
  const entries = [...offsets].map(([log, offset]) => {
    const dash = log.lastIndexOf('-')
    return [log.slice(0, dash), log.slice(dash + 1), offset]
  })
  replaceTextFile(fileSystem, directory, fileName, formatCheckpoint(entries))
}
