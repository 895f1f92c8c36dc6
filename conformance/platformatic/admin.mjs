/** The admin client. */
import {
  earliest,
  freshName,
  latest,
  newAdmin,
  newProducer,
  newTopic,
  numberOf,
  ofMaxTimestamp,
  produce,
  range,
  readAll,
  startMs,
} from './clients.mjs'
import { becomes, equal, fails, refused, run } from './harness.mjs'
import { Member } from './member.mjs'

const topicResource = 2
const toSet = 0
const toDelete = 1

export async function checkAdmin() {
  await run('admin: topics', topics)
  await run('admin: metadata', clusterMetadata)
  await run('admin: settings', configs)
  await run('admin: offsets and deleted records', adminOffsets)
  await run('admin: groups', groups)
  await run('admin: offsets of groups', groupOffsets)
}

async function topics() {
  const admin = newAdmin()
  const topic = freshName('topic')
  const configs = [{ name: 'retention.ms', value: '123456' }]
  const [created] = await admin.createTopics({
    topics: [topic],
    partitions: 2,
    replicas: 1,
    configs,
  })
  const { name, partitions, replicas, configuration } = created
  equal('created', { name, partitions, replicas }, { name: topic, partitions: 2, replicas: 1 })
  equal('its setting', configuration['retention.ms'], '123456')
  const isListed = async () => (await admin.listTopics()).includes(topic)
  await becomes('listed', isListed, true)
  const again = { topics: [topic], partitions: 2, replicas: 1 }
  await refused('TOPIC_ALREADY_EXISTS', admin.createTopics(again))
  const wide = { topics: [freshName('topic')], partitions: 1, replicas: 5 }
  await refused('INVALID_REPLICATION_FACTOR', admin.createTopics(wide))
  const wrong = { topics: [freshName('topic')], configs: [{ name: 'retention.ms', value: 'x' }] }
  await refused('INVALID_CONFIG', admin.createTopics({ partitions: 1, replicas: 1, ...wrong }))
  const more = [{ name: topic, count: 5 }]
  await admin.createPartitions({ topics: more, validateOnly: true })
  equal('partitions', await partitionCount(admin, topic), 2)
  await admin.createPartitions({ topics: more })
  await becomes('partitions after', () => partitionCount(admin, topic), 5)
  await admin.deleteTopics({ topics: [topic] })
  await becomes('listed after its deletion', isListed, false)
  await refused('UNKNOWN_TOPIC_OR_PARTITION', admin.deleteTopics({ topics: [topic] }))
}

async function partitionCount(admin, topic) {
  const { topics } = await admin.metadata({ topics: [topic], forceUpdate: true })
  return topics.get(topic).partitionsCount
}

async function clusterMetadata() {
  const admin = newAdmin()
  const topic = await newTopic(3)
  const metadata = await admin.metadata({ topics: [topic] })
  const nodes = [...metadata.brokers.keys()]
  equal('the controller is a broker', nodes.includes(metadata.controllerId), true)
  const { partitions, partitionsCount } = metadata.topics.get(topic)
  equal('partitions', partitionsCount, 3)
  equal(
    'leaders are brokers',
    partitions.every(({ leader }) => nodes.includes(leader)),
    true,
  )
  const unknown = freshName('none')
  await fails(`Unknown topic ${unknown}.`, admin.metadata({ topics: [unknown] }))
  const [coordinator] = await admin.findCoordinator({ keyType: 0, keys: [freshName('group')] })
  equal('the coordinator is a broker', nodes.includes(coordinator.nodeId), true)
  await produce(newProducer(), topic, 100)
  const described = { topics: [{ name: topic, partitions: [0, 1, 2] }] }
  const [{ results }] = await admin.describeLogDirs(described)
  const found = results[0].topics.find(({ name }) => name === topic).partitions
  equal(
    'every partition has a size',
    found.map(({ partitionSize }) => partitionSize > 0n),
    [true, true, true],
  )
}

async function configs() {
  const admin = newAdmin()
  const topic = await newTopic(1, { 'retention.bytes': '1000000' })
  const resource = { resourceType: topicResource, resourceName: topic }
  const value = async (name) => {
    const [found] = await admin.describeConfigs({
      resources: [{ ...resource, configurationKeys: [name] }],
    })
    return found.configs.find((config) => config.name === name)?.value
  }
  const change = (name, configOperation, to) => {
    const configs = [{ name, configOperation, value: to }]
    return admin.incrementalAlterConfigs({ resources: [{ ...resource, configs }] })
  }
  await becomes('retention.bytes', () => value('retention.bytes'), '1000000')
  await change('retention.ms', toSet, '5000')
  await becomes('retention.ms', () => value('retention.ms'), '5000')
  await becomes('retention.bytes after', () => value('retention.bytes'), '1000000')
  await change('retention.ms', toDelete, null)
  await becomes('retention.ms after its reset', () => value('retention.ms'), '604800000')
  await refused('INVALID_CONFIG', change('retention.ms', toSet, 'x'))
  const all = [{ name: 'retention.ms', value: '7000' }]
  await admin.alterConfigs({ resources: [{ ...resource, configs: all }] })
  await becomes('retention.ms of all settings', () => value('retention.ms'), '7000')
  await becomes('retention.bytes is back', () => value('retention.bytes'), '-1')
}

async function adminOffsets() {
  const admin = newAdmin()
  const topic = await newTopic(1)
  await produce(newProducer(), topic, 100)
  const at = async (timestamp) => {
    const partitions = [{ partitionIndex: 0, timestamp }]
    const [found] = await admin.listOffsets({ topics: [{ name: topic, partitions }] })
    const { offset, timestamp: of } = found.partitions[0]
    return [offset, of]
  }
  equal('earliest', await at(earliest), [0n, -1n])
  equal('latest', await at(latest), [100n, -1n])
  equal('for a time', await at(BigInt(startMs + 42)), [42n, BigInt(startMs + 42)])
  equal('of the largest time', await at(ofMaxTimestamp), [99n, BigInt(startMs + 99)])
  const place = { partition: 0, offset: 40n }
  const [deleted] = await admin.deleteRecords({ topics: [{ name: topic, partitions: [place] }] })
  equal('low watermark', deleted.partitions, [{ partition: 0, lowWatermark: 40n }])
  equal('earliest after', await at(earliest), [40n, -1n])
  equal('read after', (await readAll(topic, 60)).map(numberOf), range(40, 100))
}

async function groups() {
  const admin = newAdmin()
  const topic = await newTopic(3)
  const groupId = freshName('group')
  await produce(newProducer(), topic, 30)
  const member = await Member.join(groupId, topic, { groupInstanceId: 'static-1' })
  await member.has(3)
  const listed = (await admin.listGroups()).get(groupId)
  const { state, protocolType } = listed
  equal('listed', { state, protocolType }, { state: 'Stable', protocolType: 'consumer' })
  equal('of state empty', (await admin.listGroups({ states: ['Empty'] })).has(groupId), false)
  const described = (await admin.describeGroups({ groups: [groupId] })).get(groupId)
  equal('state', described.state, 'Stable')
  const [found, ...others] = described.members.values()
  equal('other members', others, [])
  const { id, clientId, groupInstanceId } = found
  const { memberId } = member.consumer
  const expected = { id: memberId, clientId: 'checks', groupInstanceId: 'static-1' }
  equal('member', { id, clientId, groupInstanceId }, expected)
  equal('assigned', found.assignments.get(topic).partitions, [0, 1, 2])
  await refused('NON_EMPTY_GROUP', admin.deleteGroups({ groups: [groupId] }))
  await member.leave()
  await admin.removeMembersFromConsumerGroup({ groupId })
  const after = (await admin.describeGroups({ groups: [groupId] })).get(groupId)
  equal('state after', after.state, 'Empty')
  await admin.deleteGroups({ groups: [groupId] })
  equal('listed after', (await admin.listGroups()).has(groupId), false)
  await refused('GROUP_ID_NOT_FOUND', admin.deleteGroups({ groups: [groupId] }))
}

async function groupOffsets() {
  const admin = newAdmin()
  const topic = await newTopic(2)
  const groupId = freshName('group')
  await produce(newProducer(), topic, 100)
  const offsets = async () => {
    const asked = { groupId, topics: [{ name: topic, partitionIndexes: [0, 1] }] }
    const [found] = await admin.listConsumerGroupOffsets({ groups: [asked] })
    return found.topics[0].partitions.map(({ committedOffset }) => committedOffset)
  }
  equal('before', await offsets(), [-1n, -1n])
  const partitionOffsets = [
    { partition: 0, offset: 5n },
    { partition: 1, offset: 7n },
  ]
  await admin.alterConsumerGroupOffsets({ groupId, topics: [{ name: topic, partitionOffsets }] })
  equal('offsets', await offsets(), [5n, 7n])
  const topics = [{ name: topic, partitionIndexes: [1] }]
  await admin.deleteConsumerGroupOffsets({ groupId, topics })
  equal('offsets after', await offsets(), [5n, -1n])
  const member = await Member.join(groupId, topic)
  await member.until(
    () => member.records.length === 95,
    () => `95 records, but ${member.records.length}`,
  )
  const from = member.records.find(({ partition }) => partition === 0)
  equal('first offset read', from.offset, 5n)
}
