/**
 * Clients that load a server until it is gone. Each notes in the model what it was told; a request
 * that failed ends the loop it belongs to, because the numbers after it would have a hole.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import kafkajs, {
  type Kafka,
  type Message,
  type Producer,
  type ProducerRecord,
  type RecordMetadata,
} from 'kafkajs'
import { kafkaCodecs } from '../../demo/kafkajs-codecs.ts'
import { produceApi } from '../../src/broker/api/produce.ts'
import type { SimRandom } from '../../src/platform/sim-random.ts'
import { BatchBuilder } from '../../src/record/batch-builder.ts'
import { codecNames } from '../../src/record/codec-name.ts'
import { KafkaClient } from '../../test/support/kafka-client.ts'
import { batchIds, formatId, valueFor } from './numbered-value.ts'
import type { TopicLayout } from './read-server.ts'
import type { StoreModel } from './store-model.ts'

export const layout: TopicLayout = { one: 3, all: 2, idempotent: 2, raw: 3, cat: 1 }

const maxBatchRecords = 20
const loopsPerClient = 3
const rawPipeline = 4
const produceVersion = 9
const kcatLines = 400
const neverMs = 2 ** 31 - 1
const maxForgetfulSends = 10

type Send = (record: ProducerRecord) => Promise<RecordMetadata[]>

export type Load = {
  readonly port: number
  readonly model: StoreModel
  readonly random: SimRandom
  /** Names the sources of this life. */
  readonly life: string
  /** Called at every acknowledgement. */
  onAck(): void
  /** The server is about to go, or has gone: failures are expected. */
  isEnding(): boolean
}

export function kafkaOf(port: number, retries: number): Kafka {
  return new kafkajs.Kafka({
    clientId: 'crash',
    brokers: [`127.0.0.1:${port}`],
    logLevel: kafkajs.logLevel.NOTHING,
    connectionTimeout: 5_000,
    retry: { retries, initialRetryTime: 30, maxRetryTime: 150 },
  })
}

/** Makes the topics of `layout`, with segments small enough to roll. */
export async function createTopics(port: number): Promise<void> {
  const admin = kafkaOf(port, 3).admin()
  await admin.connect()
  const configEntries = [{ name: 'segment.bytes', value: '131072' }]
  const topics = Object.entries(layout).map(([topic, numPartitions]) => {
    return { topic, numPartitions, configEntries }
  })
  await admin.createTopics({ topics })
  await admin.disconnect()
}

/** kafkajs, not idempotent and without retries, in several loops at once. */
export async function loadByKafkajs(load: Load, topic: string, acks: 1 | -1): Promise<void> {
  const producer = kafkaOf(load.port, 0).producer({ retry: { retries: 0 } })
  try {
    await producer.connect()
  } catch (error) {
    if (load.isEnding()) return
    throw error
  }
  const send: Send = (record) => producer.send(record)
  const loops = Array.from({ length: loopsPerClient }, async (_, loop) => {
    const source = `${load.life}.${topic}${loop}`
    const numbers = new Map<number, number>()
    while (!load.isEnding()) {
      const partition = load.random.below(layout[topic]!)
      const number = numbers.get(partition) ?? 0
      try {
        const count = await sendBatch(load, send, topic, partition, { source, number, acks })
        numbers.set(partition, number + count)
      } catch (error) {
        if (!load.isEnding()) throw error
        return
      }
    }
  })
  await Promise.all(loops)
  await producer.disconnect().catch(() => {}) // Its connection is gone with the server.
}

/** One kafkajs send, a batch of one partition. @returns the records acknowledged. */
async function sendBatch(
  load: Load,
  send: Send,
  topic: string,
  partition: number,
  batch: { source: string; number: number; acks: 1 | -1 },
): Promise<number> {
  const { source, number, acks } = batch
  const count = 1 + load.random.below(maxBatchRecords)
  const messages: Message[] = batchIds(source, number, count).map((id) => {
    return { partition, key: source, value: valueFor(id) }
  })
  const compression = load.random.pick(Object.values(kafkaCodecs))
  const [answer] = await send({ topic, acks, compression, messages })
  const level = acks === 1 ? 'os' : 'disk'
  load.model
    .log(`${topic}-${partition}`)
    .ack(level, Number(answer!.baseOffset), source, number, count)
  load.onAck()
  return count
}

/**
 * kafkajs forgets the address that it began with when its only broker goes, and a retry that falls into
 * that moment ends in a TypeError of its own. The next call knows the address again; what is sent must
 * be the same, because the server may have it.
 */
async function sendAsOften(producer: Producer, record: ProducerRecord): Promise<RecordMetadata[]> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await producer.send(record)
    } catch (error) {
      const isForgetful = (error as Error).cause instanceof TypeError
      if (!isForgetful || attempt === maxForgetfulSends) throw error
    }
  }
}

/**
 * An idempotent kafkajs producer that outlives servers: what a kill leaves unanswered it sends
 * again. It pauses between sends while the server is looked at.
 */
export class IdempotentLoad {
  readonly #producer: Producer
  readonly #name: string
  #load: Load | undefined
  #wake: (() => void) | undefined
  #loops: Promise<void>[] = []
  #isOver = false
  #busy = 0
  #whenIdle: (() => void) | undefined

  constructor(port: number, name: string) {
    this.#name = name
    this.#producer = kafkaOf(port, 200).producer({ idempotent: true, maxInFlightRequests: 1 })
  }

  async start(load: Load): Promise<void> {
    await this.#producer.connect()
    this.#load = load
    this.#loops = Array.from({ length: layout['idempotent']! }, (_, i) => this.#loop(i))
    // A failure is thrown by `end`, not here.
    for (const loop of this.#loops) loop.catch(() => {})
  }

  /** Goes on with the load of the next life. */
  resume(load: Load): void {
    this.#load = load
    this.#wake?.()
    this.#wake = undefined
  }

  /** Resolves when nothing is being sent; nothing will be until `resume`. */
  async pause(): Promise<void> {
    this.#load = undefined
    if (this.#busy > 0) {
      const idle = new Promise<void>((resolve) => {
        this.#whenIdle = resolve
      })
      await Promise.race([idle, Promise.all(this.#loops)])
    }
  }

  /** Ends the loops; rejects with what one of them failed with. */
  async end(): Promise<void> {
    this.#isOver = true
    this.#wake?.()
    await Promise.all(this.#loops)
    await this.#producer.disconnect().catch(() => {}) // The server may be gone.
  }

  async #loop(partition: number): Promise<void> {
    const source = `${this.#name}${partition}`
    const send: Send = (record) => sendAsOften(this.#producer, record)
    for (let number = 0; !this.#isOver; ) {
      const load = this.#load
      if (load === undefined) {
        await this.#resumed()
        continue
      }
      this.#busy++
      try {
        const batch = { source, number, acks: -1 } as const
        number += await sendBatch(load, send, 'idempotent', partition, batch)
      } finally {
        this.#busy--
        if (this.#busy === 0) this.#whenIdle?.()
      }
    }
  }

  #resuming: Promise<void> | undefined

  #resumed(): Promise<void> {
    this.#resuming ??= new Promise<void>((resolve) => {
      this.#wake = () => {
        this.#resuming = undefined
        resolve()
      }
    })
    return this.#resuming
  }
}

/** A connection of our own with several requests under way, at a random level each. */
export async function loadByRawClient(load: Load, name: string): Promise<void> {
  const client = await KafkaClient.connect(load.port)
  const builder = new BatchBuilder({ codec: load.random.pick(codecNames) })
  const numbers = new Map<number, number>()
  const source = `${load.life}.${name}`
  const send = async () => {
    const partition = load.random.below(layout['raw']!)
    const count = 1 + load.random.below(maxBatchRecords)
    const number = numbers.get(partition) ?? 0
    numbers.set(partition, number + count)
    for (const id of batchIds(source, number, count)) builder.add(valueFor(id), Date.now())
    const records = Buffer.from(builder.finish())
    builder.reset()
    const acks = load.random.pick([1, -1])
    const answer = await client.ask(produceApi, produceVersion, {
      transactionalId: null,
      acks,
      timeoutMs: 30_000,
      topicData: [{ name: 'raw', partitionData: [{ index: partition, records }] }],
    })
    const { errorCode, baseOffset } = answer.responses[0]!.partitionResponses[0]!
    if (errorCode !== 0) throw new Error(`raw-${partition} refused a batch: error ${errorCode}`)
    const level = acks === 1 ? 'os' : 'disk'
    load.model.log(`raw-${partition}`).ack(level, baseOffset, source, number, count)
    load.onAck()
  }
  const slots = Array.from({ length: rawPipeline }, async () => {
    try {
      while (!load.isEnding()) await send()
    } catch (error) {
      if (!load.isEnding()) throw error
    }
  })
  await Promise.all(slots)
  client.close()
}

/** Why kcat is not used; undefined when it is. */
export const kcatMissing =
  spawnSync('kcat', ['-V']).status === 0 ? undefined : 'kcat is not installed (Debian: kcat)'

/** One kcat with many lines. It says only at its end that all of them were acknowledged. */
export class KcatLoad {
  readonly #child: ChildProcess
  readonly done: Promise<void>

  constructor(load: Load) {
    const source = `${load.life}.cat`
    const isIdempotent = load.random.chance(0.5)
    const settings = {
      'batch.num.messages': 1 + load.random.below(50),
      'linger.ms': load.random.below(3),
      'compression.codec': load.random.pick(['none', 'gzip', 'lz4', 'snappy', 'zstd']),
      'message.timeout.ms': neverMs,
      acks: isIdempotent ? 'all' : load.random.pick(['1', 'all']),
      // Without a producer id a repeated or overtaken batch would be its own fault, not the server's.
      ...(isIdempotent
        ? { 'enable.idempotence': true }
        : { 'message.send.max.retries': 0, 'max.in.flight': 1 }),
    }
    const options = Object.entries(settings).flatMap(([key, value]) => ['-X', `${key}=${value}`])
    const target = ['-P', '-b', `127.0.0.1:${load.port}`, '-t', 'cat', '-p', '0']
    this.#child = spawn('kcat', [...target, ...options], { stdio: ['pipe', 'ignore', 'ignore'] })
    const input = this.#child.stdin!
    input.on('error', () => {}) // It was killed while it still read.
    const count = 1 + load.random.below(kcatLines)
    for (let number = 0; number < count; number++) {
      input.write(`${valueFor(formatId({ source, number, index: 0, count: 1 }))}\n`)
    }
    input.end()
    this.done = once(this.#child, 'exit').then(([code]) => {
      if (code !== 0) return
      load.model.log('cat-0').ackCount(source, count)
      load.onAck()
    })
  }

  /** Before it can reach the next server and go on there with a hole in its numbers. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.done
  }
}
