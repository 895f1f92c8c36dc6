/** Ours, through the public door: one batch per append at level `os`, read with a cursor. */
import { type Log, openStore, type Store } from '../../../src/public.ts'
import type { Engine, ReadTotals } from '../engine.ts'

export function makeStratalog(): Engine {
  let store: Store
  let log: Log
  return {
    name: 'stratalog',
    async open(directory) {
      store = await openStore(directory)
      log = await store.log('bench')
    },
    append: (values) => log.append(values, { level: 'os' }),
    read(from, count): ReadTotals {
      const totals = { records: 0, bytes: 0, sum: 0 }
      const cursor = log.cursor({ from })
      while (totals.records < count && cursor.next()) {
        totals.records++
        totals.bytes += cursor.valueEnd - cursor.valueStart
        totals.sum += cursor.source[cursor.valueStart]!
      }
      return totals
    },
    close: () => store.close(),
  }
}
