import {
  freshName,
  newAdmin,
  newConsumer,
  newProducer,
  newTopic,
  numberOf,
  produce,
  range,
  take,
} from './clients.mjs'
import { equal, run } from './harness.mjs'
import { Member } from './member.mjs'

export async function checkGroups() {
  await run('group of two members', twoMembers, {})
  await run('group of two members, consumer protocol', twoMembers, { groupProtocol: 'consumer' })
  await run('group goes on from its commits', resumes, false)
  await run('group goes on from its automatic commits', resumes, true)
  await run('lag', lag)
}

async function twoMembers(options) {
  const topic = await newTopic(6)
  const groupId = freshName('group')
  const producer = newProducer()
  await produce(producer, topic, 300)
  const first = await Member.join(groupId, topic, options)
  await first.has(6)
  await first.until(
    () => first.records.length === 300,
    () => `300 records, but ${first.records.length}`,
  )
  await first.commit()
  const second = await Member.join(groupId, topic, options)
  await first.has(3)
  await second.has(3)
  const shared = [...first.partitions, ...second.partitions].sort()
  equal('partitions of both', shared, range(0, 6))
  await produce(producer, topic, 600, { first: 300 })
  // At least once: this client reads again what it had asked for when the group changed.
  const read = () => new Set([...first.records, ...second.records].map(numberOf)).size
  await first.until(
    () => read() === 600,
    () => `600 records, but ${read()}`,
  )
  await first.commit()
  await second.commit()
  await second.leave()
  await first.has(6)
  await first.leave()
  const [found] = await newAdmin().listConsumerGroupOffsets({ groups: [groupId] })
  const committed = found.topics.flatMap(({ partitions }) => partitions)
  const sum = committed.reduce((total, { committedOffset }) => total + committedOffset, 0n)
  equal('sum of the offsets', sum, 600n)
}

async function resumes(autocommit) {
  const topic = await newTopic(2)
  const groupId = freshName('group')
  const producer = newProducer()
  const from = { topics: [topic], mode: 'committed', fallbackMode: 'earliest', autocommit }
  for (const first of [0, 100, 200]) {
    await produce(producer, topic, first + 100, { first })
    const consumer = newConsumer({ groupId })
    const stream = await consumer.consume(from)
    const records = await take(stream, 100)
    const numbers = records.map(numberOf).sort((a, b) => a - b)
    equal('numbers', numbers, range(first, first + 100))
    if (!autocommit) for (const record of records) await record.commit()
    await stream.close()
    const topics = [{ topic, partitions: [0, 1] }]
    const committed = (await consumer.listCommittedOffsets({ topics })).get(topic)
    equal('committed', committed[0] + committed[1], BigInt(first + 100))
    await consumer.close()
  }
}

async function lag() {
  const topic = await newTopic(1)
  await produce(newProducer(), topic, 100)
  const member = await Member.join(freshName('group'), topic)
  await member.until(
    () => member.records.length === 100,
    () => '100 records',
  )
  await member.records[59].commit()
  equal('lag', (await member.consumer.getLag({ topics: [topic] })).get(topic), [40n])
}
