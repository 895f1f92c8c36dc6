/**
 * One engine, one table workload, one process:
 *
 *     node table-workload.js stratalog|lmdb <directory> <workload as JSON>
 *
 * Puts `keys` different keys in groups, unsynced, in ascending order or a seeded shuffle; closes and opens
 * again; gets keys at random; and, ours only, walks all in order. Prints the measures as JSON.
 */

import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { openStore } from '../../src/public.ts'
import { loadPeer } from '../compare/engine.ts'
import { seededRandom, seededValues } from '../support/seeded.ts'

export type TableWorkload = {
  keys: number
  groupKeys: number
  valueBytes: number
  gets: number
  /** Order in which the keys are put. */
  order: 'shuffled' | 'ascending'
}

export type TableMeasures = {
  putsPerSecond: number
  openMs: number
  getNs: number
  /** A JavaScript Map with the same keys and values, in the same process. */
  mapGetNs: number
  /** Of a value taken from the Map and copied, as the table hands out copies. */
  mapCopyNs: number
  /** Memory per key beyond key and value themselves, and all of it. */
  overheadBytesPerKey: number
  bytesPerKey: number
  firstRangeMs: number
  rangePerSecond: number
  snapshotMs: number
  longestTurnMs: number
  sum: number
}

export type TableEngineName = 'stratalog' | 'lmdb'

const keysPerTurn = 10_000

type Put = { key: string; value: Buffer }
type Lmdb = {
  open(options: Record<string, unknown>): {
    putSync(key: string, value: Buffer): void
    transactionSync(run: () => void): void
    get(key: string): Buffer | undefined
    close(): Promise<void>
  }
}

export async function measureTable(
  name: TableEngineName,
  directory: string,
  workload: TableWorkload,
): Promise<TableMeasures> {
  const keys = keysOf(workload)
  const values = seededValues(1000, workload.valueBytes, 1)
  // Made one at a time: a million objects kept would be the garbage collector's work, not the engine's.
  const groupAt = (at: number): Put[] => {
    const group = keys.slice(at, at + workload.groupKeys)
    return group.map((key, i) => ({ key, value: values[(at + i) % values.length]! }))
  }
  return name === 'lmdb'
    ? measureLmdb(directory, groupAt, keys, workload)
    : measureOurs(directory, groupAt, keys, workload)
}

async function measureOurs(
  directory: string,
  groupAt: (at: number) => Put[],
  keys: readonly string[],
  workload: TableWorkload,
): Promise<TableMeasures> {
  const spec = { key: 'string', value: 'bytes' } as const
  let store = await openStore(directory)
  let table = await store.table('bench', spec)
  const start = performance.now()
  for (let at = 0; at < keys.length; at += workload.groupKeys) {
    await table.batch(groupAt(at), { level: 'os' })
    if (at % keysPerTurn === 0) await turn()
  }
  const putsPerSecond = (keys.length / (performance.now() - start)) * 1000
  await store.close()

  const openStart = performance.now()
  store = await openStore(directory)
  table = await store.table('bench', spec)
  const openMs = performance.now() - openStart
  const bytesPerKey = table.memoryBytes / table.size
  const wanted = pick(keys, workload.gets)
  const groupAll = (): Put[] =>
    keys.flatMap((_, i) => (i % workload.groupKeys === 0 ? groupAt(i) : []))
  const get = timed(wanted, (key) => table.get(key)![0]!)
  const map = new Map(groupAll().map(({ key, value }) => [key, Buffer.from(value)]))
  const mapGet = timed(wanted, (key) => map.get(key)![0]!)
  const mapCopy = timed(wanted, (key) => Buffer.from(map.get(key)!)[0]!)
  if (get.sum !== mapGet.sum) throw new Error('the table and the Map hold different values')

  const stalls = watchTurns()
  const snapshotStart = performance.now()
  await table.snapshot()
  const snapshotMs = performance.now() - snapshotStart
  const longestTurnMs = stalls.stop()

  const orderStart = performance.now()
  table.keys({ limit: 1 }).next()
  const firstRangeMs = performance.now() - orderStart
  const rangeStart = performance.now()
  let count = 0
  for (const [, value] of table.range()) count += value.length > 0 ? 1 : 0
  const rangePerSecond = (count / (performance.now() - rangeStart)) * 1000
  if (count !== keys.length) throw new Error(`the range gave ${count} of ${keys.length} keys`)
  await store.close()
  return {
    putsPerSecond,
    openMs,
    getNs: get.ns,
    mapGetNs: mapGet.ns,
    mapCopyNs: mapCopy.ns,
    bytesPerKey,
    overheadBytesPerKey: bytesPerKey - keys[0]!.length - workload.valueBytes,
    firstRangeMs,
    rangePerSecond,
    snapshotMs,
    longestTurnMs,
    sum: get.sum,
  }
}

async function measureLmdb(
  directory: string,
  groupAt: (at: number) => Put[],
  keys: readonly string[],
  workload: TableWorkload,
): Promise<TableMeasures> {
  const options = { path: join(directory, 'lmdb'), noSync: true, encoding: 'binary' }
  let db = loadPeer<Lmdb>('lmdb').open(options)
  const start = performance.now()
  for (let at = 0; at < keys.length; at += workload.groupKeys) {
    db.transactionSync(() => {
      for (const { key, value } of groupAt(at)) db.putSync(key, value)
    })
    if (at % keysPerTurn === 0) await turn()
  }
  const putsPerSecond = (keys.length / (performance.now() - start)) * 1000
  await db.close()
  const openStart = performance.now()
  db = loadPeer<Lmdb>('lmdb').open(options)
  const openMs = performance.now() - openStart
  const get = timed(pick(keys, workload.gets), (key) => db.get(key)![0]!)
  await db.close()
  const none = Number.NaN
  return {
    putsPerSecond,
    openMs,
    getNs: get.ns,
    mapGetNs: none,
    mapCopyNs: none,
    bytesPerKey: none,
    overheadBytesPerKey: none,
    firstRangeMs: none,
    rangePerSecond: none,
    snapshotMs: none,
    longestTurnMs: none,
    sum: get.sum,
  }
}

/** 16 characters each, as an application's ids are. */
function keysOf({ keys: count, order }: TableWorkload): string[] {
  const random = seededRandom(3)
  const keys = Array.from({ length: count }, (_, i) => `key-${String(i).padStart(12, '0')}`)
  for (let i = keys.length - 1; order === 'shuffled' && i > 0; i--) {
    const other = Math.floor(random() * (i + 1))
    const key = keys[i]!
    keys[i] = keys[other]!
    keys[other] = key
  }
  return keys
}

/** Keys to get, as strings of their own: they come from elsewhere than those that were put. */
function pick(keys: readonly string[], count: number): string[] {
  const random = seededRandom(4)
  return Array.from({ length: count }, () => {
    const key = keys[Math.floor(random() * keys.length)]!
    return Buffer.from(key).toString()
  })
}

/** The second pass counts: code and keys are warm then. */
function timed(keys: readonly string[], get: (key: string) => number): { ns: number; sum: number } {
  let sum = 0
  for (const key of keys) sum += get(key)
  sum = 0
  const start = performance.now()
  for (const key of keys) sum += get(key)
  return { ns: ((performance.now() - start) * 1e6) / keys.length, sum }
}

/** The longest time between two turns of the event loop. */
function watchTurns(): { stop(): number } {
  let longest = 0
  let last = performance.now()
  let isRunning = true
  const look = (): void => {
    const now = performance.now()
    longest = Math.max(longest, now - last)
    last = now
    if (isRunning) setImmediate(look)
  }
  setImmediate(look)
  return {
    stop() {
      isRunning = false
      return Math.max(longest, performance.now() - last)
    },
  }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [name, directory, workload] = process.argv.slice(2)
  if ((name !== 'stratalog' && name !== 'lmdb') || directory === undefined || !workload) {
    throw new Error('usage: node table-workload.js stratalog|lmdb <directory> <workload as JSON>')
  }
  console.log(JSON.stringify(await measureTable(name, directory, JSON.parse(workload))))
}
