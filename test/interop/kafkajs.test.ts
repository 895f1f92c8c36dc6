/**
 * kafkajs, unmodified, against the server in this process; what it sent is then read through the
 * library and through raw Fetch requests. Its consumers are in groups.test.ts.
 */
import kafkajs, { type Admin, type Kafka, type Producer } from 'kafkajs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type KafkaCodecName, kafkaCodecs, registerKafkaCodecs } from '../../demo/kafkajs-codecs.ts'
import { RawClient, visitRecords } from '../../demo/raw-client.ts'
import type { LogRecord } from '../../src/public.ts'
import { openStore, type Store } from '../../src/public.ts'
import { type LogServer, serve } from '../../src/public-server.ts'
import { makeTemporaryDirectory } from '../support/temporary-directory.ts'

const directory = makeTemporaryDirectory()
let store: Store
let server: LogServer
let kafka: Kafka
let admin: Admin
let producer: Producer

describe('kafkajs', () => {
  beforeAll(async () => {
    store = await openStore(directory.path)
    server = await serve(store, { port: 0 })
    registerKafkaCodecs()
    kafka = new kafkajs.Kafka({
      clientId: 'interop',
      brokers: [server.address],
      logLevel: kafkajs.logLevel.NOTHING,
      retry: { retries: 2 },
    })
    admin = kafka.admin()
    producer = kafka.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner })
    await admin.connect()
    await producer.connect()
  })

  afterAll(async () => {
    await producer.disconnect()
    await admin.disconnect()
    await server.close()
    await store.close()
    directory.remove()
  })

  it.each(Object.keys(kafkaCodecs) as KafkaCodecName[])(
    'produces with codec %s what both doors read back',
    async (codec) => {
      const topic = `codec-${codec}`
      const values = Array.from({ length: 2_000 }, (_, i) => `value ${i} ${'x'.repeat(i % 50)}`)
      const messages = values.map((value) => ({ value }))
      await producer.send({ topic, messages, compression: kafkaCodecs[codec], acks: -1 })
      expect((await recordsOf(topic)).map(({ value }) => String(value))).toEqual(values)
      expect(await fetchValues(topic)).toEqual(values)
    },
  )

  it.each([0, 1, -1])('produces with acks %i', async (acks) => {
    const topic = `acks${acks}`
    await admin.createTopics({ topics: [{ topic, numPartitions: 1 }] })
    const answer = await producer.send({ topic, acks, messages: [{ value: 'a' }, { value: 'b' }] })
    if (acks !== 0) expect(answer[0]).toMatchObject({ errorCode: 0, baseOffset: '0' })
    // The connection answers in order: once metadata came back, what was sent before is stored.
    const log = await store.log(topic)
    await log.reached('os', 2)
    expect((await recordsOf(topic)).map(({ value }) => String(value))).toEqual(['a', 'b'])
  })

  it('keeps null keys and values, empty ones, headers and timestamps', async () => {
    const topic = 'fields'
    const messages = [
      { key: null, value: null, timestamp: '1000' },
      { key: '', value: '', timestamp: '2000' },
      {
        key: 'k',
        value: Buffer.from([0, 255]),
        headers: { one: 'a', two: ['b', 'c'] },
        timestamp: '3000',
      },
    ]
    await producer.send({ topic, messages })
    const [first, second, third] = await recordsOf(topic)
    expect(first).toMatchObject({ key: null, value: null, timestamp: 1000 })
    expect(second).toMatchObject({ key: Buffer.alloc(0), value: Buffer.alloc(0), timestamp: 2000 })
    expect(third?.value).toEqual(Buffer.from([0, 255]))
    expect(third?.headers.map(({ key, value }) => `${key}=${value}`)).toEqual([
      'one=a',
      'two=b',
      'two=c',
    ])
  })

  it('produces a record of a mebibyte minus its overhead, and is told when one is too large', async () => {
    const topic = 'large'
    const value = Buffer.alloc(1024 * 1024 - 200, 7)
    await producer.send({ topic, messages: [{ value }] })
    const [record] = await recordsOf(topic)
    expect(record?.value?.equals(value)).toBe(true)
    const tooLarge = [{ value: Buffer.alloc(2 * 1024 * 1024) }]
    await expect(producer.send({ topic, messages: tooLarge })).rejects.toMatchObject({
      type: 'MESSAGE_TOO_LARGE',
    })
    expect(await recordsOf(topic)).toHaveLength(1)
  })

  it('produces as an idempotent producer, over several sends and partitions', async () => {
    const topic = 'idempotent'
    await admin.createTopics({ topics: [{ topic, numPartitions: 3 }] })
    const idempotent = kafka.producer({ idempotent: true, maxInFlightRequests: 1 })
    await idempotent.connect()
    try {
      for (let i = 0; i < 20; i++) {
        const messages = [0, 1, 2].map((partition) => ({ partition, value: `${i}` }))
        await idempotent.send({ topic, messages })
      }
    } finally {
      await idempotent.disconnect()
    }
    const expected = Array.from({ length: 20 }, (_, i) => `${i}`)
    for (const partition of [0, 1, 2]) {
      const records = await recordsOf(topic, partition)
      expect(records.map(({ value }) => String(value))).toEqual(expected)
    }
  })

  it('creates, describes, grows and deletes topics', async () => {
    const topic = 'managed'
    const configEntries = [{ name: 'segment.bytes', value: '2097152' }]
    expect(await admin.createTopics({ topics: [{ topic, numPartitions: 2, configEntries }] })).toBe(
      true,
    )
    expect(await admin.createTopics({ topics: [{ topic }] })).toBe(false)
    expect(await admin.listTopics()).toContain(topic)
    expect(await partitionIds(topic)).toEqual([0, 1])
    await admin.createPartitions({ topicPartitions: [{ topic, count: 4 }] })
    expect(await partitionIds(topic)).toEqual([0, 1, 2, 3])
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic }],
    })
    const entries = resources[0]?.configEntries ?? []
    expect(entries.find(({ configName }) => configName === 'segment.bytes')?.configValue).toBe(
      '2097152',
    )
    await admin.deleteTopics({ topics: [topic] })
    expect(await admin.listTopics()).not.toContain(topic)
  })

  it('asks for offsets by position and by time', async () => {
    const topic = 'offsets'
    const messages = Array.from({ length: 10 }, (_, i) => ({
      value: `${i}`,
      timestamp: `${1_000 * (i + 1)}`,
    }))
    await producer.send({ topic, messages })
    expect(await admin.fetchTopicOffsets(topic)).toEqual([
      { partition: 0, offset: '10', high: '10', low: '0' },
    ])
    expect(await admin.fetchTopicOffsetsByTimestamp(topic, 4_500)).toEqual([
      { partition: 0, offset: '4' },
    ])
    expect(await admin.fetchTopicOffsetsByTimestamp(topic, 99_000)).toEqual([
      { partition: 0, offset: '10' },
    ])
  })

  it('describes the cluster as this one node', async () => {
    const { brokers, controller, clusterId } = await admin.describeCluster()
    expect(brokers).toEqual([{ nodeId: store.nodeId, host: '127.0.0.1', port: server.port }])
    expect({ controller, clusterId }).toEqual({
      controller: store.nodeId,
      clusterId: store.clusterId,
    })
  })
})

async function partitionIds(topic: string): Promise<number[]> {
  const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
  return topics[0]!.partitions.map(({ partitionId }) => partitionId).sort()
}

async function recordsOf(topic: string, partition = 0): Promise<LogRecord[]> {
  const log = await store.log(topic, { partition })
  const records: LogRecord[] = []
  for await (const record of log.read()) records.push(record)
  expect(records.map(({ offset }) => offset)).toEqual(records.map((_, i) => i))
  return records
}

async function fetchValues(topic: string): Promise<string[]> {
  const client = await RawClient.connect(server.port)
  const values: string[] = []
  try {
    for (let fetchOffset = 0; ; ) {
      const [answer] = await client.fetch(topic, [{ partition: 0, fetchOffset }])
      fetchOffset = visitRecords(answer!.records, fetchOffset, (record) => {
        values.push(record.source.toString('utf8', record.valueStart, record.valueEnd))
      })
      if (fetchOffset >= answer!.highWatermark) return values
    }
  } finally {
    client.close()
  }
}
