/**
 * Snapshots of tables, as verify and repair see them: which are whole, and what can be read of one
 * that is not.
 */
import { StoreFormatError } from '../base/errors.ts'
import { drain } from '../base/steps.ts'
import type { Offset } from '../base/types.ts'
import type { FileSystem } from '../platform/file-system.ts'
import { entryHeaderSize } from '../table/entry-arena.ts'
import {
  type SnapshotHeader,
  SnapshotReader,
  snapshotOffsets,
  snapshotPath,
} from '../table/table-snapshot.ts'

export type ScrubbedSnapshots = {
  /** Offsets, the newest first. */
  readonly whole: readonly Offset[]
  readonly damaged: readonly { readonly path: string; readonly reason: string }[]
}

/** Reads every snapshot of a log's directory. Yields the bytes read. */
export function* scrubSnapshots(
  fileSystem: FileSystem,
  directory: string,
): Generator<number, ScrubbedSnapshots> {
  const whole: Offset[] = []
  const damaged: { path: string; reason: string }[] = []
  for (const offset of snapshotOffsets(fileSystem, directory)) {
    const path = snapshotPath(directory, offset)
    try {
      yield* readWhole(fileSystem, path, offset)
      whole.push(offset)
    } catch (error) {
      if (!(error instanceof StoreFormatError)) throw error
      damaged.push({ path, reason: error.message.slice(path.length + 2) })
    }
  }
  return { whole, damaged }
}

function* readWhole(fileSystem: FileSystem, path: string, offset: Offset): Generator<number> {
  const reader = new SnapshotReader(fileSystem, path)
  try {
    if (reader.header.offset !== offset) {
      throw new StoreFormatError({ path, reason: `it is the snapshot of ${reader.header.offset}` })
    }
    for (let block = reader.next(); block !== undefined; block = reader.next()) {
      reader.countEntries([...entriesOf(reader, block)].length)
      // Logs alone are counted in progress.
      yield 0
    }
  } finally {
    reader.close()
  }
}

type Entry = readonly [key: Buffer, value: Buffer]

/** Entries of a block, as views of it. */
function* entriesOf(reader: SnapshotReader, block: Buffer): Generator<Entry> {
  for (let at = 0; at < block.length; ) {
    const size = reader.sizeAt(block, at)
    const keyStart = at + entryHeaderSize
    const valueStart = keyStart + block.readUInt32BE(at)
    const end = valueStart + block.readUInt32BE(at + 4)
    yield [block.subarray(keyStart, valueStart), block.subarray(valueStart, end)]
    at += size
  }
}

export type Salvaged = {
  readonly offset: Offset
  readonly header: SnapshotHeader
  readonly entries: Iterable<Entry>
}

/** The newest snapshot that is whole, or else of the newest with a header what can be read. */
export function salvageSnapshot(fileSystem: FileSystem, directory: string): Salvaged | undefined {
  const { whole, damaged } = drain(scrubSnapshots(fileSystem, directory))
  const paths = [
    ...whole.map((offset) => snapshotPath(directory, offset)),
    ...damaged.map(({ path }) => path),
  ]
  for (const path of paths) {
    const header = headerOf(fileSystem, path)
    if (header === undefined || snapshotPath(directory, header.offset) !== path) continue
    return { offset: header.offset, header, entries: readAll(fileSystem, path) }
  }
  return undefined
}

function headerOf(fileSystem: FileSystem, path: string): SnapshotHeader | undefined {
  try {
    const reader = new SnapshotReader(fileSystem, path)
    reader.close()
    return reader.header
  } catch (error) {
    if (error instanceof StoreFormatError) return undefined
    throw error
  }
}

/** Entries of every block that is whole. */
function* readAll(fileSystem: FileSystem, path: string): Generator<Entry> {
  const reader = new SnapshotReader(fileSystem, path)
  try {
    for (;;) {
      try {
        const block = reader.next()
        if (block === undefined) return
        yield* entriesOf(reader, block)
      } catch (error) {
        if (!(error instanceof StoreFormatError)) throw error
        if (!reader.skipBlock()) return
      }
    }
  } finally {
    reader.close()
  }
}
