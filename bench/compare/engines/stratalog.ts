/**
 * Ours, through the public door: one batch per append at level `os`, read with a cursor and with
 * `for await`. Single records go through a writer that writes what one turn of the loop sent.
 */
import { type Log, type LogWriter, openStore, type Store } from '../../../src/public.ts'
import type { Engine, ReadTotals } from '../engine.ts'

export function makeStratalog(): Engine {
  let store: Store
  let log: Log
  let writer: LogWriter
  return {
    name: 'stratalog',
    async open(directory) {
      store = await openStore(directory)
      log = await store.log('bench')
      writer = log.writer({ level: 'os', lingerMs: 0 })
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
    async iterate(from, count): Promise<ReadTotals> {
      const totals = { records: 0, bytes: 0, sum: 0 }
      for await (const { value } of log.read({ from, to: from + count })) {
        totals.records++
        totals.bytes += value!.length
        totals.sum += value![0]!
      }
      return totals
    },
    send: (value) => writer.send(value),
    async close() {
      await writer.close()
      await store.close()
    },
  }
}
