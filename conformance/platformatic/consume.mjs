/** Streams of a consumer that is alone: where they begin, how they are read, and offsets. */
import { once } from 'node:events'
import {
  earliest,
  holdsAll,
  latest,
  message,
  newConsumer,
  newProducer,
  newTopic,
  numberOf,
  produce,
  range,
  readAll,
  startMs,
  take,
} from './clients.mjs'
import { equal, run, waitMs } from './harness.mjs'

export async function checkConsumers() {
  await run('stream from an offset, and from the end', modes)
  await run('fetches smaller than a batch', smallFetches)
  await run('stream read by an iterator', highWaterMark)
  await run('offsets of a consumer', consumerOffsets)
}

async function modes() {
  const topic = await newTopic(1)
  const producer = newProducer()
  await produce(producer, topic, 100)
  const consumer = newConsumer()
  const offsets = [{ topic, partition: 0, offset: 61n }]
  const manual = await consumer.consume({ topics: [topic], mode: 'manual', offsets })
  equal('from an offset', (await take(manual, 39)).map(numberOf), range(61, 100))
  await manual.close()
  const waiting = newConsumer({ maxWaitTime: 2 * waitMs })
  const stream = await waiting.consume({ topics: [topic], mode: 'latest' })
  if (stream.offsetsToFetch.size === 0) await once(stream, 'offsets')
  // It is told to wait for longer than this may take: the records must wake it.
  const read = take(stream, 10)
  await produce(producer, topic, 110, { first: 100 })
  equal('from the end', (await read).map(numberOf), range(100, 110))
}

async function smallFetches() {
  const topic = await newTopic(2)
  await produce(newProducer({ compression: 'gzip' }), topic, 1_000)
  const records = await readAll(topic, 1_000, { maxBytes: 1_000, maxBytesPerPartition: 100 })
  holdsAll(records, 1_000)
}

async function highWaterMark() {
  const topic = await newTopic(1)
  await produce(newProducer(), topic, 1_000)
  const consumer = newConsumer({ highWaterMark: 8 })
  const stream = await consumer.consume({ topics: [topic], mode: 'earliest' })
  const records = []
  for await (const record of stream) {
    records.push(record)
    if (records.length === 1_000) break
  }
  holdsAll(records, 1_000)
}

async function consumerOffsets() {
  const topic = await newTopic(2)
  const messages = range(0, 100).map((n) => ({ ...message(topic, n), partition: 0 }))
  await newProducer().send({ messages })
  const consumer = newConsumer()
  const offsets = async (timestamp) =>
    (await consumer.listOffsets({ topics: [topic], timestamp })).get(topic)
  equal('earliest', await offsets(earliest), [0n, 0n])
  equal('latest', await offsets(latest), [100n, 0n])
  equal('for a time', await offsets(BigInt(startMs + 42)), [42n, -1n])
  equal('after the last', await offsets(BigInt(startMs + 1_000)), [-1n, -1n])
  const timestamp = BigInt(startMs + 42)
  const found = await consumer.listOffsetsWithTimestamps({ topics: [topic], timestamp })
  equal('with its time', found.get(topic).get(0), { offset: 42n, timestamp })
}
