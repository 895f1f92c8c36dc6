/**
 * `stratalog-whole-frames`: which frames of journals that are gone were whole. A log that recovery could
 * not read may end in a batch of a group whose frame was torn, and nothing else would tell when it can
 * be read again. Grammar of checkpoint-file.ts; the file goes when every log was recovered.
 *
 *     journalId sequence takenBack      // takenBack: numbers of frames, separated by commas, or -
 */
import { StoreFormatError } from '../base/errors.ts'
import type { FileSystem } from '../platform/file-system.ts'
import type { WholeFrames } from '../record/group-mark.ts'
import {
  formatCheckpoint,
  parseCheckpoint,
  readTextFile,
  replaceTextFile,
} from './checkpoint-file.ts'

export const wholeFramesFileName = 'stratalog-whole-frames'

const none = '-'

/** A missing file is an empty list. @throws StoreFormatError other text; StorageError. */
export function readWholeFrames(fileSystem: FileSystem, directory: string): WholeFrames[] {
  const path = `${directory}/${wholeFramesFileName}`
  return parseCheckpoint(readTextFile(fileSystem, path) ?? '', path, 3).map((entry) => {
    const [journalId = '', sequence = '', takenBack = ''] = entry
    const list = takenBack === none ? [] : takenBack.split(',')
    const numbers = [journalId, sequence, ...list]
    if (!numbers.every((text) => /^\d+$/.test(text) && Number.isSafeInteger(Number(text)))) {
      throw new StoreFormatError({ path, reason: `malformed line "${entry.join(' ')}"` })
    }
    return {
      journalId: Number(journalId),
      sequence: Number(sequence),
      takenBack: list.map(Number),
    }
  })
}

/** Replaces the file atomically and durably; without frames it is removed. @throws StorageError. */
export function writeWholeFrames(
  fileSystem: FileSystem,
  directory: string,
  frames: readonly WholeFrames[],
): void {
  if (frames.length > 0) {
    const entries = frames.map(({ journalId, sequence, takenBack }) => {
      return [journalId, sequence, takenBack.length === 0 ? none : takenBack.join(',')]
    })
    replaceTextFile(fileSystem, directory, wholeFramesFileName, formatCheckpoint(entries))
    return
  }
  const path = `${directory}/${wholeFramesFileName}`
  if (fileSystem.stat(path) === undefined) return
  fileSystem.remove(path)
  fileSystem.syncDirectorySync(directory)
}
