/**
 * Directories of deleted topics: renamed at once, to names that every open removes, and removed in the
 * background. Until all of it is gone the topic's id stays marked as deleted, by which what a crash or a
 * failure left of it is told from a new topic of the name.
 */
import { setImmediate as turn } from 'node:timers/promises'
import { StorageError } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import type { FileSystem } from '../platform/file-system.ts'
import type { Checkpoints } from './checkpoints.ts'
import { readTopicId } from './meta-properties.ts'
import {
  deletedDirectoryName,
  logDirectoryName,
  partitionMetadataFileName,
} from './store-layout.ts'
import type { StoreMetadata } from './store-metadata.ts'
import { removeLogDirectory } from './topic-directories.ts'
import { idToHex, randomId } from './uuid.ts'

const partitionsPerTurn = 64

export type RemovalParts = {
  readonly fileSystem: FileSystem
  /** The data directory. */
  readonly path: string
  readonly logger: Logger
  readonly checkpoints: Checkpoints
  readonly metadata: () => StoreMetadata
}

export class TopicRemoval {
  readonly #parts: RemovalParts
  #removals: Promise<void> = Promise.resolve()

  constructor(parts: RemovalParts) {
    this.#parts = parts
  }

  /**
   * Renames the directories of `count` partitions from `first` on, as far as they are there.
   * @returns their new names. @throws StorageError.
   */
  setAside(name: string, first: number, count: number): string[] {
    const { fileSystem, path, checkpoints } = this.#parts
    const renamed: string[] = []
    for (let partition = first; partition < first + count; partition++) {
      const directoryName = logDirectoryName(name, partition)
      if (fileSystem.stat(`${path}/${directoryName}`) === undefined) continue
      const target = deletedDirectoryName(directoryName, idToHex(randomId()))
      fileSystem.rename(`${path}/${directoryName}`, `${path}/${target}`)
      checkpoints.forget(directoryName)
      renamed.push(target)
    }
    return renamed
  }

  /**
   * Sets aside which of these partitions say that they are of a deleted topic. `ownId` is of the one that
   * has the name: it is marked as deleted too when a crash cut its deletion short.
   */
  setAsideDeleted(name: string, partitions: Iterable<number>, ownId: string | undefined): string[] {
    const { fileSystem, path } = this.#parts
    const metadata = this.#parts.metadata()
    const renamed: string[] = []
    if (metadata.deletedIds().length === 0) return renamed
    for (const partition of partitions) {
      const directory = `${path}/${logDirectoryName(name, partition)}`
      const id = readTopicId(fileSystem, `${directory}/${partitionMetadataFileName}`)
      if (id === undefined || id === ownId || !metadata.isDeleted(id)) continue
      renamed.push(...this.setAside(name, partition, 1))
    }
    return renamed
  }

  /**
   * The topic is deleted, durably: a directory that cannot be renamed costs its space, and no more. The
   * loop gets its turn now and then.
   */
  async setAsideIfPossible(
    name: string,
    count: number,
  ): Promise<{ renamed: string[]; isWhole: boolean }> {
    const renamed: string[] = []
    let isWhole = true
    for (let partition = 0; partition < count; partition++) {
      if (partition % partitionsPerTurn === partitionsPerTurn - 1) await turn()
      try {
        renamed.push(...this.setAside(name, partition, 1))
      } catch (error) {
        if (!(error instanceof StorageError)) throw error
        isWhole = false
        const fields = { topic: name, partition, error: error.message }
        this.#parts.logger.error(fields, 'files of a deleted topic stay until the next start')
        await this.#keepId(logDirectoryName(name, partition))
      }
    }
    return { renamed, isWhole }
  }

  /** The topic id in a directory, which says that it is of a deleted one, must be there after a crash. */
  async #keepId(directoryName: string): Promise<void> {
    const { fileSystem, path, logger } = this.#parts
    try {
      await fileSystem.syncDirectory(`${path}/${directoryName}`)
    } catch (error) {
      if (!(error instanceof StorageError)) throw error
      logger.error({ error: error.message }, 'the id of a deleted topic may be lost in a crash')
    }
  }

  /** Removes `directories`, and then the marks of `deletedIds`, after what is being removed already. */
  removeInBackground(directories: readonly string[], deletedIds: readonly string[]): void {
    const { fileSystem, path, logger, metadata } = this.#parts
    this.#removals = this.#removals.then(async () => {
      try {
        for (const name of directories) await removeLogDirectory(fileSystem, `${path}/${name}`)
        await fileSystem.syncDirectory(path)
        for (const id of deletedIds) await metadata().forgetDeleted(id)
      } catch (error) {
        // Tried again at the next open: the names stay marked as deleted.
        logger.error({ error: String(error) }, 'files of a deleted topic could not be removed')
      }
    })
  }

  /** Resolves when nothing is being removed. */
  idle(): Promise<void> {
    return this.#removals
  }
}
