// Tests of an application against a broker of their own, with node:test. Run: node --test
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Kafka, logLevel } from 'kafkajs'
import { type TestBroker, testBroker } from 'stratalog/testing'

let broker: TestBroker
before(async () => {
  broker = await testBroker({ topics: { orders: { partitions: 2 } } })
})
after(() => broker.close())

test('an order that was sent is stored', async () => {
  const kafka = new Kafka({ brokers: [...broker.brokers], logLevel: logLevel.ERROR })
  const producer = kafka.producer()
  await producer.connect()
  await producer.send({ topic: 'orders', messages: [{ partition: 1, value: 'tea' }] })
  await producer.disconnect()
  // The test looks into the same log, without a client.
  const orders = await broker.store.log('orders', { partition: 1 })
  const values: string[] = []
  for await (const { value } of orders.read()) values.push(String(value))
  assert.deepEqual(values, ['tea'])
})
