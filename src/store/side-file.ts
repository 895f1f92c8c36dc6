/**
 * Side files keep what a repair takes out, beside the file it was in: `<file>.<position>.damaged`.
 * Nothing reads them but people; they may be deleted when nobody wants them any more.
 */
import { CorruptionError } from '../base/errors.ts'
import type { FilePosition } from '../base/types.ts'
import { kibibyte } from '../base/units.ts'
import type { File, FileSystem } from '../platform/file-system.ts'
import { damagedSuffix } from '../segment/segment-file-name.ts'

const copyBytes = 256 * kibibyte

/** A stretch of a file. */
export type Stretch = {
  readonly path: string
  readonly position: number
  readonly sizeBytes: number
}

/** Where `setAside` will put the stretch: a name that is free, or that holds the same bytes. */
export function sideFilePath(fileSystem: FileSystem, stretch: Stretch): string {
  const stem = `${stretch.path}.${stretch.position}`
  for (let copy = 1; ; copy++) {
    const path = `${stem}${copy === 1 ? '' : `.${copy}`}${damagedSuffix}`
    if (fileSystem.stat(path) === undefined || holdsSame(fileSystem, path, stretch)) return path
  }
}

/** Copies the stretch into its side file, durably. */
export function setAside(fileSystem: FileSystem, stretch: Stretch): void {
  const path = sideFilePath(fileSystem, stretch)
  const source = fileSystem.open(stretch.path, 'read')
  const target = fileSystem.open(path, 'open-or-create')
  try {
    target.truncate(0)
    copyStretch(source, stretch, target, 0)
    target.flushSync()
  } finally {
    source.close()
    target.close()
  }
  fileSystem.syncDirectorySync(path.slice(0, path.lastIndexOf('/')))
}

/** Copies bytes from one file to a place in another. @returns the place behind them. */
export function copyStretch(
  source: File,
  { position, sizeBytes }: Pick<Stretch, 'position' | 'sizeBytes'>,
  target: File,
  to: number,
): number {
  const buffer = Buffer.allocUnsafe(Math.min(sizeBytes, copyBytes))
  for (let copied = 0; copied < sizeBytes; ) {
    const part = buffer.subarray(0, Math.min(buffer.length, sizeBytes - copied))
    const count = source.read(part, position + copied)
    if (count === 0) {
      const at = (position + copied) as FilePosition
      throw new CorruptionError({ path: source.path, position: at, reason: 'the file has shrunk' })
    }
    target.write(part.subarray(0, count), to + copied)
    copied += count
  }
  return to + sizeBytes
}

function holdsSame(fileSystem: FileSystem, path: string, stretch: Stretch): boolean {
  const { sizeBytes, position } = stretch
  if (fileSystem.stat(path)?.sizeBytes !== sizeBytes) return false
  const side = fileSystem.open(path, 'read')
  const source = fileSystem.open(stretch.path, 'read')
  try {
    const [one, other] = [Buffer.alloc(copyBytes), Buffer.alloc(copyBytes)]
    for (let at = 0; at < sizeBytes; at += copyBytes) {
      const length = Math.min(copyBytes, sizeBytes - at)
      side.read(one.subarray(0, length), at)
      source.read(other.subarray(0, length), position + at)
      if (one.compare(other, 0, length, 0, length) !== 0) return false
    }
    return true
  } finally {
    side.close()
    source.close()
  }
}
