/**
 * The real disk without its syncs, for data that goes with its process, before anybody could miss it. Level
 * `disk` means no more than `os` here, so this must never hold anything that is kept.
 */
import type { File, FileSystem, OpenMode } from './file-system.ts'
import { nodeFileSystem } from './node-file-system.ts'

export const unsyncedFileSystem: FileSystem = Object.assign(
  Object.create(nodeFileSystem) as FileSystem,
  {
    open(path: string, mode: OpenMode): File {
      const file = nodeFileSystem.open(path, mode)
      return Object.assign(file, {
        flush: () => Promise.resolve(),
        flushSync() {},
        writeDurable: (source: Uint8Array, position: number) => file.write(source, position),
        writeDurableLater: () => undefined,
      })
    },
    syncDirectory: () => Promise.resolve(),
    syncDirectorySync() {},
  },
)
