/**
 * The partition directories of a store as they stand on disk: which logs there are, which are on
 * their way out, and how much of each must be checked after an unclean stop.
 */
import type { Logger } from '../base/logger.ts'
import type { Offset } from '../base/types.ts'
import { EntryTable } from '../index/entry-table.ts'
import { OffsetIndex, offsetIndexEntrySize } from '../index/offset-index.ts'
import type { FileSystem } from '../platform/file-system.ts'
import type { IndexSeal } from '../segment/index-seal.ts'
import {
  logSuffix,
  offsetIndexSuffix,
  offsetOfFileName,
  segmentFileName,
} from '../segment/segment-file-name.ts'
import { readTopicId } from './meta-properties.ts'
import {
  isDeletedDirectoryName,
  isForeignDirectoryName,
  parseLogDirectoryName,
  partitionMetadataFileName,
  systemTopic,
} from './store-layout.ts'

export type FoundTopic = {
  /** From `partition.metadata`; undefined when no partition has one. */
  readonly id: string | undefined
  readonly partitions: ReadonlySet<number>
}

export type FoundDirectories = {
  readonly topics: ReadonlyMap<string, FoundTopic>
  /** Names of directories whose deletion did not finish. */
  readonly deleted: readonly string[]
  readonly hasSystemLog: boolean
}

/** Lists the logs of a data directory. Directories that are no logs are left alone and logged. */
export function findLogDirectories(
  fileSystem: FileSystem,
  directory: string,
  logger: Logger,
): FoundDirectories {
  const topics = new Map<string, { id: string | undefined; partitions: Set<number> }>()
  const deleted: string[] = []
  let hasSystemLog = false
  for (const name of fileSystem.readDirectory(directory)) {
    const path = `${directory}/${name}`
    if (fileSystem.stat(path)?.kind !== 'directory') continue
    const log = parseLogDirectoryName(name)
    if (isDeletedDirectoryName(name)) deleted.push(name)
    else if (log === undefined) {
      if (!isForeignDirectoryName(name))
        logger.warn({ path }, 'ignoring a directory that is no log')
    } else if (log.topic === systemTopic) hasSystemLog = true
    else {
      const topic = topics.get(log.topic) ?? { id: undefined, partitions: new Set() }
      topic.partitions.add(log.partition)
      topic.id ??= readTopicId(fileSystem, `${path}/${partitionMetadataFileName}`)
      topics.set(log.topic, topic)
    }
  }
  return { topics, deleted, hasSystemLog }
}

/** Bytes behind `recoveryPoint`, or behind the last saved index entry below it: what recovery checks. */
export function bytesToRecover(
  fileSystem: FileSystem,
  directory: string,
  { recoveryPoint, indexSeal }: { recoveryPoint: Offset; indexSeal: IndexSeal | undefined },
): number {
  let bytes = 0
  const names = fileSystem.readDirectory(directory).reverse()
  for (const name of names) {
    const base = offsetOfFileName(name, logSuffix)
    if (base === undefined) continue
    bytes += fileSystem.stat(`${directory}/${name}`)?.sizeBytes ?? 0
    if (base > recoveryPoint) continue
    if (indexSeal?.baseOffset === base) {
      const path = `${directory}/${segmentFileName(base, offsetIndexSuffix)}`
      bytes -= positionBelow(fileSystem, path, recoveryPoint, indexSeal)
    }
    break
  }
  return bytes
}

/** Position of the last index entry below `recoveryPoint`; 0 when there is none. */
function positionBelow(
  fileSystem: FileSystem,
  path: string,
  recoveryPoint: Offset,
  seal: IndexSeal,
): number {
  if (fileSystem.stat(path) === undefined) return 0
  const file = fileSystem.open(path, 'read')
  try {
    const entries = Buffer.alloc(seal.offsetEntries * offsetIndexEntrySize)
    const count = file.read(entries, 0)
    const table = new EntryTable(offsetIndexEntrySize, entries.subarray(0, count))
    if (!table.isSealed(seal.offsetEntries, seal.offsetCrc)) return 0
    const index = new OffsetIndex(seal.baseOffset, table)
    index.truncate(recoveryPoint)
    return index.lastPosition
  } finally {
    file.close()
  }
}

/** Bytes of all segments in a partition directory. */
export function segmentBytes(fileSystem: FileSystem, directory: string): number {
  let bytes = 0
  for (const name of fileSystem.readDirectory(directory)) {
    if (offsetOfFileName(name, logSuffix) === undefined) continue
    bytes += fileSystem.stat(`${directory}/${name}`)?.sizeBytes ?? 0
  }
  return bytes
}
