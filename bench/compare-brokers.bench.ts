// Question  How does the server stand beside other brokers on the same work and the same machine?
// Workload  W1 to W10, each in a file of compare-brokers/workloads. One load generator for every server
//           that speaks Kafka's protocol (rdkafka_performance), with the same flags; the others are
//           loaded by their own tools, for W2 and W7 only.
// Measures  records/s, MB/s, peak memory, latencies, and the CPU time of the server's processes per GB,
//           which is what a noisy machine changes least. Servers live as long as a workload; every turn has a
//           fresh topic, turns alternate (A B A B …), medians count and ratios are medians of
//           the ratios of neighbouring turns. The first turn of each side warms it up. Pinned: server
//           on core 0, client on core 1. Not: replication, TLS, more than one machine.
import { mkdtempSync, rmSync } from 'node:fs'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { killAll } from '../peers/child.ts'
import { NotRunError } from '../peers/not-run.ts'
import { missingTools } from '../peers/toolchain.ts'
import { Workshop } from '../peers/workshop.ts'
import type { BrokerPeer } from './compare-brokers/broker-peer.ts'
import { CompareBench } from './compare-brokers/compare-bench.ts'
import { KafkajsLoad } from './compare-brokers/load/kafkajs-load.ts'
import type { PeerName } from './compare-brokers/names.ts'
import { parseCompareOptions, usage } from './compare-brokers/options.ts'
import { KafkaPeer } from './compare-brokers/peers/kafka.ts'
import { NatsPeer } from './compare-brokers/peers/nats.ts'
import { RabbitmqPeer } from './compare-brokers/peers/rabbitmq.ts'
import { RocketmqPeer } from './compare-brokers/peers/rocketmq.ts'
import { StratalogPeer } from './compare-brokers/peers/stratalog.ts'
import { judged, printRows, reportRows, writeReport } from './compare-brokers/report.ts'
import type { Row } from './compare-brokers/row.ts'
import type { Workload } from './compare-brokers/workload.ts'
import { smallRecords } from './compare-brokers/workloads/w1-small-records.ts'
import { kibibyteProduce } from './compare-brokers/workloads/w2-kibibyte-records.ts'
import { compressed } from './compare-brokers/workloads/w3-compressed.ts'
import { consume } from './compare-brokers/workloads/w4-consume.ts'
import { both } from './compare-brokers/workloads/w5-both.ts'
import { latency } from './compare-brokers/workloads/w6-latency.ts'
import { synced } from './compare-brokers/workloads/w7-synced.ts'
import { manyPartitions } from './compare-brokers/workloads/w8-many-partitions.ts'
import { afterKill } from './compare-brokers/workloads/w9-after-kill.ts'
import { footprint } from './compare-brokers/workloads/w10-footprint.ts'
import { benchDataFolder, inDataDirectory } from './support/data-directory.ts'
import { machineLine, repositoryRoot } from './support/machine.ts'
import { printTargets, type Target } from './support/target.ts'

export { usage }

const workloads: readonly Workload[] = [
  smallRecords,
  kibibyteProduce,
  compressed,
  consume,
  both,
  latency,
  synced,
  manyPartitions,
  afterKill,
  footprint,
]

const peersByName: Readonly<Record<PeerName, () => BrokerPeer>> = {
  kafka: () => new KafkaPeer(),
  nats: () => new NatsPeer(),
  rocketmq: () => new RocketmqPeer(),
  rabbitmq: () => new RabbitmqPeer(),
}

export async function run({
  tiny,
  args = [],
}: {
  tiny: boolean
  args?: readonly string[]
}): Promise<unknown[] | undefined> {
  if (tiny) return runTiny()
  const options = parseCompareOptions(args)
  const root = repositoryRoot()
  const workshop = new Workshop({ title: 'bench', root, cache: join(root, '.cache', 'brokers') })
  const dataFolder = mkdtempSync(join(benchDataFolder(), 'brokers-'))
  endCleanly(dataFolder)
  const notRun: string[] = []
  const peers: BrokerPeer[] = []
  for (const peer of [new StratalogPeer(), ...options.peers.map((name) => peersByName[name]())]) {
    const reason = await whyNot(peer, workshop)
    if (reason === undefined) peers.push(peer)
    else notRun.push(`${peer.name} not run: ${reason}`)
  }
  if (peers[0]?.name !== 'stratalog') throw new Error(notRun[0])
  for (const line of notRun) console.log(line)
  const [loadBefore] = loadavg() as [number]
  console.log(`load average before the run: ${loadBefore.toFixed(1)}`)
  const bench = new CompareBench({ options, workshop, peers, dataFolder })
  const rows: Row[] = []
  const targets: Target[] = []
  for (const workload of workloads) {
    if (!options.workloads.includes(workload.id)) continue
    const found = await workload.run(bench)
    if (found.length === 0) notRun.push(`${workload.id} not run: no part of it fits the options`)
    rows.push(...found)
    targets.push(...workload.targets(found))
    printRows(`${workload.id}: ${workload.title}; medians of ${options.rounds} rounds`, found)
    writeReport({
      machine: machineLine(),
      date: new Date().toISOString(),
      command: ['npm run bench:compare', ...(args.length > 0 ? ['--', ...args] : [])].join(' '),
      loadBefore,
      options,
      settings: Object.fromEntries(peers.map(({ name, settings }) => [name, settings])),
      rows: reportRows(rows),
      targets: judged(targets),
      skipped: notRun,
    })
  }
  console.log('')
  printTargets(targets)
  for (const line of notRun) console.log(line)
  console.log('\nwritten to bench/results/compare.json')
  return undefined
}

/** Our server alone, unpinned, and what needs no load generator to be installed. */
async function runTiny(): Promise<unknown[]> {
  if (process.platform !== 'linux') return [{ skipped: 'the figures are read from /proc' }]
  return inDataDirectory('brokers', { tiny: true }, async (directory) => {
    const workshop = new Workshop({ title: 'bench', root: repositoryRoot(), cache: directory })
    const peers = [new StratalogPeer({ load: (address) => new KafkajsLoad(address) })]
    const tinySizes = ['--unpinned', '--rounds', '1', '--scale', '0.0001', '--recovery-gb', '0.001']
    const options = parseCompareOptions(tinySizes)
    const about = { options, workshop, peers, dataFolder: directory, isMeasured: false }
    const bench = new CompareBench(about)
    const rows: Row[] = []
    for (const workload of [kibibyteProduce, latency, synced, afterKill]) {
      const found = await workload.run(bench)
      workload.targets(found)
      rows.push(...found)
    }
    return rows
  })
}

/** Why the peer cannot run here; undefined when it can. */
async function whyNot(peer: BrokerPeer, workshop: Workshop): Promise<string | undefined> {
  const missing = missingTools(peer.tools)
  if (missing !== undefined) return missing
  try {
    await peer.install(workshop)
    return undefined
  } catch (error) {
    if (error instanceof NotRunError) return error.message
    throw error
  }
}

/** A bench that fails or is interrupted leaves no server and no data behind. */
function endCleanly(dataFolder: string): void {
  process.on('exit', () => {
    killAll()
    rmSync(dataFolder, { recursive: true, force: true, maxRetries: 5 })
  })
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => process.exit(1))
  }
}
