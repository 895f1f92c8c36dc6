/**
 * Hypercore: an append-only log with a signed Merkle tree, over RocksDB. One signature per append;
 * read by `get`, a thousand under way at once (60 k records/s; its read stream 49 k).
 */
import { join } from 'node:path'
import { type Engine, loadPeer, type ReadTotals } from '../engine.ts'

type Core = {
  ready(): Promise<void>
  append(values: Buffer | readonly Buffer[]): Promise<unknown>
  get(index: number): Promise<Buffer>
  close(): Promise<void>
}

const readAtOnce = 1000

export function makeHypercore(): Engine {
  let core: Core
  return {
    name: 'hypercore',
    async open(directory) {
      const Hypercore = loadPeer<new (path: string) => Core>('hypercore')
      core = new Hypercore(join(directory, 'hypercore'))
      await core.ready()
    },
    append: (values) => core.append(values),
    async read(from, count): Promise<ReadTotals> {
      const totals = { records: 0, bytes: 0, sum: 0 }
      for (let at = from; at < from + count; at += readAtOnce) {
        const length = Math.min(readAtOnce, from + count - at)
        const values = await Promise.all(Array.from({ length }, (_, i) => core.get(at + i)))
        for (const value of values) {
          totals.bytes += value.length
          totals.sum += value[0]!
        }
        totals.records += values.length
      }
      return totals
    },
    send: (value) => core.append(value),
    close: () => core.close(),
  }
}
