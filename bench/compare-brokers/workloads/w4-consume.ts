// W4        the records of W2 consumed, from the page cache and from the disk, by 1 and 4 consumers that
//           each read all of them; by the Java client; and fetched without being looked at, beside a
//           bare sendfile loop.
import { fileURLToPath } from 'node:url'
import { dropSegmentsFromCache } from '../../support/page-cache.ts'
import { atLeast, atMost, type Target } from '../../support/target.ts'
import { onCore } from '../broker-peer.ts'
import type { CompareBench, Contest, Side, Turn } from '../compare-bench.ts'
import { consumerPerformance, perfConsume } from '../load/kafka-perf.ts'
import { kibibyteRecords, type LoadResult } from '../load/load-tool.ts'
import { BareSendfile, bareAnswerBytes } from '../peers/bare-sendfile.ts'
import { pairRatio, type Row } from '../row.ts'
import { eachPinning, type Workload } from '../workload.ts'
import { partitions } from './produce-turn.ts'
import { kafkaJarsOf, oursAndKafka } from './sides.ts'
import { kibibyteCount } from './w2-kibibyte-records.ts'

const topic = 'consumed'
const drained = 'fetch, discarded'
const drainClient = fileURLToPath(new URL('../load/drain-client.js', import.meta.url))
/** Of the answers of the drained fetches, at full size. */
const drainedKibibytes = 6_000_000

export const consume: Workload = {
  id: 'W4',
  title: 'consume records of 1 KiB',
  async run(bench) {
    const records = bench.records(kibibyteCount)
    const sides = oursAndKafka(bench)[0]!.sides
    const bare = new BareSendfile()
    await bare.install(bench.workshop)
    const contests = [
      ...[1, 4].flatMap((consumers) => [
        consumeContest(bench, { sides, records, consumers, isCold: false }),
        consumeContest(bench, { sides, records, consumers, isCold: true }),
      ]),
      drainContest(bench, [...sides, { peer: bare, class: 'page cache', acks: 1 }]),
      ...secondOpinion(bench, sides, records),
    ]
    return bench.contests(contests, async (broker, core) => {
      if (!broker.peer.speaksKafka) return
      await broker.load.createTopic({ topic, partitions, isSynced: false })
      await broker.load.produce({ ...kibibyteRecords, topic, records, core })
    })
  },
  targets(rows) {
    return eachPinning(rows, targetsOf)
  },
}

type Consumed = {
  readonly sides: readonly Side[]
  readonly records: number
  readonly consumers: number
  readonly isCold: boolean
}

function consumeContest(bench: CompareBench, consumed: Consumed): Contest {
  const { sides, records, consumers, isCold } = consumed
  return {
    workload: 'W4',
    what: `${isCold ? 'cold' : 'hot'}, ${consumers} consumer${consumers === 1 ? '' : 's'}`,
    sides,
    async turn({ broker, core }) {
      if (isCold) dropSegmentsFromCache(broker.directory)
      const plan = { topic, partitions, records, consumers, core }
      return (await bench.metered(broker, () => broker.load.consume(plan))).measures
    },
  }
}

function drainContest(bench: CompareBench, sides: readonly Side[]): Contest {
  return {
    workload: 'W4',
    what: drained,
    client: 'drain-client',
    sides,
    async turn(turn) {
      const { measures } = await bench.metered(turn.broker, () => drain(bench, turn))
      const { mbPerSecond, cpuSecondsPerGb, peakMb } = measures
      return { mbPerSecond: mbPerSecond!, cpuSecondsPerGb: cpuSecondsPerGb!, peakMb: peakMb! }
    },
  }
}

async function drain(bench: CompareBench, { broker, core }: Turn): Promise<LoadResult> {
  const isBare = !broker.peer.speaksKafka
  const plan = {
    port: broker.port,
    ...(isBare ? { topic: 'x', partitions: 1 } : { topic, partitions }),
    maxBytesPerPartition: isBare ? bareAnswerBytes : bareAnswerBytes / partitions,
    totalBytes: bench.records(drainedKibibytes) * 1024,
  }
  const args = [drainClient, JSON.stringify(plan)]
  const [command, all] = onCore(core, process.execPath, args)
  const { stdout } = await bench.workshop.mustRun(command, all, { log: 'drain.log' })
  const { bytes, seconds } = JSON.parse(stdout) as { bytes: number; seconds: number }
  return { records: Number.NaN, bytes, seconds }
}

function secondOpinion(bench: CompareBench, sides: readonly Side[], records: number): Contest[] {
  const jars = kafkaJarsOf(bench)
  if (jars === undefined) return []
  return [
    {
      workload: 'W4',
      what: 'hot, 1 Java consumer',
      client: consumerPerformance,
      isPinned: false,
      sides,
      async turn({ broker, core }) {
        const { address } = broker
        const plan = { jars, address, topic, records, valueBytes: 1024, core }
        return (await bench.metered(broker, () => perfConsume(bench.workshop, plan))).measures
      },
    },
  ]
}

function targetsOf(rows: readonly Row[], suffix: string): Target[] {
  const of = (peer: string, what: string) =>
    rows.find((row) => row.peer === peer && row.what === what)
  const hot = 'hot, 1 consumer'
  const perGb = pairRatio(of('stratalog', hot), of('kafka', hot), 'cpuSecondsPerGb')
  const ofBare = pairRatio(of('stratalog', drained), of('bare sendfile', drained), 'mbPerSecond')
  return [
    atMost(`W4 hot fetch, CPU-s per GB of Kafka's${suffix}`, perGb, 0.5, { from: hot }),
    atLeast(`W4 hot fetch, throughput of a bare sendfile loop${suffix}`, ofBare, 0.9, {
      from: drained,
    }),
  ]
}
