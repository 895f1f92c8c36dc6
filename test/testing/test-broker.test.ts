// Goal: a test gets a broker in one call, and nothing of it is left when it closes.
import { existsSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { metadataApi } from '../../src/broker/api/metadata.ts'
import { produceApi } from '../../src/broker/api/produce.ts'
import { testBroker } from '../../src/testing/test-broker.ts'
import { batchOf } from '../support/broker-harness.ts'
import { KafkaClient } from '../support/kafka-client.ts'

describe('a test broker', () => {
  it('serves the topics it was given, and goes with its data', async () => {
    const broker = await testBroker({ topics: { orders: { partitions: 2 }, plain: {} } })
    expect(broker.address).toBe(`127.0.0.1:${broker.port}`)
    const client = await KafkaClient.connect(broker.port)
    const { topics } = await client.ask(metadataApi, 12, { topics: null })
    expect(topics.map(({ name, partitions }) => [name, partitions.length])).toEqual([
      ['orders', 2],
      ['plain', 1],
    ])
    await client.ask(produceApi, 9, {
      acks: -1,
      timeoutMs: 30_000,
      topicData: [{ name: 'orders', partitionData: [{ index: 1, records: batchOf(['tea']) }] }],
    })
    expect((await broker.store.log('orders', { partition: 1 })).endOffset).toBe(1)
    const { path } = broker.store
    expect(existsSync(path)).toBe(true)
    // The client is still connected.
    await Promise.all([broker.close(), broker.close()])
    await client.tcp.closed
    expect(existsSync(path)).toBe(false)
  })

  it('may have several broker ids, whose replicas topics then have', async () => {
    const broker = await testBroker({ brokers: 3, topics: ['t'] })
    expect(broker.bootstrapServers.split(',')).toEqual(broker.brokers)
    const client = await KafkaClient.connect(broker.port)
    const asked = [{ name: 't' }, { name: 'created on use' }, { name: 'created' }]
    const { brokers, topics } = await client.ask(metadataApi, 12, { topics: asked })
    expect(brokers).toHaveLength(3)
    expect(topics.map(({ errorCode }) => errorCode)).toEqual([0, 17, 0])
    expect(topics[0]!.partitions[0]!.isrNodes).toHaveLength(3)
    expect(topics[2]!.partitions[0]!.isrNodes).toHaveLength(3)
    client.close()
    await broker.close()
  })

  it('runs beside others', async () => {
    const brokers = await Promise.all([testBroker(), testBroker(), testBroker()])
    expect(new Set(brokers.map(({ port }) => port)).size).toBe(3)
    await Promise.all(brokers.map((broker) => broker.close()))
  })

  it.each([
    [{ brokers: 0 }, 'ERR_OPTION_INVALID'],
    [{ topics: ['no good'] }, 'ERR_TOPIC_INVALID'],
    [{ port: 1 }, 'ERR_OPTION_INVALID'],
    [{ config: { 'segment.bytes': '1' } }, 'ERR_OPTION_INVALID'],
  ])('refuses %j', async (options, code) => {
    await expect(testBroker(options as never)).rejects.toMatchObject({ code })
  })
})
