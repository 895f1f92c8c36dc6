/**
 * The shapes of histories: how many logs, how large, how they are flushed. One place for everything
 * about a store that histories vary, its options included.
 */
import type { FileSystem } from '../../src/platform/file-system.ts'
import { SimFileSystem } from '../../src/platform/sim-file-system.ts'
import { openStore, type Store } from '../../src/store/store.ts'
import type { StoreOptions } from '../../src/store/store-options.ts'
import { seededFraction } from './seeded-ids.ts'
import type { SimClock } from './sim-clock.ts'

export type HistoryShape = {
  readonly name: string
  /** Names that topics are made with; `producers` takes batches of idempotent producers only. */
  readonly topics: readonly string[]
  /** Names that tables are made with. */
  readonly tables: readonly string[]
  readonly maxPartitions: number
  /** Actions of one life. */
  readonly steps: number
  /** Settings topics are made with: one of these each. */
  readonly configs: readonly Readonly<Record<string, string>>[]
  readonly options: StoreOptions
}

export const producerTopic = 'producers'

/** Snapshots so often that they are part of every life. */
export const tableSpec = { key: 'string', value: 'string', snapshotBytes: 700 } as const

/** Segments and index intervals so small that a handful of records crosses all borders. */
const small = { 'segment.bytes': '1024', 'index.interval.bytes': '150' }
const medium = { 'segment.bytes': '8192', 'index.interval.bytes': '1024' }
const limited = { 'retention.bytes': '1500', 'file.delete.delay.ms': '700' }
const flushed = { 'flush.messages': '7', 'flush.ms': '400' }
const options: StoreOptions = { checkpointIntervalMs: 1_000, config: small }
/** Two regions of two pages: a handful of rounds goes around it. */
const smallestJournalBytes = 16_384

export const shapes: readonly HistoryShape[] = [
  {
    name: 'few',
    topics: ['a', 'b', producerTopic],
    tables: ['t', 'u'],
    maxPartitions: 2,
    steps: 25,
    configs: [{}, limited, flushed, { 'segment.ms': '3000' }],
    options: { ...options, journalBytes: smallestJournalBytes },
  },
  // What one flush makes durable for many logs at once.
  {
    name: 'many',
    topics: ['a', producerTopic],
    tables: ['t'],
    maxPartitions: 8,
    steps: 30,
    configs: [{ ...limited, ...small }, medium, flushed],
    options: { ...options, journalBytes: 2 * smallestJournalBytes },
  },
  // Batches of many sectors and pages, beside small ones.
  {
    name: 'large',
    topics: ['a', 'b', producerTopic],
    tables: ['t', 'u'],
    maxPartitions: 1,
    steps: 25,
    configs: [
      { 'segment.bytes': '40000', 'index.interval.bytes': '2000' },
      { ...medium, ...flushed },
    ],
    options: { ...options, journalBytes: 4 * smallestJournalBytes, checkpointBytes: 30_000 },
  },
  // Every log syncs its own files.
  {
    name: 'without journal',
    topics: ['a', 'b', producerTopic],
    tables: ['t', 'u'],
    maxPartitions: 2,
    steps: 25,
    configs: [{}, { ...flushed, ...limited }],
    options: { ...options, journalBytes: 0 },
  },
]

/** Out of eight histories four are of the first shape, two of the second, one of each other. */
const shapeOfSeed = [0, 0, 0, 0, 1, 1, 2, 3]

export function shapeFor(seed: number): HistoryShape {
  return shapes[shapeOfSeed[seed % shapeOfSeed.length]!]!
}

/** Bytes of values that one batch may have: a segment takes it with its headers. */
export function maxValueBytesOf(config: Readonly<Record<string, string>>): number {
  return Number(config['segment.bytes'] ?? small['segment.bytes']) - 250
}

export const dataPath = '/data'

export function newDisk(seed: number): SimFileSystem {
  // One disk of four cannot write past the page cache.
  return new SimFileSystem({ seed, directories: [dataPath], writesPastCache: seed % 4 !== 3 })
}

export function openOn(
  fileSystem: FileSystem,
  shape: HistoryShape,
  clock: SimClock,
  more: StoreOptions = {},
): Promise<Store> {
  // Out of the history's seed; every journal has an id of its own, or groups of an earlier one count.
  const random = seededFraction
  return openStore(dataPath, { random, ...shape.options, clock, fileSystem, ...more })
}
