/** The clients and topics of a check, with the messages that it sends. */
import { on } from 'node:events'
import {
  Admin,
  Consumer,
  Producer,
  stringDeserializers,
  stringSerializers,
} from '@platformatic/kafka'
import { equal, open, waitMs } from './harness.mjs'

const address = process.argv[2]
export const startMs = 1_600_000_000_000

export const acks = { none: 0, leader: 1, all: -1 }
/** Stand for a time in requests for offsets. */
export const earliest = -2n
export const latest = -1n
export const ofMaxTimestamp = -3n

const connection = { clientId: 'checks', bootstrapBrokers: [address] }
const consumption = {
  ...connection,
  deserializers: stringDeserializers,
  maxWaitTime: 200,
  sessionTimeout: 10_000,
  heartbeatInterval: 200,
}

let names = 0
/** A name nobody has used. */
export function freshName(kind) {
  return `plt-${kind}-${Date.now()}-${++names}`
}

export function newAdmin() {
  return open(new Admin(connection))
}

export function newProducer(options = {}) {
  return open(new Producer({ ...connection, serializers: stringSerializers, ...options }))
}

export function newConsumer(options = {}) {
  return open(new Consumer({ groupId: freshName('group'), ...consumption, ...options }))
}

export async function newTopic(partitions, settings = {}) {
  const topic = freshName('topic')
  const configs = Object.entries(settings).map(([name, value]) => ({ name, value }))
  const admin = newAdmin()
  await admin.createTopics({ topics: [topic], partitions, replicas: 1, configs })
  // Kafka answers before its partitions can be written to; this call asks until they can.
  const places = range(0, partitions).map((partitionIndex) => ({
    partitionIndex,
    timestamp: latest,
  }))
  await admin.listOffsets({ topics: [{ name: topic, partitions: places }] })
  return topic
}

/** Message n of a topic. */
export function message(topic, n) {
  return {
    topic,
    key: `key-${n}`,
    value: `value-${n}-${'x'.repeat(n % 200)}`,
    headers: { n: String(n), empty: '' },
    timestamp: BigInt(startMs + n),
  }
}

/** The n of a record, which must be message n. */
export function numberOf(record) {
  const n = Number(record.key.slice('key-'.length))
  const { topic, ...expected } = message(record.topic, n)
  const { key, value, timestamp } = record
  const headers = Object.fromEntries(record.headers)
  equal('record', { key, value, headers, timestamp }, expected)
  return n
}

/** Each message below count once; per partition dense offsets, in the order sent. */
export function holdsAll(records, count) {
  const last = new Map()
  const seen = new Set()
  for (const record of records) {
    const n = numberOf(record)
    const before = last.get(record.partition) ?? { offset: -1n, n: -1 }
    equal('offset', record.offset, before.offset + 1n)
    if (n <= before.n || seen.has(n)) throw new Error(`message ${n} after ${before.n}, or twice`)
    last.set(record.partition, { offset: record.offset, n })
    seen.add(n)
  }
  equal('number of messages', seen.size, count)
}

export function range(first, end) {
  return Array.from({ length: end - first }, (_, index) => first + index)
}

/** Sends messages first to end, 100 a call and several calls at a time. */
export async function produce(producer, topic, end, { first = 0, ...options } = {}) {
  const answers = []
  for (let start = first; start < end; start += 100) {
    const numbers = range(start, Math.min(start + 100, end))
    answers.push(producer.send({ messages: numbers.map((n) => message(topic, n)), ...options }))
  }
  return await Promise.all(answers)
}

/** The next `count` records of a stream, which stays open. */
export async function take(stream, count) {
  const records = []
  if (count === 0) return records
  const signal = AbortSignal.timeout(waitMs)
  try {
    for await (const [record] of on(stream, 'data', { signal })) {
      records.push(record)
      if (records.length === count) break
    }
  } catch (error) {
    if (!signal.aborted) throw error
    throw new Error(`${records.length} of ${count} records`)
  }
  return records
}

export async function readAll(topic, count, options = {}) {
  const consumer = newConsumer()
  const stream = await consumer.consume({ topics: [topic], mode: 'earliest', ...options })
  const records = await take(stream, count)
  await stream.close()
  return records
}
