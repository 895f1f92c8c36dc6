/** Load of JetStream by its own tool, `nats bench js`. A topic is a stream of one subject. */
import { join } from 'node:path'
import type { ChildResult } from '../../../peers/child.ts'
import type { Workshop } from '../../../peers/workshop.ts'
import { onCore } from '../broker-peer.ts'
import type { ConsumePlan, LoadResult, LoadTool, ProducePlan, TopicPlan } from './load-tool.ts'

/** Room for the records of any turn: a stream of `nats bench` has 1 GiB otherwise. */
const streamBytes = '16GB'
/** Unacknowledged records of an asynchronous producer; the tool's own default. */
const batchRecords = 500

const program = 'nats bench js'
const limitMs = 300_000

export class NatsLoad implements LoadTool {
  readonly name = program
  readonly #workshop: Workshop
  readonly #tool: string
  readonly #url: string
  /** Value sizes, which the consumer's report does not have. */
  readonly #valueBytes = new Map<string, number>()

  constructor(workshop: Workshop, tool: string, port: number) {
    this.#workshop = workshop
    this.#tool = tool
    this.#url = `nats://127.0.0.1:${port}`
  }

  /** Whether it syncs is a setting of the server. */
  async createTopic({ topic }: TopicPlan): Promise<void> {
    const limits = [`--max-bytes=${streamBytes}`, '--storage=file', '--replicas=1']
    const args = ['stream', 'add', topic, `--subjects=${topic}`, ...limits, '--defaults']
    await this.#run(args, undefined)
  }

  async deleteTopic(topic: string): Promise<void> {
    await this.#run(['stream', 'rm', '--force', topic], undefined)
  }

  async produce(plan: ProducePlan): Promise<LoadResult> {
    const { topic, records, valueBytes, producers, isOneByOne, core } = plan
    if (plan.rate !== undefined) throw new Error(`${program} has no rate`)
    this.#valueBytes.set(topic, valueBytes)
    const way = isOneByOne ? ['sync', topic] : ['async', topic, `--batch=${batchRecords}`]
    const args = ['bench', 'js', 'pub', ...way, `--stream=${topic}`, `--size=${valueBytes}`]
    args.push(`--msgs=${records}`, `--clients=${producers}`, '--no-progress')
    const { stdout } = await this.#run(args, core)
    return { records, bytes: records * valueBytes, seconds: records / parseNatsRate(stdout) }
  }

  async consume({ topic, records, consumers, core }: ConsumePlan): Promise<LoadResult> {
    const args = ['bench', 'js', 'ordered', `--stream=${topic}`, `--msgs=${records}`]
    args.push(`--clients=${consumers}`, '--no-progress')
    const { stdout } = await this.#run(args, core)
    const read = records * consumers
    const bytes = read * this.#valueBytes.get(topic)!
    return { records: read, bytes, seconds: read / parseNatsRate(stdout) }
  }

  async #run(args: readonly string[], core: number | undefined): Promise<ChildResult> {
    const [command, all] = onCore(core, this.#tool, ['--server', this.#url, ...args])
    // Its settings are not those of whoever runs the bench.
    const env = { XDG_CONFIG_HOME: join(this.#workshop.scratch, 'nats') }
    return this.#workshop.mustRun(command, all, { env, limitMs, log: 'nats-load.log' })
  }
}

/** Records a second of all clients together. */
export function parseNatsRate(stdout: string): number {
  const [, rate] = /stats: ([\d,]+) msgs\/sec/.exec(stdout) ?? []
  if (rate === undefined) throw new Error(`${program} did not say its rate`)
  return Number(rate.replaceAll(',', ''))
}
