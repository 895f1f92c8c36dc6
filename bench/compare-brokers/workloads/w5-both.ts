// W5        W2 and its consumption at the same time; in our server also how late its event loop is.
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { atMost } from '../../support/target.ts'
import type { RunningBroker } from '../broker-peer.ts'
import type { CompareBench, Turn } from '../compare-bench.ts'
import { kibibyteRecords, type LoadResult } from '../load/load-tool.ts'
import type { LoopDelay } from '../loop-delay-probe.ts'
import { StratalogPeer } from '../peers/stratalog.ts'
import type { Measures } from '../row.ts'
import { eachPinning, type Workload } from '../workload.ts'
import { partitions } from './produce-turn.ts'
import { oursAndKafka } from './sides.ts'
import { kibibyteCount } from './w2-kibibyte-records.ts'

const probe = new URL('../loop-delay-probe.js', import.meta.url).href
const probeLimitMs = 10_000

export const both: Workload = {
  id: 'W5',
  title: 'produce and consume records of 1 KiB at the same time',
  async run(bench) {
    const records = bench.records(kibibyteCount)
    const probed = new StratalogPeer({
      preloaded: [probe],
      env: { STRATALOG_BENCH_PROBE: probeFile(bench) },
    })
    await probed.install(bench.workshop)
    return bench.contests(
      oursAndKafka(bench).map(({ acks, sides }) => ({
        workload: 'W5',
        what: `acks=${acks}`,
        sides: sides.map((side) => (side.peer === bench.ours ? { ...side, peer: probed } : side)),
        turn: (turn) => produceAndConsume(bench, turn, records),
      })),
    )
  },
  targets(rows) {
    return eachPinning(rows, (some, suffix) => {
      const ours = some.find((row) => row.peer === 'stratalog' && row.what === 'acks=all')
      const found = ours?.metrics.stallP999Ms?.median ?? Number.NaN
      const from = 'acks=all, on disk'
      return [
        atMost(`W5 event loop, p99.9 of its stalls${suffix}`, found, 20, { unit: 'ms', from }),
      ]
    })
  },
}

/** CPU is per GB of what came in and went out again. */
async function produceAndConsume(
  bench: CompareBench,
  { side, broker, core, topic }: Turn,
  records: number,
): Promise<Measures> {
  const { load } = broker
  await load.createTopic({ topic, partitions, isSynced: side.class === 'synced' })
  const isProbed = broker.peer instanceof StratalogPeer
  try {
    if (isProbed) await probeDelay(bench, broker) // Forgets what was before.
    let consumed: LoadResult | undefined
    const { measures } = await bench.metered(broker, async () => {
      const consuming = load.consume({ topic, partitions, records, consumers: 1, core })
      const plan = { ...kibibyteRecords, topic, records, acks: side.acks, core }
      const [produced, read] = await Promise.all([load.produce(plan), consuming])
      consumed = read
      return produced
    })
    const { bytes, seconds } = consumed!
    const delay = isProbed ? await probeDelay(bench, broker) : undefined
    return {
      ...measures,
      consumedMbPerSecond: bytes / 1e6 / seconds,
      ...(delay === undefined ? {} : { stallP999Ms: delay.p999Ms, stallMaxMs: delay.maxMs }),
    }
  } finally {
    await load.deleteTopic(topic)
  }
}

async function probeDelay(bench: CompareBench, broker: RunningBroker): Promise<LoopDelay> {
  const path = probeFile(bench)
  for (const pid of broker.pids) process.kill(pid, 'SIGUSR2')
  const deadlineMs = performance.now() + probeLimitMs
  while (!existsSync(path)) {
    if (performance.now() > deadlineMs) throw new Error('the server told no delay of its loop')
    await sleep(10)
  }
  const delay = JSON.parse(readFileSync(path, 'utf8')) as LoopDelay
  rmSync(path)
  return delay
}

function probeFile({ workshop }: CompareBench): string {
  return join(workshop.scratch, 'loop-delay.json')
}
