/**
 * SQLite with a write-ahead log and `synchronous = OFF`, one transaction per batch. Pages of
 * `all()` without column names read faster (1.04 M records/s) than `iterate()` (0.81).
 */
import { join } from 'node:path'
import { type Engine, loadPeer, type ReadTotals } from '../engine.ts'

type Statement = {
  run(value: Buffer): void
  pluck(): Statement
  all(from: number, limit: number): Buffer[]
}

type Database = {
  pragma(text: string): void
  exec(text: string): void
  prepare(text: string): Statement
  transaction(run: (values: readonly Buffer[]) => void): (values: readonly Buffer[]) => void
  close(): void
}

const pageRecords = 1000

export function makeSqlite(): Engine {
  let db: Database
  let insert: (values: readonly Buffer[]) => void
  let select: Statement
  return {
    name: 'better-sqlite3',
    open(directory) {
      const Database = loadPeer<new (path: string) => Database>('better-sqlite3')
      db = new Database(join(directory, 'log.sqlite'))
      db.pragma('journal_mode = WAL')
      db.pragma('synchronous = OFF')
      db.exec('create table if not exists log (id integer primary key, value blob not null)')
      const statement = db.prepare('insert into log (value) values (?)')
      insert = db.transaction((values) => {
        for (const value of values) statement.run(value)
      })
      select = db.prepare('select value from log where id >= ? order by id limit ?').pluck()
    },
    append: (values) => insert(values),
    read(from, count): ReadTotals {
      const totals = { records: 0, bytes: 0, sum: 0 }
      while (totals.records < count) {
        const limit = Math.min(pageRecords, count - totals.records)
        // SQLite numbers rows from 1.
        const values = select.all(from + totals.records + 1, limit)
        for (const value of values) {
          totals.bytes += value.length
          totals.sum += value[0]!
        }
        totals.records += values.length
        if (values.length < limit) break
      }
      return totals
    },
    close: () => db.close(),
  }
}
