/**
 * What an engine does in the comparison of durable appends: many appenders, one record each at a
 * time, acknowledged on stable storage. That every adapter really syncs was checked with strace:
 * with one appender each makes one fsync or fdatasync per record.
 */

export interface DurableEngine {
  /** Opens or creates the store in `directory`, which exists, for appenders 0 … `appenders` − 1. */
  open(directory: string, appenders: number): void | Promise<void>
  /** When it returns, or what it returned resolved, the record is on stable storage. */
  append(appender: number, value: Buffer): unknown
  /** Records stored. */
  count(): number | Promise<number>
  close(): void | Promise<void>
}

/** Ours twice: every appender on one log, and a log for each. */
export const ourNames = ['one log', 'log each'] as const
export const peerNames = ['lmdb', 'better-sqlite3', 'classic-level'] as const
export type PeerName = (typeof peerNames)[number]
export type DurableEngineName = (typeof ourNames)[number] | PeerName

/** Makes an engine; its module is loaded only now, so that a process holds one engine. */
export async function makeDurableEngine(name: DurableEngineName): Promise<DurableEngine> {
  switch (name) {
    case 'one log':
      return (await import('./engines/stratalog.ts')).makeStratalog({ logPerAppender: false })
    case 'log each':
      return (await import('./engines/stratalog.ts')).makeStratalog({ logPerAppender: true })
    case 'lmdb':
      return (await import('./engines/lmdb.ts')).makeLmdb()
    case 'better-sqlite3':
      return (await import('./engines/better-sqlite3.ts')).makeSqlite()
    case 'classic-level':
      return (await import('./engines/classic-level.ts')).makeLevel()
  }
}

/**
 * What the process of an engine gets in its environment. LevelDB groups the writes that wait in
 * threads of the pool: four at the default size (13,000 records/s), all 64 at this one (48,000).
 */
export function environmentOf(name: DurableEngineName): Readonly<Record<string, string>> {
  return name === 'classic-level' ? { UV_THREADPOOL_SIZE: '64' } : {}
}
