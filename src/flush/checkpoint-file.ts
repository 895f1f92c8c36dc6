/**
 * Kafka's checkpoint text: a version line, a count line, then one entry of space-separated fields
 * a line, all ending in `\n`. Replaced atomically: the next version is written beside it, made
 * durable, renamed over it, and the rename is made durable.
 *
 *     0
 *     2
 *     orders 0 1042
 *     orders 1 977
 */
import { StoreFormatError } from '../base/errors.ts'
import type { File, FileSystem } from '../platform/file-system.ts'

const version = '0'
const nextVersionSuffix = '.tmp'
const maxCheckpointBytes = 256 * 1024 * 1024

export function formatCheckpoint(entries: readonly (readonly (string | number)[])[]): string {
  const lines = entries.map((fields) => `${fields.join(' ')}\n`)
  return `${version}\n${entries.length}\n${lines.join('')}`
}

/**
 * Parses checkpoint text into its entries.
 *
 * An empty text, or a version line alone, means no entries. Anything else that is not the grammar
 * throws StoreFormatError naming `path`.
 */
export function parseCheckpoint(text: string, path: string, fieldCount: number): string[][] {
  const lines = text.split('\n')
  if (lines.at(-1) === '') lines.pop()
  if (lines.length === 0) return []
  if (lines[0] !== version) {
    throw new StoreFormatError({ path, reason: `version is ${lines[0]}: expected ${version}` })
  }
  if (lines.length === 1) return []
  const entries = lines.slice(2).map((line) => line.split(/\s+/))
  if (!/^\d+$/.test(lines[1] ?? '') || Number(lines[1]) !== entries.length) {
    throw new StoreFormatError({
      path,
      reason: `the count line says ${lines[1]} but ${entries.length} entries follow`,
    })
  }
  const wrong = entries.find((fields) => fields.length !== fieldCount)
  if (wrong !== undefined) {
    throw new StoreFormatError({ path, reason: `malformed line "${wrong.join(' ')}"` })
  }
  return entries
}

/** The whole text of a small file, or undefined when there is none. */
export function readTextFile(fileSystem: FileSystem, path: string): string | undefined {
  const stat = fileSystem.stat(path)
  if (stat === undefined) return undefined
  if (stat.sizeBytes > maxCheckpointBytes) {
    throw new StoreFormatError({
      path,
      reason: `${stat.sizeBytes} bytes is too long for this file`,
    })
  }
  const file = fileSystem.open(path, 'read')
  try {
    const bytes = Buffer.alloc(file.size())
    const count = file.read(bytes, 0)
    return bytes.toString('utf8', 0, count)
  } finally {
    file.close()
  }
}

/** Replaces a small file atomically and durably. */
export function replaceTextFile(
  fileSystem: FileSystem,
  directory: string,
  name: string,
  text: string,
): void {
  const path = `${directory}/${name}`
  const file = openNextVersion(fileSystem, path, text)
  try {
    file.flushSync()
  } finally {
    file.close()
  }
  fileSystem.rename(path + nextVersionSuffix, path)
  fileSystem.syncDirectorySync(directory)
}

/**
 * The same with the sync off this thread, and the name not durable: the caller owes a sync of the
 * directory. @param isWanted asked before the file is replaced: another version may be there by then.
 * @returns whether it was replaced.
 */
export async function replaceTextFileLater(
  fileSystem: FileSystem,
  path: string,
  text: string,
  isWanted: () => boolean,
): Promise<boolean> {
  const file = openNextVersion(fileSystem, path, text)
  try {
    await file.flush()
  } finally {
    file.close()
  }
  if (!isWanted()) return false
  fileSystem.rename(path + nextVersionSuffix, path)
  return true
}

function openNextVersion(fileSystem: FileSystem, path: string, text: string): File {
  const file = fileSystem.open(path + nextVersionSuffix, 'open-or-create')
  try {
    file.truncate(0)
    file.write(Buffer.from(text), 0)
    return file
  } catch (error) {
    file.close()
    throw error
  }
}
