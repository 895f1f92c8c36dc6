// W7        records of 1 KiB that are synced before they are acknowledged, from 1 and from 64 producers.
//           Each waits for its acknowledgement, so that 64 of them can share a sync (group commit).
//           64 producers of librdkafka are 64 processes and those of RocketMQ threads that share a
//           client; so servers that speak Kafka's protocol have 64 threads of its Java client as well.
import { atLeast, type Target } from '../../support/target.ts'
import type { CompareBench, Contest, Turn } from '../compare-bench.ts'
import { compiledJava, JavaLoad, javaLoadSources } from '../load/java-load.ts'
import type { LoadTool } from '../load/load-tool.ts'
import { type Measures, pairRatio, type Row } from '../row.ts'
import { eachPinning, type Workload } from '../workload.ts'
import { type ProduceTurn, produceTurn } from './produce-turn.ts'
import { kafkaJarsOf } from './sides.ts'
import { percentilesOf } from './w6-latency.ts'

/** A producer, at full size. */
const fullRecords = { 1: 1_500, 64: 120 } as const
const many = '64 producers'
const threads = '64 threads, Java'
const threadsClient = 'KafkaProgram'

/** By peer: what ours must reach of its records/s with 64 producers. */
const bounds: readonly (readonly [string, number])[] = [
  ['kafka', 3],
  ['nats', 3],
  ['rocketmq', 1],
]

export const synced: Workload = {
  id: 'W7',
  title: 'produce records of 1 KiB, synced before they are acknowledged',
  async run(bench) {
    const able = bench.peers.filter(({ canSync }) => canSync)
    const contests = ([1, 64] as const).map((producers): Contest => {
      const records = bench.records(fullRecords[producers] * producers)
      return {
        workload: 'W7',
        what: producers === 1 ? '1 producer' : many,
        sides: able.map((peer) => ({ peer, class: 'synced', acks: -1 })),
        turn: (turn) => oneByOne(bench, turn, { records, producers }),
      }
    })
    return bench.contests([...contests, ...(await javaThreads(bench))])
  },
  targets(rows) {
    return eachPinning(rows, (some, suffix) => {
      const of = (peer: string, what = many) =>
        some.find((row) => row.peer === peer && row.what === what)
      const target = (ours: Row | undefined, [peer, bound]: readonly [string, number]): Target => {
        const found = pairRatio(ours, of(peer), 'recordsPerSecond')
        const what = `W7 ${ours?.what}, throughput of ${peer}, both synced${suffix}`
        return atLeast(what, found, bound, { from: many })
      }
      const present = bounds.filter(([peer]) => of(peer) !== undefined)
      const alike = of('stratalog', threads)
      const inThreads = alike === undefined ? [] : present.filter(([peer]) => peer === 'rocketmq')
      return [
        ...present.map((bound) => target(of('stratalog'), bound)),
        ...inThreads.map((bound) => target(alike, bound)),
      ]
    })
  },
}

/** None where Kafka's client is not installed. */
async function javaThreads(bench: CompareBench): Promise<Contest[]> {
  const jars = kafkaJarsOf(bench)
  if (jars === undefined) return []
  const { workshop } = bench
  const sources = javaLoadSources(threadsClient)
  const classPath = await compiledJava(workshop, { name: 'kafka-client', sources, jars })
  const records = bench.records(fullRecords[64] * 64)
  const contest: Contest = {
    workload: 'W7',
    what: threads,
    sides: bench.kafkaPeers.map((peer) => ({ peer, class: 'synced', acks: -1 })),
    client: threadsClient,
    turn(turn) {
      const load = new JavaLoad(workshop, { main: threadsClient, classPath }, turn.broker.address)
      return oneByOne(bench, turn, { records, producers: 64 }, load)
    },
  }
  return [contest]
}

/** @param load produces instead of the broker's own tool, which still makes the topic. */
async function oneByOne(
  bench: CompareBench,
  turn: Turn,
  plan: ProduceTurn,
  load?: LoadTool,
): Promise<Measures> {
  const { result, measures } = await produceTurn(bench, turn, { ...plan, isOneByOne: true }, load)
  const { recordsPerSecond, cpuUsPerRecord, peakMb } = measures
  return {
    recordsPerSecond: recordsPerSecond!,
    cpuUsPerRecord: cpuUsPerRecord!,
    peakMb: peakMb!,
    ...(result.latenciesMs === undefined ? {} : percentilesOf(result.latenciesMs)),
  }
}
