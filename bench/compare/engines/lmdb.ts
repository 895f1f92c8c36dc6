/**
 * lmdb-js without sync. Of the ways it offers, synchronous transactions with `putSync` and the
 * append flag were the fastest (100 B: 2.0 M records/s; `put` with one await per batch 1.3, in a
 * transaction without the flag 1.6; a writable map changes nothing). `lmdb-put` is the way its
 * documentation shows first. Both read with `getRange`.
 */
import { join } from 'node:path'
import { type Engine, loadPeer, type NodeEngineName, type ReadTotals } from '../engine.ts'

type Database = {
  put(key: number, value: Buffer): Promise<boolean>
  putSync(key: number, value: Buffer, options: { append: boolean }): void
  transactionSync(run: () => void): void
  getRange(options: { start: number; limit: number }): Iterable<{ value: Buffer }>
  getKeys(options: { reverse: boolean; limit: number }): Iterable<number>
  close(): Promise<void>
}

type Lmdb = { open(options: Record<string, unknown>): Database }

export function makeLmdb(): Engine {
  return makeEngine('lmdb', (db, next, values) => {
    db.transactionSync(() => {
      for (let i = 0; i < values.length; i++) db.putSync(next + i, values[i]!, { append: true })
    })
  })
}

export function makeLmdbPut(): Engine {
  return makeEngine('lmdb-put', (db, next, values) => {
    let last: Promise<boolean> | undefined
    for (let i = 0; i < values.length; i++) last = db.put(next + i, values[i]!)
    return last
  })
}

type Append = (db: Database, next: number, values: readonly Buffer[]) => unknown

function makeEngine(name: NodeEngineName, append: Append): Engine {
  let db: Database
  let next = 0
  return {
    name,
    open(directory) {
      db = loadPeer<Lmdb>('lmdb').open({
        path: join(directory, 'lmdb'),
        noSync: true,
        encoding: 'binary',
        keyEncoding: 'uint32',
      })
      next = 0
      for (const key of db.getKeys({ reverse: true, limit: 1 })) next = key + 1
    },
    append(values) {
      const first = next
      next += values.length
      return append(db, first, values)
    },
    read(from, count): ReadTotals {
      const totals = { records: 0, bytes: 0, sum: 0 }
      for (const { value } of db.getRange({ start: from, limit: count })) {
        totals.records++
        totals.bytes += value.length
        totals.sum += value[0]!
      }
      return totals
    },
    send: (value) => db.put(next++, value),
    close: () => db.close(),
  }
}
