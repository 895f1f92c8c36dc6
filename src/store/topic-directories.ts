/**
 * Makes the partition directories of a topic, in each the files of an empty first segment, as Kafka has
 * them, and `partition.metadata`; and removes them.
 *
 * The segment is made here, where nobody waits for an append: new files cost more than all the rest of
 * opening a log. Syncs go through the thread pool, a few at a time, so that a topic of a thousand
 * partitions does not stop the event loop for a second.
 */
import { setImmediate as turn } from 'node:timers/promises'
import { forEachLimited, poolThreads } from '../base/for-each-limited.ts'
import type { FileSystem } from '../platform/file-system.ts'
import {
  logSuffix,
  offsetIndexSuffix,
  segmentFileName,
  timeIndexSuffix,
} from '../segment/segment-file-name.ts'
import { readTopicId, writeTopicIdLater } from './meta-properties.ts'
import { logDirectoryName, partitionMetadataFileName } from './store-layout.ts'

const firstFiles = [logSuffix, offsetIndexSuffix, timeIndexSuffix]

/** How many are looked at before the loop gets its turn. */
const looksPerTurn = 256

/**
 * Makes what is missing of the directories of topic `name` from partition `first` on, durably. Topic ids
 * that a crash left empty are written again.
 * @throws (rejects) StorageError: some may be there.
 */
export async function makeTopicDirectories(
  fileSystem: FileSystem,
  storePath: string,
  name: string,
  { id, partitions }: { readonly id: string; readonly partitions: number },
  first = 0,
): Promise<void> {
  const lacking: string[] = []
  for (let partition = first; partition < partitions; partition++) {
    if (partition % looksPerTurn === looksPerTurn - 1) await turn()
    const directory = `${storePath}/${logDirectoryName(name, partition)}`
    const path = `${directory}/${partitionMetadataFileName}`
    if (readTopicId(fileSystem, path) !== id) lacking.push(directory)
  }
  if (lacking.length === 0) return
  // No more than the pool syncs, however many could: making the files keeps the event loop.
  await forEachLimited(lacking, poolThreads, (directory) => {
    return makeDirectory(fileSystem, directory, id)
  })
  await fileSystem.syncDirectory(storePath)
}

function makeDirectory(fileSystem: FileSystem, directory: string, topicId: string): Promise<void> {
  const isNew = fileSystem.stat(directory) === undefined
  fileSystem.makeDirectory(directory)
  // Where a directory is, its first segment may have been trimmed.
  for (const suffix of isNew ? firstFiles : []) {
    fileSystem.open(`${directory}/${segmentFileName(0, suffix)}`, 'create').close()
  }
  return writeTopicIdLater(fileSystem, `${directory}/${partitionMetadataFileName}`, topicId)
}

/**
 * Removes the directory of a deleted partition, its files one by one on the thread pool: to unlink a
 * gigabyte takes milliseconds, and a log may have thousands.
 * @throws (rejects) StorageError: some may be gone.
 */
export async function removeLogDirectory(fileSystem: FileSystem, directory: string): Promise<void> {
  for (const name of fileSystem.readDirectory(directory)) {
    const path = `${directory}/${name}`
    if (fileSystem.stat(path)?.kind === 'file') await fileSystem.removeLater(path)
  }
  fileSystem.removeTree(directory)
}
