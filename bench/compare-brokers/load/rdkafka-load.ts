/**
 * Load by `rdkafka_performance`, the cheapest client of Kafka's protocol, in processes of its own; by
 * paced-producer.c on the same library where there is a rate.
 */
import { readFileSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { Workshop } from '../../../peers/workshop.ts'
import { onCore } from '../broker-peer.ts'
import { createKafkaTopic, deleteKafkaTopic } from './kafka-topics.ts'
import type { ConsumePlan, LoadResult, LoadTool, ProducePlan, TopicPlan } from './load-tool.ts'
import type { RdkafkaPrograms } from './rdkafka-build.ts'

/** A batch is sent when it is full or this old, whichever comes first. */
const lingerMs = 5
const batchBytes = 64 * 1024
const queuedRecords = 500_000

const producedLine = /% \d+ messages produced \((\d+) bytes\), (\d+) delivered .* in (\d+)ms:.*$/m

export class RdkafkaLoad implements LoadTool {
  readonly name = 'rdkafka_performance'
  readonly #workshop: Workshop
  readonly #programs: RdkafkaPrograms
  readonly #address: string

  constructor(workshop: Workshop, programs: RdkafkaPrograms, address: string) {
    this.#workshop = workshop
    this.#programs = programs
    this.#address = address
  }

  createTopic(plan: TopicPlan): Promise<void> {
    return createKafkaTopic(this.#address, plan)
  }

  deleteTopic(topic: string): Promise<void> {
    return deleteKafkaTopic(this.#address, topic)
  }

  async produce(plan: ProducePlan): Promise<LoadResult> {
    const { topic, records, valueBytes, producers, rate, core } = plan
    if (rate !== undefined) return this.#producePaced({ ...plan, rate })
    const share = Math.ceil(records / producers)
    const latencies = plan.isOneByOne && producers === 1 ? this.#latencies : undefined
    const args = [
      ...['-P', '-t', topic, '-s', String(valueBytes), '-c', String(share)],
      ...['-a', String(plan.acks), ...batching(plan)],
      ...(latencies === undefined ? [] : ['-l', '-A', latencies]),
    ]
    const runs = Array.from({ length: producers }, () => this.#runPerformance(args, core))
    const results = (await Promise.all(runs)).map((stdout) => parseProduced(stdout, share))
    const result = sumOf(results)
    return latencies === undefined ? result : { ...result, latenciesMs: takeLatencies(latencies) }
  }

  async consume(plan: ConsumePlan): Promise<LoadResult> {
    const partitions = Array.from({ length: plan.partitions }, (_, p) => ['-p', String(p)]).flat()
    const args = ['-C', '-t', plan.topic, ...partitions, '-o', 'beginning']
    args.push('-c', String(plan.records))
    const runs = Array.from({ length: plan.consumers }, () => this.#runPerformance(args, plan.core))
    return sumOf((await Promise.all(runs)).map((stdout) => parseConsumed(stdout, plan.records)))
  }

  async #producePaced(plan: ProducePlan & { readonly rate: number }): Promise<LoadResult> {
    const { topic, records, valueBytes, rate, acks, core } = plan
    const latencies = this.#latencies
    const args = [this.#address, topic, ...[records, valueBytes, rate, acks].map(String), latencies]
    const stdout = await this.#run(this.#programs.paced, args, core)
    return { ...parseProduced(stdout, records), latenciesMs: takeLatencies(latencies) }
  }

  get #latencies(): string {
    return join(this.#workshop.scratch, 'latencies')
  }

  #runPerformance(args: readonly string[], core: number | undefined): Promise<string> {
    return this.#run(this.#programs.performance, ['-q', '-b', this.#address, ...args], core)
  }

  async #run(program: string, args: readonly string[], core: number | undefined): Promise<string> {
    const [command, all] = onCore(core, program, args)
    const options = { log: 'rdkafka.log', limitMs: 300_000 }
    const { code, stdout, stderr } = await this.#workshop.run(command, all, options)
    // The generator's count of what it produced is one short now and then, and its exit code 1 with
    // it: what was delivered, which is looked at, decides.
    if (code === 0 || (code === 1 && producedLine.test(stdout))) return stdout
    const said = [...stdout.split('\n'), ...stderr.split('\n')].filter((line) => line !== '')
    throw new Error(`${basename(program)} ended with ${code}: ${said.at(-1)}`)
  }
}

function batching({ isOneByOne, isSpread }: ProducePlan): string[] {
  const properties = isOneByOne
    ? { 'linger.ms': 0, 'queue.buffering.max.messages': 1 }
    : {
        'linger.ms': lingerMs,
        'batch.size': batchBytes,
        'queue.buffering.max.messages': queuedRecords,
        ...(isSpread ? { 'sticky.partitioning.linger.ms': 0 } : {}),
      }
  return Object.entries(properties).flatMap(([name, value]) => ['-X', `${name}=${value}`])
}

/** Reads the file and removes it. */
export function takeLatencies(path: string): Float64Array {
  const latenciesMs = parseLatencies(readFileSync(path, 'latin1'))
  rmSync(path)
  return latenciesMs
}

/** At the same time: the records of all, and the time of the slowest. */
function sumOf(results: readonly LoadResult[]): LoadResult {
  return {
    records: results.reduce((sum, { records }) => sum + records, 0),
    bytes: results.reduce((sum, { bytes }) => sum + bytes, 0),
    seconds: Math.max(...results.map(({ seconds }) => seconds)),
  }
}

/** @throws when not all of them were delivered. */
export function parseProduced(stdout: string, wanted: number): LoadResult {
  const found = [...stdout.matchAll(new RegExp(producedLine, 'gm'))].at(-1)
  if (found === undefined) throw new Error('rdkafka_performance did not say what it produced')
  const [, bytes, records, ms] = found.map(Number)
  if (records !== wanted) throw new Error(`${records} of ${wanted} records were delivered`)
  return { records: records!, bytes: bytes!, seconds: ms! / 1000 }
}

/** @throws when some of them were not there. */
export function parseConsumed(stdout: string, wanted: number): LoadResult {
  const last = /% (\d+) messages \((\d+) bytes\) consumed in (\d+)ms:?/gm
  const found = [...stdout.matchAll(last)].at(-1)
  if (found === undefined) throw new Error('rdkafka_performance did not say what it consumed')
  const [, records, bytes, ms] = found.map(Number)
  if (records! < wanted) throw new Error(`${records} of ${wanted} records were consumed`)
  return { records: records!, bytes: bytes!, seconds: ms! / 1000 }
}

/** Lines of microseconds, in milliseconds. */
export function parseLatencies(text: string): Float64Array {
  const lines = text.split('\n').filter((line) => line !== '')
  return Float64Array.from(lines, (line) => Number(line) / 1000)
}
