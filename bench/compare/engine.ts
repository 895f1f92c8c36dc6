/**
 * What a storage engine must do to be compared: keep values in order under dense numbers from 0,
 * append them in batches, read a range of them back. Every adapter does it in the fastest way its
 * engine offers at the same level of safety: written to the kernel, never synced.
 */
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { repositoryRoot } from '../support/machine.ts'

export interface Engine {
  readonly name: EngineName
  /** Opens or creates the store in `directory`, which exists. */
  open(directory: string): void | Promise<void>
  /** Appends one batch; when it returns, or what it returned resolved, the kernel has it. */
  append(values: readonly Buffer[]): unknown
  /** Reads `count` values from number `from` on, in order, touching each. */
  read(from: number, count: number): ReadTotals | Promise<ReadTotals>
  close(): void | Promise<void>
}

/** `sum` adds up the first byte of every value: the read is used, and comparable. */
export type ReadTotals = { records: number; bytes: number; sum: number }

export type EngineName = 'stratalog' | 'lmdb' | 'lmdb-put' | 'better-sqlite3' | 'classic-level'

export const engineNames: readonly EngineName[] = [
  'stratalog',
  'lmdb',
  'lmdb-put',
  'better-sqlite3',
  'classic-level',
]

/** Loads a peer from bench/compare/node_modules; throws where install.mjs could not install it. */
export function loadPeer<T>(packageName: string): T {
  const from = join(repositoryRoot(), 'bench', 'compare', 'package.json')
  return createRequire(from)(packageName) as T
}

/** Makes an engine; its module is loaded only now, so that a process holds one engine. */
export async function makeEngine(name: EngineName): Promise<Engine> {
  switch (name) {
    case 'stratalog':
      return (await import('./engines/stratalog.ts')).makeStratalog()
    case 'lmdb':
      return (await import('./engines/lmdb.ts')).makeLmdb()
    case 'lmdb-put':
      return (await import('./engines/lmdb.ts')).makeLmdbPut()
    case 'better-sqlite3':
      return (await import('./engines/better-sqlite3.ts')).makeSqlite()
    case 'classic-level':
      return (await import('./engines/classic-level.ts')).makeLevel()
  }
}
