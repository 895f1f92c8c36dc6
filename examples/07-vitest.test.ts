// The same with vitest, against three broker ids (one process, one copy). Run: npx vitest run
import { Kafka, logLevel } from 'kafkajs'
import { type TestBroker, testBroker } from 'stratalog/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'

let broker: TestBroker
beforeAll(async () => {
  broker = await testBroker({ brokers: 3 })
})
afterAll(() => broker.close())

test('a topic has three replicas', async () => {
  const kafka = new Kafka({ brokers: [...broker.brokers], logLevel: logLevel.ERROR })
  const admin = kafka.admin()
  await admin.connect()
  await admin.createTopics({
    topics: [{ topic: 'orders', numPartitions: 3, replicationFactor: 3 }],
  })
  const { topics } = await admin.fetchTopicMetadata({ topics: ['orders'] })
  await admin.disconnect()
  const partitions = topics[0]?.partitions ?? []
  expect(partitions.map(({ isr }) => isr.length)).toEqual([3, 3, 3])
  expect(new Set(partitions.map(({ leader }) => leader)).size).toBe(3)
})
