/**
 * `stratalog-index-checkpoint`: for logs that have grown much since they were opened, the index files
 * of the segment with the recovery point as they were then, so that recovery can begin there instead
 * of at the segment's first byte. Grammar of checkpoint-file.ts; gone after a clean stop.
 *
 *     topic partition baseOffset offsetEntries offsetCrc timeEntries timeCrc
 */
import { StoreFormatError } from '../base/errors.ts'
import type { Offset } from '../base/types.ts'
import type { FileSystem } from '../platform/file-system.ts'
import type { IndexSeal } from '../segment/index-seal.ts'
import {
  formatCheckpoint,
  parseCheckpoint,
  readTextFile,
  replaceTextFile,
} from './checkpoint-file.ts'

export const indexCheckpointFileName = 'stratalog-index-checkpoint'

/** Seals by partition directory name. */
export type SealsByLog = Map<string, IndexSeal>

/** A missing file is an empty map. Throws StoreFormatError on other text. */
export function readSeals(fileSystem: FileSystem, directory: string): SealsByLog {
  const path = `${directory}/${indexCheckpointFileName}`
  const seals: SealsByLog = new Map()
  for (const entry of parseCheckpoint(readTextFile(fileSystem, path) ?? '', path, 7)) {
    const [topic, partition, ...fields] = entry as [string, string, ...string[]]
    const numbers = fields.map(Number)
    if (!fields.every((field) => /^\d+$/.test(field)) || !numbers.every(Number.isSafeInteger)) {
      throw new StoreFormatError({ path, reason: `malformed line "${entry.join(' ')}"` })
    }
    const [base, offsetEntries, offsetCrc, timeEntries, timeCrc] = numbers as [
      number,
      number,
      number,
      number,
      number,
    ]
    const baseOffset = base as Offset
    seals.set(`${topic}-${partition}`, {
      baseOffset,
      offsetEntries,
      offsetCrc,
      timeEntries,
      timeCrc,
    })
  }
  return seals
}

/** Replaces the file atomically and durably; without seals it is removed. */
export function writeSeals(fileSystem: FileSystem, directory: string, seals: SealsByLog): void {
  if (seals.size === 0) {
    removeSeals(fileSystem, directory)
    return
  }
  const entries = [...seals].map(([log, seal]) => {
    const dash = log.lastIndexOf('-')
    const { baseOffset, offsetEntries, offsetCrc, timeEntries, timeCrc } = seal
    return [
      log.slice(0, dash),
      log.slice(dash + 1),
      baseOffset,
      offsetEntries,
      offsetCrc,
      timeEntries,
      timeCrc,
    ]
  })
  replaceTextFile(fileSystem, directory, indexCheckpointFileName, formatCheckpoint(entries))
}

function removeSeals(fileSystem: FileSystem, directory: string): void {
  const path = `${directory}/${indexCheckpointFileName}`
  if (fileSystem.stat(path) === undefined) return
  fileSystem.remove(path)
  fileSystem.syncDirectorySync(directory)
}
