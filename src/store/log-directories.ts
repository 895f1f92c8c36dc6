/**
 * The partition directories of a store as they stand on disk: which logs there are, which are on
 * their way out, and how much of each must be checked after an unclean stop.
 */
import type { Logger } from '../base/logger.ts'
import type { Offset } from '../base/types.ts'
import type { FileSystem } from '../platform/file-system.ts'
import { logSuffix, offsetOfFileName } from '../segment/segment-file-name.ts'
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

/** Bytes of the segments that hold `recoveryPoint` or come after it: what recovery will check. */
export function bytesToRecover(
  fileSystem: FileSystem,
  directory: string,
  recoveryPoint: Offset,
): number {
  let bytes = 0
  const names = fileSystem.readDirectory(directory).reverse()
  for (const name of names) {
    const base = offsetOfFileName(name, logSuffix)
    if (base === undefined) continue
    bytes += fileSystem.stat(`${directory}/${name}`)?.sizeBytes ?? 0
    if (base <= recoveryPoint) break
  }
  return bytes
}
