/** LevelDB: one `put` with `sync: true` per record, 8-byte big-endian keys. */
import { join } from 'node:path'
import { loadPeer } from '../../compare/engine.ts'
import type { DurableEngine } from '../durable-engine.ts'

type Keys = { nextv(size: number): Promise<Buffer[]>; close(): Promise<void> }

type Level = {
  open(): Promise<void>
  put(key: Buffer, value: Buffer, options: { sync: boolean }): Promise<void>
  keys(): Keys
  close(): Promise<void>
}

type LevelModule = { ClassicLevel: new (path: string, options: Record<string, string>) => Level }

const pageRecords = 10_000

export function makeLevel(): DurableEngine {
  let db: Level
  let next = 0
  const count = async (): Promise<number> => {
    const keys = db.keys()
    let found = 0
    for (;;) {
      const page = await keys.nextv(pageRecords)
      if (page.length === 0) break
      found += page.length
    }
    await keys.close()
    return found
  }
  return {
    async open(directory) {
      const { ClassicLevel } = loadPeer<LevelModule>('classic-level')
      db = new ClassicLevel(join(directory, 'level'), {
        keyEncoding: 'buffer',
        valueEncoding: 'buffer',
      })
      await db.open()
      next = await count()
    },
    append: (_appender, value) => db.put(keyOf(next++), value, { sync: true }),
    count,
    close: () => db.close(),
  }
}

function keyOf(number: number): Buffer {
  const key = Buffer.allocUnsafe(8)
  key.writeUInt32BE(Math.floor(number / 2 ** 32), 0)
  key.writeUInt32BE(number >>> 0, 4)
  return key
}
