/**
 * Topics that have directories but no entry in the store's table: those that another program wrote are
 * taken over, those of deleted topics go.
 */
import { StoreFormatError } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import { LeaderEpochs } from '../log/leader-epochs.ts'
import type { FileSystem } from '../platform/file-system.ts'
import type { FoundDirectories } from './log-directories.ts'
import { logDirectoryName } from './store-layout.ts'
import type { StoreMetadata } from './store-metadata.ts'
import type { TopicRemoval } from './topic-removal.ts'
import { randomId } from './uuid.ts'

export type AdoptionParts = {
  readonly fileSystem: FileSystem
  /** The data directory. */
  readonly path: string
  readonly logger: Logger
  readonly metadata: StoreMetadata
  readonly removal: TopicRemoval
}

export type Adoption = {
  /** Directories to be removed. */
  readonly leftovers: readonly string[]
  /** Latest leader epoch of what was adopted, −1 for none. */
  readonly latestEpoch: number
}

/** @throws (rejects) StorageError, LogFailedError. */
export async function adoptTopics(
  found: FoundDirectories,
  parts: AdoptionParts,
): Promise<Adoption> {
  const { logger, metadata, removal } = parts
  const leftovers: string[] = []
  let latestEpoch = -1
  for (const [name, topic] of found.topics) {
    const entry = metadata.topic(name)
    // Without a readable id the directory was never durably used: its name decides.
    const isStale =
      entry === undefined &&
      (topic.id === undefined ? metadata.isDeletedName(name) : metadata.isDeleted(topic.id))
    if (isStale) {
      leftovers.push(...removal.setAside(name, 0, Math.max(...topic.partitions) + 1))
      continue
    }
    // Also those beyond the partitions that a topic has now: it may be grown to them.
    leftovers.push(...removal.setAsideDeleted(name, topic.partitions, entry?.id))
    if (entry !== undefined) continue
    const partitions = Math.max(...topic.partitions) + 1
    logger.info({ topic: name, partitions }, 'adopting a topic found on disk')
    latestEpoch = Math.max(latestEpoch, latestEpochOf(name, topic.partitions, parts))
    const id = topic.id ?? randomId()
    await metadata.putTopic(name, { id, partitions, config: {}, isAdopted: true })
  }
  return { leftovers, latestEpoch }
}

function latestEpochOf(
  name: string,
  partitions: ReadonlySet<number>,
  { fileSystem, path }: AdoptionParts,
): number {
  let latest = -1
  for (const partition of partitions) {
    const directory = `${path}/${logDirectoryName(name, partition)}`
    const epochs = new LeaderEpochs({ fileSystem, directory })
    try {
      epochs.load()
    } catch (error) {
      // Loading the log finds its epochs in the batches.
      if (!(error instanceof StoreFormatError)) throw error
    }
    latest = Math.max(latest, epochs.latest)
  }
  return latest
}
