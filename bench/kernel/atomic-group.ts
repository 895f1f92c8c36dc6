/**
 * An atomic group over eight logs and a table beside a single append, both at level `disk`, one at a
 * time: nobody else shares a sync with either.
 */
import { openStore } from '../../src/public.ts'
import { median } from '../support/statistics.ts'

export type AtomicLoad = { logs: number; warmUp: number; perBlock: number; blocks: number }
export type AtomicMeasures = { groupMs: number; appendMs: number; ratio: number }

/** Blocks of either alternate; the ratio is the median of those of neighbouring blocks. */
export async function measureAtomic(directory: string, load: AtomicLoad): Promise<AtomicMeasures> {
  const store = await openStore(directory)
  const logs = await Promise.all(
    Array.from({ length: load.logs }, (_, i) => store.log(`group-${i}`)),
  )
  const single = await store.log('single')
  const table = await store.table('state', { key: 'string', value: 'bytes' })
  const value = Buffer.alloc(100, 1)
  let round = 0
  const group = () =>
    store.atomic(
      (tx) => {
        for (const log of logs) tx.append(log, { value })
        tx.put(table, `key-${round++ % 1000}`, value)
      },
      { level: 'disk' },
    )
  const append = () => single.append({ value }, { level: 'disk' })
  await medianMs(group, load.warmUp)
  await medianMs(append, load.warmUp)
  const groups: number[] = []
  const appends: number[] = []
  for (let block = 0; block < load.blocks; block++) {
    groups.push(await medianMs(group, load.perBlock))
    appends.push(await medianMs(append, load.perBlock))
  }
  const ends = new Set(logs.map((log) => log.endOffset))
  if (ends.size !== 1) throw new Error('a group is in some logs and not in others')
  await store.close()
  const ratio = median(groups.map((ms, block) => ms / appends[block]!))
  return { groupMs: median(groups), appendMs: median(appends), ratio }
}

async function medianMs(work: () => Promise<unknown>, count: number): Promise<number> {
  const samples: number[] = []
  for (let i = 0; i < count; i++) {
    const start = performance.now()
    await work()
    samples.push(performance.now() - start)
  }
  return median(samples)
}
