/**
 * kafkajs' admin client, unmodified, against a broker of three ids in this process: what it changes
 * is looked at through the library.
 */
import kafkajs, { type Admin } from 'kafkajs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type TestBroker, testBroker } from '../../src/public-testing.ts'

let broker: TestBroker
let admin: Admin

beforeAll(async () => {
  broker = await testBroker({ brokers: 3 })
  const { logLevel } = kafkajs
  const kafka = new kafkajs.Kafka({ brokers: [...broker.brokers], logLevel: logLevel.NOTHING })
  admin = kafka.admin()
  await admin.connect()
})

afterAll(async () => {
  await admin.disconnect()
  await broker.close()
})

describe('kafkajs administers', () => {
  it('topics with three replicas, all in sync, led by three brokers in turn', async () => {
    await admin.createTopics({
      topics: [{ topic: 'three', numPartitions: 6, replicationFactor: 3 }],
    })
    const { topics } = await admin.fetchTopicMetadata({ topics: ['three'] })
    const partitions = [...topics[0]!.partitions].sort((a, b) => a.partitionId - b.partitionId)
    expect(partitions.map(({ leader }) => leader)).toEqual([1, 2, 3, 1, 2, 3])
    for (const { isr, replicas } of partitions)
      expect([isr.length, replicas.length]).toEqual([3, 3])
    const { brokers } = await admin.describeCluster()
    expect(brokers.map(({ nodeId }) => nodeId)).toEqual([1, 2, 3])
    const tooMany = { topic: 'four', replicationFactor: 4 }
    await expect(admin.createTopics({ topics: [tooMany] })).rejects.toThrow()
  })

  it('topics that it assigns by hand', async () => {
    const replicaAssignment = [{ partition: 0, replicas: [3, 1] }]
    await admin.createTopics({ topics: [{ topic: 'by-hand', replicaAssignment }] })
    const { topics } = await admin.fetchTopicMetadata({ topics: ['by-hand'] })
    expect(topics[0]!.partitions[0]).toMatchObject({ leader: 3, replicas: [3, 1] })
  })

  it('settings of topics, which act at once', async () => {
    await admin.createTopics({ topics: [{ topic: 'settings', numPartitions: 1 }] })
    const resource = { type: kafkajs.ConfigResourceTypes.TOPIC, name: 'settings' }
    await admin.alterConfigs({
      validateOnly: false,
      resources: [{ ...resource, configEntries: [{ name: 'max.message.bytes', value: '100' }] }],
    })
    const { resources } = await admin.describeConfigs({
      includeSynonyms: true,
      resources: [{ ...resource, configNames: ['max.message.bytes'] }],
    })
    expect(resources[0]!.configEntries[0]).toMatchObject({
      configName: 'max.message.bytes',
      configValue: '100',
    })
    const log = await broker.store.log('settings')
    await expect(log.append('x'.repeat(200))).rejects.toMatchObject({ code: 'ERR_BATCH_TOO_LARGE' })
    const unknown = { ...resource, configEntries: [{ name: 'no.such', value: '1' }] }
    await expect(
      admin.alterConfigs({ validateOnly: false, resources: [unknown] }),
    ).rejects.toMatchObject({ type: 'INVALID_CONFIG' })
  })

  it('records that it deletes', async () => {
    const log = await broker.store.log('trimmed')
    await log.append(['a', 'b', 'c'])
    // kafkajs deletes only where it knows the leader already.
    expect(await admin.fetchTopicOffsets('trimmed')).toMatchObject([{ low: '0', high: '3' }])
    await admin.deleteTopicRecords({
      topic: 'trimmed',
      partitions: [{ partition: 0, offset: '2' }],
    })
    expect(log.startOffset).toBe(2)
    await admin.deleteTopicRecords({
      topic: 'trimmed',
      partitions: [{ partition: 0, offset: '-1' }],
    })
    expect(log.startOffset).toBe(3)
    expect(await admin.fetchTopicOffsets('trimmed')).toMatchObject([{ low: '3', high: '3' }])
  })

  it('reassignments, which are over at once', async () => {
    await admin.createTopics({ topics: [{ topic: 'moved', numPartitions: 1 }] })
    await admin.alterPartitionReassignments({
      topics: [{ topic: 'moved', partitionAssignment: [{ partition: 0, replicas: [2, 3] }] }],
    })
    const { topics } = await admin.listPartitionReassignments({})
    expect(topics).toEqual([])
    const told = await admin.fetchTopicMetadata({ topics: ['moved'] })
    expect(told.topics[0]!.partitions[0]).toMatchObject({ leader: 2, replicas: [2, 3] })
  })
})

describe('kafkajs produces', () => {
  it('to whichever broker leads, into one store', async () => {
    const { logLevel } = kafkajs
    const kafka = new kafkajs.Kafka({ brokers: [broker.address], logLevel: logLevel.NOTHING })
    const producer = kafka.producer()
    await admin.createTopics({ topics: [{ topic: 'spread', numPartitions: 3 }] })
    await producer.connect()
    const messages = [0, 1, 2].map((partition) => ({ partition, value: `${partition}` }))
    await producer.send({ topic: 'spread', messages, acks: -1 })
    await producer.disconnect()
    for (const partition of [0, 1, 2]) {
      expect((await broker.store.log('spread', { partition })).endOffset).toBe(1)
    }
  })
})
