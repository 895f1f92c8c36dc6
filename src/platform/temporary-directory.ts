/** A directory of its own for what shall not outlive its user. */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { nodeFileSystem } from './node-file-system.ts'
import { storageFailure } from './storage-failure.ts'

export type TemporaryDirectory = {
  readonly path: string
  /** Removes it with all that is in it. */
  remove(): void
}

/** Makes an empty directory that no one else knows. @throws StorageError. */
export function makeTemporaryDirectory(): TemporaryDirectory {
  const prefix = join(tmpdir(), 'stratalog-')
  try {
    const path = mkdtempSync(prefix)
    return { path, remove: () => nodeFileSystem.removeTree(path) }
  } catch (error) {
    throw storageFailure('mkdtemp', prefix, error)
  }
}
