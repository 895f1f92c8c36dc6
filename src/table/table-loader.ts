/**
 * What a table held when its log was written last: the newest snapshot that is whole, and the
 * changes in the log after it. The loop gets a turn every few megabytes.
 */
import { StoreFormatError, TableCodecError } from '../base/errors.ts'
import type { Offset } from '../base/types.ts'
import { groupSize } from './key-index.ts'
import { TableEntries } from './table-entries.ts'
import type { TableEnvironment, TableSettings } from './table-settings.ts'
import {
  removeUnfinished,
  SnapshotReader,
  snapshotOffsets,
  snapshotPath,
} from './table-snapshot.ts'

export type LoadedTable = {
  readonly entries: TableEntries
  /** The snapshot that was read; 0 when there is none. */
  readonly snapshotOffset: Offset
}

const blocksPerTurn = 16
const recordsPerTurn = 8192

/**
 * @throws (rejects) TableCodecError a snapshot has other codecs, StoreFormatError records are
 *         missing between snapshot and log or are none of a table's, CorruptionError.
 */
export async function loadTable<Key, Value>(
  environment: TableEnvironment,
  settings: TableSettings<Key, Value>,
): Promise<LoadedTable> {
  const { log, fileSystem, logger } = environment
  const { directory } = log
  removeUnfinished(fileSystem, directory)
  const damaged: string[] = []
  for (const offset of snapshotOffsets(fileSystem, directory)) {
    const path = snapshotPath(directory, offset)
    const entries = newEntries(environment, settings)
    try {
      await readSnapshot(environment, settings, path, entries)
    } catch (error) {
      if (!(error instanceof StoreFormatError)) throw error
      logger.warn({ error: error.message }, 'a table snapshot is damaged: looking for an older one')
      damaged.push(path)
      continue
    }
    await replay(environment, entries, offset, damaged)
    return { entries, snapshotOffset: offset }
  }
  const entries = newEntries(environment, settings)
  await replay(environment, entries, 0 as Offset, damaged)
  return { entries, snapshotOffset: 0 as Offset }
}

function newEntries<Key, Value>(
  { log, random }: TableEnvironment,
  { maxBytes }: TableSettings<Key, Value>,
): TableEntries {
  return new TableEntries({ name: log.name, maxBytes, seed: Math.floor(random() * 2 ** 32) })
}

async function readSnapshot<Key, Value>(
  { fileSystem, log }: TableEnvironment,
  settings: TableSettings<Key, Value>,
  path: string,
  entries: TableEntries,
): Promise<void> {
  const reader = new SnapshotReader(fileSystem, path)
  try {
    const { keyCodec, valueCodec, offset } = reader.header
    if (snapshotPath(log.directory, offset) !== path) {
      throw new StoreFormatError({ path, reason: `it is the snapshot of offset ${offset}` })
    }
    expectCodec(log.name, 'key', keyCodec, settings.key.name)
    expectCodec(log.name, 'value', valueCodec, settings.value.name)
    const sizeAt = (bytes: Buffer, at: number): number => reader.sizeAt(bytes, at)
    let blocks = 0
    for (let block = reader.next(); block !== undefined; block = reader.next()) {
      const count = entries.adopt(block, sizeAt)
      if (count < 0) throw new StoreFormatError({ path, reason: 'a key stands in it twice' })
      reader.countEntries(count)
      if (++blocks % blocksPerTurn === 0) await turn()
    }
  } finally {
    reader.close()
  }
}

/** Throws TableCodecError unless a table's keys or values are stored with the codec asked for. */
export function expectCodec(
  table: string,
  part: 'key' | 'value',
  found: string,
  expected: string,
): void {
  if (found !== expected) throw new TableCodecError({ table, part, found, expected })
}

async function replay(
  { log }: TableEnvironment,
  entries: TableEntries,
  from: Offset,
  damaged: readonly string[],
): Promise<void> {
  if (from < log.startOffset || from > log.endOffset) {
    const reason =
      `the log has offsets ${log.startOffset} to ${log.endOffset}, ` +
      `the newest whole snapshot ends at ${from}: changes are missing`
    throw new StoreFormatError({ path: damaged[0] ?? log.directory, reason })
  }
  const cursor = log.cursor({ from })
  const group: number[] = []
  for (let count = 1; cursor.next(); count++) {
    const { source, keyStart, keyEnd, valueStart, valueEnd } = cursor
    if (keyStart < 0) {
      throw new StoreFormatError({
        path: log.directory,
        reason: `record ${cursor.offset} has no key`,
      })
    }
    group.push(entries.stageBytes(source, keyStart, keyEnd, source, valueStart, valueEnd))
    if (group.length < groupSize) continue
    settleGroup(entries, group)
    if (count % recordsPerTurn === 0) await turn()
  }
  settleGroup(entries, group)
}

function settleGroup(entries: TableEntries, group: number[]): void {
  entries.settle(group)
  entries.reclaim(group.length)
  group.length = 0
}

/** Lets the event loop do its other work. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
