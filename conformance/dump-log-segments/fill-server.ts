/** Clients that fill a server with every kind of batch it may have to write. */
import kafkajs, { type Kafka, type Message, type ProducerConfig } from 'kafkajs'
import { kafkaCodecs } from '../../demo/kafkajs-codecs.ts'
import { SimRandom } from '../../src/platform/sim-random.ts'
import type { Address } from '../support/server-under-test.ts'

export type CodecName = keyof typeof kafkaCodecs

export type FilledTopic = {
  readonly name: string
  readonly partitions: number
  readonly config: Readonly<Record<string, string>>
  /** What the producer compresses with. */
  readonly sends: CodecName
  /** What the batches on disk must be compressed with. */
  readonly stores: CodecName
  readonly isIdempotent?: boolean
  /** Records without a key, a value or either, with headers, and large ones. */
  readonly isVaried?: boolean
}

/** Small, so that there are several segments, and several entries in each index. */
const smallSegments = { 'segment.bytes': '16384', 'index.interval.bytes': '512' }

const codecs = Object.keys(kafkaCodecs) as CodecName[]

export const filledTopics: readonly FilledTopic[] = [
  ...codecs.map((codec) => topic(`sent-${codec}`, { sends: codec, stores: codec })),
  ...codecs
    .filter((codec) => codec !== 'none')
    .map((codec) =>
      topic(`stored-${codec}`, { stores: codec, config: { 'compression.type': codec } }),
    ),
  topic('uncompressed-again', {
    sends: 'zstd',
    stores: 'none',
    config: { 'compression.type': 'uncompressed' },
  }),
  topic('idempotent', { partitions: 2, isIdempotent: true }),
  topic('stamped', { config: { 'message.timestamp.type': 'LogAppendTime' } }),
  topic('varied', { isVaried: true, config: { 'segment.bytes': '65536' } }),
]

const maxBatchRecords = 30
const producersOfIdempotent = 3

function topic(name: string, details: Partial<FilledTopic>): FilledTopic {
  const { config = {}, ...others } = details
  const defaults = { name, partitions: 1, sends: 'none', stores: 'none' } as const
  return { ...defaults, ...others, config: { ...smallSegments, ...config } }
}

export function kafkaOf({ host, port }: Address): Kafka {
  return new kafkajs.Kafka({
    clientId: 'dump-log-segments',
    brokers: [`${host}:${port}`],
    logLevel: kafkajs.logLevel.NOTHING,
    retry: { retries: 0 },
  })
}

export async function createFilledTopics(kafka: Kafka): Promise<void> {
  const admin = kafka.admin()
  await admin.connect()
  await admin.createTopics({
    topics: filledTopics.map(({ name, partitions, config }) => ({
      topic: name,
      numPartitions: partitions,
      configEntries: Object.entries(config).map(([key, value]) => ({ name: key, value })),
    })),
  })
  await admin.disconnect()
}

/**
 * Sends batches to all topics in turn until `isOver`, which is asked before each of them. A failure
 * after that is no failure: the server is gone.
 *
 * @returns records acknowledged, by log.
 */
export async function fill(
  kafka: Kafka,
  seed: number,
  isOver: (batches: number) => boolean,
): Promise<Map<string, number>> {
  const random = new SimRandom(seed)
  const acked = new Map<string, number>()
  const idempotent: ProducerConfig = {
    idempotent: true,
    maxInFlightRequests: 1,
    retry: { retries: 1 },
  }
  const plain = kafka.producer()
  const others = Array.from({ length: producersOfIdempotent }, () => kafka.producer(idempotent))
  const all = [plain, ...others]
  for (const producer of all) await producer.connect()
  for (let batches = 0; !isOver(batches); batches++) {
    const { name, partitions, sends, isIdempotent, isVaried } = random.pick(filledTopics)
    const partition = random.below(partitions)
    const messages = Array.from({ length: 1 + random.below(maxBatchRecords) }, (_, index) => {
      const number = `${batches}/${index}`
      return {
        partition,
        ...(isVaried ? variedMessage(random, number) : plainMessage(random, number)),
      }
    })
    const producer = isIdempotent ? random.pick(others) : plain
    const compression = kafkaCodecs[sends]
    try {
      await producer.send({ topic: name, acks: -1, compression, messages })
    } catch (error) {
      if (!isOver(batches)) throw error
      break
    }
    const log = `${name}-${partition}`
    acked.set(log, (acked.get(log) ?? 0) + messages.length)
  }
  // The server may be gone, and their connections with it.
  for (const producer of all) await producer.disconnect().catch(() => {})
  return acked
}

/** Half of the value is the same in all records, the other half cannot be compressed. */
function plainMessage(random: SimRandom, number: string): Message {
  const noise = Array.from({ length: 12 }, () => random.next().toString(36)).join('')
  return { key: `key ${number}`, value: `value ${number} ${'.'.repeat(100)}${noise}` }
}

function variedMessage(random: SimRandom, number: string): Message {
  const isLarge = random.chance(0.02)
  return {
    key: random.pick([null, '', `key ${number}`]),
    value: isLarge ? number.repeat(800) : random.pick([null, '', `value ${number}`]),
    headers: random.pick([{}, { one: '1' }, { one: '', two: Buffer.from([0, 255]) }]),
  }
}
