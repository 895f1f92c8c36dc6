/** A store that has every kind of file and is small enough to damage each of its bytes in turn. */
import type { Log } from '../../src/log/log.ts'
import type { SimFileSystem } from '../../src/platform/sim-file-system.ts'
import type { Store } from '../../src/store/store.ts'
import { appendClient, clientBatch, openOn, simDisk } from './log-inspection.ts'

const options = {
  config: { 'index.interval.bytes': '60' },
  // Its frames have checksums of their own, and tests of their own.
  journalBytes: 0,
}

export function openSmall(disk: SimFileSystem): Promise<Store> {
  return openOn(disk, options)
}

/** What stands at each offset of each log. */
export type Truth = ReadonlyMap<string, ReadonlyMap<number, string>>

export type SmallStore = {
  readonly disk: SimFileSystem
  /** The same with what was trimmed away, which a damaged log start may show again. */
  readonly known: Truth
  readonly truth: Truth
  /** Offsets below were durable when the store stopped. */
  readonly durable: ReadonlyMap<string, number>
}

const producer = (baseSequence: number) => ({
  producer: { producerId: 7, producerEpoch: 0, baseSequence },
})

/**
 * Three logs: `p` of several segments, two leader epochs and an idempotent producer, `z` with lz4,
 * `s` that was trimmed in the middle of a segment. Stopped cleanly, or killed with records that are
 * not below any recovery point.
 */
export async function makeSmallStore(isClean: boolean): Promise<SmallStore> {
  const first = simDisk()
  await (await (await openSmall(first)).log('p')).append(['p0', 'p1'])
  const disk = first.processCrash()
  const store = await openSmall(disk)
  const [p, z, s] = [await store.log('p'), await store.log('z'), await store.log('s')]
  await p.append('p2')
  p.roll()
  appendClient(p, clientBatch(['p3', 'p4'], { ...producer(0), timestamps: [50, 40] }))
  await p.append('p5')
  p.roll()
  appendClient(p, clientBatch(['p6'], producer(2)))
  await z.append(['zzzzzz0', 'zzzzzz1'], { compression: 'lz4' })
  await z.append(['zzzzzz2'], { compression: 'lz4' })
  for (const value of ['s0', 's1', 's2']) await s.append(value)
  s.trim(1)
  await store.flush()
  if (isClean) {
    const truth = truthOf(store)
    await store.close()
    return { disk: disk.processCrash(), known: withTrimmed(truth), truth, durable: endsOf(truth) }
  }
  await store.checkpoint()
  const durable = endsOf(truthOf(store))
  await p.append(['p7', 'p8'])
  await z.append('zzzzzz3', { compression: 'lz4' })
  const truth = truthOf(store)
  return { disk: disk.processCrash(), known: withTrimmed(truth), truth, durable }
}

function withTrimmed(truth: Truth): Truth {
  return new Map([...truth, ['s-0', new Map([...(truth.get('s-0') ?? []), [0, 's0']])]])
}

function endsOf(truth: Truth): Map<string, number> {
  return new Map(Array.from(truth, ([name, records]) => [name, Math.max(...records.keys()) + 1]))
}

function truthOf(store: Store): Map<string, Map<number, string>> {
  const truth = new Map<string, Map<number, string>>()
  for (const topic of store.topics()) truth.set(`${topic.name}-0`, contentOf(topic.log(0)))
  return truth
}

export function contentOf(log: Log): Map<number, string> {
  const records = new Map<number, string>()
  const cursor = log.cursor()
  while (cursor.next()) records.set(cursor.offset, String(cursor.value()))
  return records
}
