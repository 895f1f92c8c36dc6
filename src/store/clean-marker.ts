/** The marker of a clean stop, under Kafka's name: while it is there, nothing has to be checked. */
import type { FileSystem } from '../platform/file-system.ts'
import { cleanShutdownFileName } from './store-layout.ts'

/**
 * Whether the marker was there; it is gone, durably, on return: call it before any log opens.
 * @throws StorageError.
 */
export function takeCleanMarker(fileSystem: FileSystem, directory: string): boolean {
  const path = `${directory}/${cleanShutdownFileName}`
  const isThere = fileSystem.stat(path) !== undefined
  if (isThere) fileSystem.remove(path)
  // Also when it is not: one that was killed here may have removed it, and not durably.
  fileSystem.syncDirectorySync(directory)
  return isThere
}

/** Says that every log is whole and on stable storage; durable on return. @throws StorageError. */
export function leaveCleanMarker(fileSystem: FileSystem, directory: string): void {
  const file = fileSystem.open(`${directory}/${cleanShutdownFileName}`, 'open-or-create')
  try {
    file.write(Buffer.from('{"version":0,"brokerEpoch":-1}'), 0)
    file.flushSync()
  } finally {
    file.close()
  }
  fileSystem.syncDirectorySync(directory)
}
