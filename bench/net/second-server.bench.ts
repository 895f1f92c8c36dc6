// Question  What could a second thread that serves partitions gain (`--workers 2`) on this machine?
// Workload  two producers of 1 KiB records (rdkafka_performance) to one server with four partitions, and to
//           two servers with two each: two processes share nothing, so workers of one store could
//           only gain less.
// Measures  records/s of both producers and CPU s/GB of the servers, acks=1 and all; medians of rounds
//           that alternate. Linux only.
import { join } from 'node:path'
import { Workshop } from '../../peers/workshop.ts'
import { KafkajsLoad } from '../compare-brokers/load/kafkajs-load.ts'
import { kibibyteRecords, type LoadTool } from '../compare-brokers/load/load-tool.ts'
import { rdkafkaPrograms } from '../compare-brokers/load/rdkafka-build.ts'
import { RdkafkaLoad } from '../compare-brokers/load/rdkafka-load.ts'
import { inDataDirectory } from '../support/data-directory.ts'
import { repositoryRoot } from '../support/machine.ts'
import { ServerProcess } from '../support/server-process.ts'
import { median } from '../support/statistics.ts'

export type SecondServerRow = {
  readonly acks: '1' | 'all'
  readonly oneKps: number
  readonly twoKps: number
  /** Median of the rounds' ratios. */
  readonly gain: number
  readonly oneCpuSecondsPerGb: number
  readonly twoCpuSecondsPerGb: number
}

type Sizes = { readonly records: number; readonly rounds: number }
type Turn = { readonly kps: number; readonly cpuSecondsPerGb: number }
type MakeLoad = (address: string) => LoadTool

const full: Sizes = { records: 1_000_000, rounds: 5 }
const tiny: Sizes = { records: 20, rounds: 1 }
const topic = 'second-server'
const partitions = 4
const producers = 2

/** Runs the whole file; `tiny` inputs only show that it works. */
export async function run(options: { readonly tiny: boolean }): Promise<unknown[]> {
  if (process.platform !== 'linux') return [{ skipped: 'the figures are read from /proc' }]
  const makeLoad = options.tiny ? (address: string) => new KafkajsLoad(address) : await rdkafka()
  const sizes = options.tiny ? tiny : full
  const rows: SecondServerRow[] = []
  for (const acks of [1, -1] as const) {
    const turn = (servers: number): Promise<Turn> =>
      inDataDirectory('second-server', options, (directory) =>
        measure(directory, servers, acks, makeLoad, sizes.records),
      )
    // The first of each is for the generator and the disk to warm up.
    if (!options.tiny) for (const servers of [1, 2]) await turn(servers)
    const [one, two]: [Turn[], Turn[]] = [[], []]
    for (let round = 0; round < sizes.rounds; round++) {
      one.push(await turn(1))
      two.push(await turn(2))
    }
    rows.push({
      acks: acks === 1 ? '1' : 'all',
      oneKps: median(one.map(({ kps }) => kps)),
      twoKps: median(two.map(({ kps }) => kps)),
      gain: median(two.map(({ kps }, round) => kps / (one[round] as Turn).kps)),
      oneCpuSecondsPerGb: median(one.map(({ cpuSecondsPerGb }) => cpuSecondsPerGb)),
      twoCpuSecondsPerGb: median(two.map(({ cpuSecondsPerGb }) => cpuSecondsPerGb)),
    })
  }
  return rows
}

async function rdkafka(): Promise<MakeLoad> {
  const root = repositoryRoot()
  const workshop = new Workshop({ title: 'bench', root, cache: join(root, '.cache', 'brokers') })
  const programs = await rdkafkaPrograms(workshop)
  return (address) => new RdkafkaLoad(workshop, programs, address)
}

async function measure(
  directory: string,
  count: number,
  acks: 1 | -1,
  makeLoad: MakeLoad,
  records: number,
): Promise<Turn> {
  const servers = await Promise.all(
    Array.from({ length: count }, (_, i) => ServerProcess.start(['--data', `${directory}/${i}`])),
  )
  try {
    const loads = servers.map(({ port }) => makeLoad(`127.0.0.1:${port}`))
    const plan = { topic, partitions: partitions / count, isSynced: false }
    for (const load of loads) await load.createTopic(plan)
    const produce = async (share: number): Promise<void> => {
      const plan = { ...kibibyteRecords, topic, acks, records: share, core: undefined }
      const tools = Array.from({ length: producers }, (_, i) => loads[i % count] as LoadTool)
      await Promise.all(tools.map((tool) => tool.produce(plan)))
    }
    // What a server compiles first is not the question.
    await produce(records / producers / 5)
    const before = cpuMs(servers)
    const start = performance.now()
    await produce(records / producers)
    const ms = performance.now() - start
    const gigabytes = (records * kibibyteRecords.valueBytes) / 1e9
    return { kps: records / ms, cpuSecondsPerGb: (cpuMs(servers) - before) / 1000 / gigabytes }
  } finally {
    for (const server of servers) await server.stop()
  }
}

function cpuMs(servers: readonly ServerProcess[]): number {
  return servers.reduce((sum, server) => sum + server.cpuMs(), 0)
}
