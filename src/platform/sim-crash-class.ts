import { type ContentChoice, pageBytes, sectorBytes } from './sim-content.ts'
import type { NamesChoice } from './sim-tree.ts'

/** What a crash keeps of that which was not flushed. */
export type CrashClass =
  /** Nothing: the strictest reading of the rules. */
  | 'nothing-unsynced'
  /** All data and all names, although nobody asked. */
  | 'everything'
  /** Any version of each 512-byte sector, and any of the waiting names. */
  | 'random-sectors'
  /** Any version of each 4096-byte page, and the first few of the waiting names. */
  | 'random-pages'
  /** All data, no name. */
  | 'data-not-names'
  /** All names, no data: new files are empty. */
  | 'names-not-data'
  /** All names and sizes, no data: zeros where data should be. */
  | 'sizes-not-data'
  /** All but the last write to the disk, which is cut at a sector boundary. */
  | 'torn-last-write'

export const crashClasses: readonly CrashClass[] = [
  'nothing-unsynced',
  'everything',
  'random-sectors',
  'random-pages',
  'data-not-names',
  'names-not-data',
  'sizes-not-data',
  'torn-last-write',
]

/** What each class keeps of file content. */
export const classContents: Readonly<Record<CrashClass, ContentChoice>> = {
  'nothing-unsynced': { keep: 'none' },
  everything: { keep: 'all' },
  'random-sectors': { keep: 'random', grainBytes: sectorBytes },
  'random-pages': { keep: 'random', grainBytes: pageBytes },
  'data-not-names': { keep: 'all' },
  'names-not-data': { keep: 'none' },
  'sizes-not-data': { keep: 'sizes' },
  'torn-last-write': { keep: 'all' },
}

/** What each class keeps of names. */
export const classNames: Readonly<Record<CrashClass, NamesChoice>> = {
  'nothing-unsynced': 'none',
  everything: 'all',
  'random-sectors': 'any',
  'random-pages': 'first-few',
  'data-not-names': 'none',
  'names-not-data': 'all',
  'sizes-not-data': 'all',
  'torn-last-write': 'all',
}
