/** Stored files of a simulated disk that a test reads, replaces and damages. */
import type { SimFileSystem } from '../../src/platform/sim-file-system.ts'
import { batchOverhead } from '../../src/record/batch-format.ts'

export function readFile(disk: SimFileSystem, path: string): Buffer {
  const file = disk.open(path, 'read')
  const bytes = Buffer.alloc(file.size())
  file.read(bytes, 0)
  file.close()
  return bytes
}

/** Replaces a file, durably. */
export function writeFile(disk: SimFileSystem, path: string, bytes: Buffer | string): void {
  const file = disk.open(path, 'open-or-create')
  file.truncate(0)
  file.write(Buffer.from(bytes), 0)
  file.flushSync()
  file.close()
  disk.syncDirectorySync(path.slice(0, path.lastIndexOf('/')))
}

/** Every file below `directory`, by path. */
export function filesBelow(disk: SimFileSystem, directory: string): Map<string, Buffer> {
  const files = new Map<string, Buffer>()
  for (const name of disk.readDirectory(directory)) {
    const path = `${directory}/${name}`
    if (disk.stat(path)?.kind === 'directory') {
      for (const [inner, bytes] of filesBelow(disk, path)) files.set(inner, bytes)
    } else files.set(path, readFile(disk, path))
  }
  return files
}

/** Where the batches of a whole `.log` begin. */
export function batchPositions(bytes: Buffer): number[] {
  const positions: number[] = []
  for (let at = 0; at < bytes.length; at += batchOverhead + bytes.readInt32BE(at + 8)) {
    positions.push(at)
  }
  return positions
}
