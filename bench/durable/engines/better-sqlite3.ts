/**
 * SQLite with a write-ahead log and `synchronous = FULL`, one transaction per record: the binding
 * is synchronous, so concurrent appenders take turns and each pays a sync of its own.
 */
import { join } from 'node:path'
import { loadPeer } from '../../compare/engine.ts'
import type { DurableEngine } from '../durable-engine.ts'

type Statement = {
  run(value: Buffer): void
  pluck(): Statement
  get(): unknown
}

type Database = {
  pragma(text: string): void
  exec(text: string): void
  prepare(text: string): Statement
  close(): void
}

export function makeSqlite(): DurableEngine {
  let db: Database
  let insert: Statement
  return {
    open(directory) {
      const Database = loadPeer<new (path: string) => Database>('better-sqlite3')
      db = new Database(join(directory, 'log.sqlite'))
      db.pragma('journal_mode = WAL')
      db.pragma('synchronous = FULL')
      db.exec('create table if not exists log (id integer primary key, value blob not null)')
      insert = db.prepare('insert into log (value) values (?)')
    },
    append: (_appender, value) => insert.run(value),
    count: () => Number(db.prepare('select count(*) from log').pluck().get()),
    close: () => db.close(),
  }
}
