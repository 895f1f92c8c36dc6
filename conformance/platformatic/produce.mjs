/** Producers: each codec and each level of acknowledgement, idempotent ones, partitions, refusals. */
import { once } from 'node:events'
import {
  acks,
  freshName,
  holdsAll,
  message,
  newConsumer,
  newProducer,
  newTopic,
  produce,
  range,
  readAll,
  take,
} from './clients.mjs'
import { equal, refused, run } from './harness.mjs'

export async function checkProducers() {
  for (const compression of ['none', 'gzip', 'snappy', 'lz4', 'zstd']) {
    await run(`producer, ${compression}`, roundTrip, { compression })
  }
  await run('acks 0', fireAndForget)
  await run('acks 1', roundTrip, { acks: acks.leader })
  await run('acks all', roundTrip, { acks: acks.all })
  await run('idempotent producer', idempotent)
  await run('idempotent producer, batch sent twice', sentTwice)
  await run('idempotent producer, batch out of order', outOfOrder)
  await run('producer stream', producerStream)
  await run('partitions by turns, chosen, and by a function', partitions)
  await run('null and empty keys and values', emptyRecords)
  await run('record above max.message.bytes', tooLarge)
  await run('topic created on first use', createdOnUse)
  await run('transaction', transaction)
}

async function roundTrip(options) {
  const topic = await newTopic(3)
  const answers = await produce(newProducer(options), topic, 2_000)
  // What an answer names are the base offsets of its batches.
  const offsets = answers.flatMap((answer) => answer.offsets.map(({ offset }) => offset))
  equal('there are offsets of all partitions', offsets.filter((offset) => offset === 0n).length, 3)
  holdsAll(await readAll(topic, 2_000), 2_000)
}

async function fireAndForget() {
  const topic = await newTopic(1)
  await produce(newProducer({ acks: acks.none }), topic, 300)
  holdsAll(await readAll(topic, 300), 300)
}

async function idempotent() {
  const topic = await newTopic(3)
  const first = newProducer({ idempotent: true })
  const second = newProducer({ idempotent: true, compression: 'lz4' })
  await produce(first, topic, 1_000)
  await produce(second, topic, 2_000, { first: 1_000 })
  holdsAll(await readAll(topic, 2_000), 2_000)
  equal('epoch', first.producerEpoch, 0)
  equal('the two have the same id', first.producerId === second.producerId, false)
}

/** A call that names its producer numbers its batch from 0, as a first one that is tried again. */
async function sentTwice() {
  const topic = await newTopic(1)
  const first = newProducer({ idempotent: true })
  await produce(first, topic, 100)
  const { producerId, producerEpoch } = first
  const again = newProducer({ acks: acks.all, retries: 0 })
  const [answer] = await produce(again, topic, 100, { producerId, producerEpoch })
  equal('answer', answer.offsets, [{ topic, partition: 0, offset: 0n }])
  await produce(first, topic, 200, { first: 100 })
  holdsAll(await readAll(topic, 200), 200)
}

/** The client asks for another id when its batch is refused for its number, and sends it once more. */
async function outOfOrder() {
  const topic = await newTopic(1)
  const first = newProducer({ idempotent: true })
  await produce(first, topic, 100)
  const { producerId, producerEpoch } = first
  const other = newProducer({ acks: acks.all })
  await produce(other, topic, 150, { first: 100, producerId, producerEpoch })
  equal('the id is the same', other.producerId === producerId, false)
  await produce(first, topic, 200, { first: 150 })
  holdsAll(await readAll(topic, 200), 200)
}

async function producerStream() {
  const topic = await newTopic(3)
  const producer = newProducer()
  const stream = producer.asStream({ batchSize: 100, reportMode: 'batch' })
  let reported = 0
  stream.on('delivery-report', ({ count }) => {
    reported += count
  })
  for (const n of range(0, 1_000)) {
    if (!stream.write(message(topic, n))) await once(stream, 'drain')
  }
  await stream.close()
  equal('reported', reported, 1_000)
  holdsAll(await readAll(topic, 1_000), 1_000)
}

async function partitions() {
  const topic = await newTopic(3)
  const messages = range(0, 9).map((n) => ({ topic, value: String(n) }))
  await newProducer().send({ messages })
  await newProducer().send({ messages: [{ topic, partition: 2, value: 'chosen' }] })
  await newProducer({ partitioner: () => 1 }).send({ messages: [{ topic, key: 'k', value: 'by' }] })
  const records = await readAll(topic, 11)
  const values = (of) => records.filter(({ partition }) => partition === of).map((r) => r.value)
  equal('partition 0', values(0), ['0', '3', '6'])
  equal('partition 1', values(1), ['1', '4', '7', 'by'])
  equal('partition 2', values(2), ['2', '5', '8', 'chosen'])
}

async function emptyRecords() {
  const topic = await newTopic(1)
  const messages = [{ topic, key: 'k' }, { topic, key: '', value: '' }, { topic }]
  await newProducer().send({ messages })
  // Null reads as undefined, and so the deserializer of this client would have it for what is empty.
  const deserializers = { key: (bytes) => bytes?.length, value: (bytes) => bytes?.length }
  const consumer = newConsumer({ deserializers })
  const stream = await consumer.consume({ topics: [topic], mode: 'earliest' })
  const lengths = (await take(stream, 3)).map(({ key, value }) => [key, value])
  equal('lengths', lengths, [
    [1, undefined],
    [0, 0],
    [undefined, undefined],
  ])
}

async function tooLarge() {
  const topic = await newTopic(1, { 'max.message.bytes': '10000' })
  const producer = newProducer({ retries: 0 })
  const messages = [{ topic, value: 'y'.repeat(20_000) }]
  await refused('MESSAGE_TOO_LARGE', producer.send({ messages }))
  await produce(producer, topic, 10)
  holdsAll(await readAll(topic, 10), 10)
}

async function createdOnUse() {
  const topic = freshName('auto')
  await produce(newProducer(), topic, 10, { autocreateTopics: true })
  holdsAll(await readAll(topic, 10), 10)
}

async function transaction() {
  const topic = await newTopic(1)
  const producer = newProducer({ idempotent: true, retries: 1 })
  const begun = await producer.beginTransaction()
  await begun.send({ messages: [message(topic, 0)] })
  await begun.commit()
  holdsAll(await readAll(topic, 1), 1)
}
