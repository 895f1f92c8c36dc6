/**
 * What a storage engine must do to be compared: keep values in order under dense numbers from 0,
 * append them in batches, read a range of them back. Every adapter does it in the fastest way its
 * engine offers at the same level of safety: written to the kernel, never synced.
 */
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { repositoryRoot } from '../support/machine.ts'

export interface Engine {
  readonly name: NodeEngineName
  /** Opens or creates the store in `directory`, which exists. */
  open(directory: string): void | Promise<void>
  /** Appends one batch; when it returns, or what it returned resolved, the kernel has it. */
  append(values: readonly Buffer[]): unknown
  /** Reads `count` values from number `from` on, in order, touching each. */
  read(from: number, count: number): ReadTotals | Promise<ReadTotals>
  /** The same, an object a record: what a program would write first. Where `read` is not that. */
  iterate?(from: number, count: number): Promise<ReadTotals>
  /**
   * Appends one value and promises it, where the engine has promises; many are under way at once.
   */
  send?(value: Buffer): Promise<unknown>
  close(): void | Promise<void>
}

/** `sum` adds up the first byte of every value: the read is used, and comparable. */
export type ReadTotals = { records: number; bytes: number; sum: number }

/** Those of the Node world. */
export const nodeEngineNames = [
  'stratalog',
  'lmdb',
  'lmdb-put',
  'better-sqlite3',
  'classic-level',
  'hypercore',
] as const
export type NodeEngineName = (typeof nodeEngineNames)[number]

/** Chronicle Queue runs in a JVM; it does the same work in chronicle/ChronicleRun.java. */
export type EngineName = NodeEngineName | 'chronicle-queue'
export const engineNames: readonly EngineName[] = [...nodeEngineNames, 'chronicle-queue']

/** Loads a peer from bench/compare/node_modules; throws where install.mjs could not install it. */
export function loadPeer<T>(packageName: string): T {
  const from = join(repositoryRoot(), 'bench', 'compare', 'package.json')
  return createRequire(from)(packageName) as T
}

/** Makes an engine; its module is loaded only now, so that a process holds one engine. */
export async function makeEngine(name: NodeEngineName): Promise<Engine> {
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
    case 'hypercore':
      return (await import('./engines/hypercore.ts')).makeHypercore()
  }
}
