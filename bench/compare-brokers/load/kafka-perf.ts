/**
 * Kafka's own ProducerPerformance and ConsumerPerformance, the second opinion: Java clients, with all
 * that a JVM costs before it is warm. Their times begin when they are connected.
 */
import { join } from 'node:path'
import type { Workshop } from '../../../peers/workshop.ts'
import { onCore } from '../broker-peer.ts'
import type { LoadResult } from './load-tool.ts'

export const producerPerformance = 'ProducerPerformance'
export const consumerPerformance = 'ConsumerPerformance'

const jvmFlags = ['-Xmx1g', '-XX:+UseG1GC', '-XX:ActiveProcessorCount=2']
const limitMs = 300_000

export type PerfPlan = {
  readonly jars: string
  readonly address: string
  readonly topic: string
  readonly records: number
  readonly valueBytes: number
  readonly core: number | undefined
}

/** Values are random letters, which compress to two thirds. */
export async function perfProduce(
  workshop: Workshop,
  plan: PerfPlan & { readonly acks: 1 | -1; readonly compression: 'none' | 'zstd' },
): Promise<LoadResult> {
  const { address, topic, records, valueBytes, acks, compression } = plan
  const properties = [
    ...[`bootstrap.servers=${address}`, `acks=${acks}`, 'linger.ms=5', 'batch.size=65536'],
    ...['buffer.memory=67108864', 'enable.idempotence=false', `compression.type=${compression}`],
  ]
  const args = ['--topic', topic, '--num-records', String(records), '--throughput', '-1']
  args.push('--record-size', String(valueBytes), '--producer-props', ...properties)
  const stdout = await runTool(workshop, plan, producerPerformance, args)
  return parsePerfProduced(stdout, records, valueBytes)
}

export async function perfConsume(workshop: Workshop, plan: PerfPlan): Promise<LoadResult> {
  const { address, topic, records, valueBytes } = plan
  const args = ['--bootstrap-server', address, '--topic', topic, '--timeout', '60000']
  args.push('--num-records', String(records))
  const stdout = await runTool(workshop, plan, consumerPerformance, args)
  return parsePerfConsumed(stdout, records, valueBytes)
}

async function runTool(
  workshop: Workshop,
  { jars, core }: PerfPlan,
  tool: string,
  args: readonly string[],
): Promise<string> {
  const java = [...jvmFlags, '-cp', join(jars, '*'), `org.apache.kafka.tools.${tool}`, ...args]
  const [command, all] = onCore(core, 'java', java)
  const options = { log: 'kafka-perf.log', limitMs }
  const { code, stdout, stderr } = await workshop.run(command, all, options)
  if (code === 0) return stdout
  throw new Error(`${tool} ended with ${code}: ${stderr.trim().split('\n').at(-1)}`)
}

/** @throws when not all of them were sent. */
export function parsePerfProduced(stdout: string, wanted: number, valueBytes: number): LoadResult {
  const lines = [...stdout.matchAll(/^(\d+) records sent, ([\d.]+) records\/sec/gm)]
  const [, records, perSecond] = lines.at(-1)?.map(Number) ?? []
  if (records !== wanted) throw new Error(`${records ?? 0} of ${wanted} records were sent`)
  return { records, bytes: records * valueBytes, seconds: records / perSecond! }
}

/** @throws when some of them were not there. */
export function parsePerfConsumed(stdout: string, wanted: number, valueBytes: number): LoadResult {
  const [head, ...rows] = stdout.split('\n').filter((line) => line.split(',').length > 5)
  const names = head?.split(',').map((name) => name.trim()) ?? []
  const cells = rows.at(-1)?.split(',') ?? []
  const cell = (name: string) => Number(cells[names.indexOf(name)])
  const [records, ms] = [cell('data.consumed.in.nMsg'), cell('fetch.time.ms')]
  if (!(records >= wanted)) throw new Error(`${records} of ${wanted} records were consumed`)
  return { records, bytes: records * valueBytes, seconds: ms / 1000 }
}
