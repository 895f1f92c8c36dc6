/**
 * LevelDB: one chained batch per append (1.05 M records/s; an array of operations 0.65), 8-byte
 * big-endian keys, read by `nextv` in thousands. Compression stays at its default; it changes
 * little on random bytes.
 */
import { join } from 'node:path'
import { type Engine, loadPeer, type ReadTotals } from '../engine.ts'

type Batch = { put(key: Buffer, value: Buffer): void; write(): Promise<void> }
type Values = { nextv(size: number): Promise<Buffer[]>; close(): Promise<void> }
type Keys = { next(): Promise<Buffer | undefined>; close(): Promise<void> }

type Level = {
  open(): Promise<void>
  batch(): Batch
  put(key: Buffer, value: Buffer): Promise<void>
  values(options: { gte: Buffer; limit: number; highWaterMarkBytes: number }): Values
  keys(options: { reverse: boolean; limit: number }): Keys
  close(): Promise<void>
}

type LevelModule = { ClassicLevel: new (path: string, options: Record<string, string>) => Level }

const pageRecords = 1000
const readAheadBytes = 1 << 20

export function makeLevel(): Engine {
  let db: Level
  let next = 0
  return {
    name: 'classic-level',
    async open(directory) {
      const { ClassicLevel } = loadPeer<LevelModule>('classic-level')
      db = new ClassicLevel(join(directory, 'level'), {
        keyEncoding: 'buffer',
        valueEncoding: 'buffer',
      })
      await db.open()
      const keys = db.keys({ reverse: true, limit: 1 })
      const last = await keys.next()
      await keys.close()
      next = last === undefined ? 0 : Number(last.readBigUInt64BE(0)) + 1
    },
    append(values) {
      const batch = db.batch()
      for (const value of values) batch.put(keyOf(next++), value)
      return batch.write()
    },
    async read(from, count): Promise<ReadTotals> {
      const totals = { records: 0, bytes: 0, sum: 0 }
      const highWaterMarkBytes = readAheadBytes
      const iterator = db.values({ gte: keyOf(from), limit: count, highWaterMarkBytes })
      for (;;) {
        const values = await iterator.nextv(pageRecords)
        if (values.length === 0) break
        for (const value of values) {
          totals.bytes += value.length
          totals.sum += value[0]!
        }
        totals.records += values.length
      }
      await iterator.close()
      return totals
    },
    send: (value) => db.put(keyOf(next++), value),
    close: () => db.close(),
  }
}

function keyOf(number: number): Buffer {
  const key = Buffer.allocUnsafe(8)
  key.writeUInt32BE(Math.floor(number / 2 ** 32), 0)
  key.writeUInt32BE(number >>> 0, 4)
  return key
}
