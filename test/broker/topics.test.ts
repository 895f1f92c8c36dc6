// Covers api/metadata.ts and the APIs that create, delete and grow topics.
// Goal: every documented answer and error, over the versions.
// Method: whole frames through a broker over a store on the simulated disk.
import { afterEach, describe, expect, it } from 'vitest'
import { createPartitionsApi } from '../../src/broker/api/create-partitions.ts'
import { createTopicsApi } from '../../src/broker/api/create-topics.ts'
import { deleteTopicsApi } from '../../src/broker/api/delete-topics.ts'
import { metadataApi } from '../../src/broker/api/metadata.ts'
import type { BrokerSettings } from '../../src/broker/broker-environment.ts'
import { deletionMemoryMs } from '../../src/broker/recent-deletions.ts'
import { zeroUuid } from '../../src/protocol/schema.ts'
import { BrokerHarness } from '../support/broker-harness.ts'
import { SteppedClock } from '../support/stepped-clock.ts'

let broker: BrokerHarness
const start = async (settings: Partial<BrokerSettings> = {}) => {
  broker = await BrokerHarness.start(settings)
}

afterEach(() => broker.stop())

const named = (...names: string[]) => ({ topics: names.map((name) => ({ name })) })

describe('metadata', () => {
  it('names this node as the only broker, the controller and the leader of everything', async () => {
    await start()
    const topic = await broker.store.createTopic('t', { partitions: 2 })
    const answer = await broker.ask(metadataApi, 12, { topics: null })
    const nodeId = broker.store.nodeId
    expect(answer).toMatchObject({
      brokers: [{ nodeId, host: 'log.test', port: 9092, rack: null }],
      clusterId: broker.store.clusterId,
      controllerId: nodeId,
    })
    const { leaderEpoch } = broker.store
    const partition = { errorCode: 0, leaderId: nodeId, leaderEpoch, offlineReplicas: [] }
    expect(answer.topics).toEqual([
      {
        errorCode: 0,
        name: 't',
        topicId: topic.id,
        isInternal: false,
        topicAuthorizedOperations: -2_147_483_648,
        partitions: [0, 1].map((partitionIndex) => ({
          ...partition,
          partitionIndex,
          replicaNodes: [nodeId],
          isrNodes: [nodeId],
        })),
      },
    ])
  })

  it('lists all topics, sorted, or none, as each version asks for it', async () => {
    await start()
    for (const name of ['b', 'a', 'c']) await broker.store.createTopic(name)
    const names = async (version: number, topics: { name: string }[] | null) =>
      (await broker.ask(metadataApi, version, { topics })).topics.map(({ name }) => name)
    expect(await names(0, [])).toEqual(['a', 'b', 'c'])
    expect(await names(1, null)).toEqual(['a', 'b', 'c'])
    expect(await names(1, [])).toEqual([])
    expect(await names(13, null)).toEqual(['a', 'b', 'c'])
  })

  it('names thousands of partitions in every version', async () => {
    await start()
    for (const name of ['a', 'b', 'c']) await broker.store.createTopic(name, { partitions: 1000 })
    const { min, max } = metadataApi.versions
    for (let version = min; version <= max; version++) {
      const { topics } = await broker.ask(metadataApi, version, {
        topics: version === 0 ? [] : null,
      })
      const indexes = topics.map(({ partitions }) => partitions.map((one) => one.partitionIndex))
      expect(indexes.map((of) => of.length)).toEqual([1000, 1000, 1000])
      expect(indexes[2]).toEqual(indexes[0])
    }
  })

  it('creates a missing topic before it answers, when all agree to that', async () => {
    await start({ defaultPartitions: 3 })
    const answer = await broker.ask(metadataApi, 4, named('new'))
    expect(answer.topics[0]).toMatchObject({ errorCode: 0, name: 'new' })
    expect(answer.topics[0]!.partitions).toHaveLength(3)
    const unwilling = { ...named('other'), allowAutoTopicCreation: false }
    expect((await broker.ask(metadataApi, 4, unwilling)).topics[0]!.errorCode).toBe(3)
    expect(broker.store.topic('other')).toBeUndefined()
  })

  it('creates a topic once, however many ask for it together', async () => {
    await start()
    const answers = await Promise.all(
      [1, 2, 3].map(() => broker.ask(metadataApi, 12, named('new', 'new'))),
    )
    const ids = answers.flatMap(({ topics }) => topics.map(({ topicId }) => topicId))
    expect(new Set(ids).size).toBe(1)
    expect(answers.flatMap(({ topics }) => topics.map(({ errorCode }) => errorCode))).toEqual(
      Array(6).fill(0),
    )
  })

  it('says first that a topic just deleted is not there, and creates it then', async () => {
    const clock = new SteppedClock()
    broker = await BrokerHarness.start({}, undefined, clock)
    const ask = async () => (await broker.ask(metadataApi, 6, named('t'))).topics[0]!
    const remove = () =>
      broker.ask(deleteTopicsApi, 3, { topics: [], topicNames: ['t'], timeoutMs: 1000 })
    await broker.store.createTopic('t')
    await remove()
    expect(await ask()).toMatchObject({ errorCode: 5, partitions: [] })
    expect(await ask()).toMatchObject({ errorCode: 0, partitions: [{ partitionIndex: 0 }] })

    await remove()
    clock.advance(deletionMemoryMs + 1)
    expect((await ask()).errorCode).toBe(0)

    await remove()
    const unwilling = { ...named('t'), allowAutoTopicCreation: false }
    expect((await broker.ask(metadataApi, 6, unwilling)).topics[0]!.errorCode).toBe(3)
    expect(broker.store.topic('t')).toBeUndefined()
  })

  it('creates nothing when the server is not to', async () => {
    await start({ autoCreateTopics: false })
    expect((await broker.ask(metadataApi, 12, named('new'))).topics[0]!.errorCode).toBe(3)
  })

  it.each(['', '.', '..', 'sp ace', 'ü', 'x'.repeat(250)])('refuses the name %j', async (name) => {
    await start()
    expect((await broker.ask(metadataApi, 12, named(name))).topics[0]!.errorCode).toBe(17)
    const unwilling = { ...named(name), allowAutoTopicCreation: false }
    expect((await broker.ask(metadataApi, 12, unwilling)).topics[0]!.errorCode).toBe(17)
  })

  it('finds topics by id from v12 on', async () => {
    await start()
    const { id } = await broker.store.createTopic('t')
    const byId = (version: number, topicId: string) =>
      broker.ask(metadataApi, version, { topics: [{ topicId, name: null }] })
    expect((await byId(12, id)).topics[0]).toMatchObject({ errorCode: 0, name: 't', topicId: id })
    const unknown = 'AAAAAAAAAAAAAAAAAAAAAg'
    expect((await byId(13, unknown)).topics[0]).toMatchObject({
      errorCode: 100,
      name: null,
      topicId: unknown,
    })
    expect((await byId(10, id)).topics[0]).toMatchObject({ errorCode: 42 })
  })

  it('says which operations are allowed, when asked', async () => {
    await start()
    await broker.store.createTopic('t')
    const answer = await broker.ask(metadataApi, 8, {
      topics: null,
      includeClusterAuthorizedOperations: true,
      includeTopicAuthorizedOperations: true,
    })
    expect(answer.topics[0]!.topicAuthorizedOperations).toBe(0b1101_1111_1000)
    expect(answer.clusterAuthorizedOperations).toBe(0b1_1111_1010_0000)
  })
})

describe('creating topics', () => {
  const topic = (name: string, fields: object = {}) => ({
    name,
    numPartitions: 1,
    replicationFactor: 1,
    assignments: [],
    configs: [],
    ...fields,
  })
  const create = async (version: number, ...topics: ReturnType<typeof topic>[]) =>
    (await broker.ask(createTopicsApi, version, { topics })).topics
  const codes = async (...request: Parameters<typeof create>) =>
    (await create(...request)).map(({ errorCode }) => errorCode)

  it.each([0, 1, 2, 3, 4, 5, 6, 7])(
    'works in v%i and the topic is there at once',
    async (version) => {
      await start()
      const [result] = await create(version, topic('t', { numPartitions: 3 }))
      expect(result).toMatchObject({ errorCode: 0, name: 't' })
      expect(broker.store.topic('t')!.partitionCount).toBe(3)
      if (version >= 5) expect(result).toMatchObject({ numPartitions: 3, replicationFactor: 1 })
      if (version >= 7) expect(result!.topicId).toBe(broker.store.topic('t')!.id)
    },
  )

  it('tells all settings in v5, with where they come from', async () => {
    await start()
    const configs = [{ name: 'retention.ms', value: '5000' }]
    const [result] = await create(5, topic('t', { configs }))
    const byName = new Map(result!.configs!.map((config) => [config.name, config]))
    expect(byName.get('retention.ms')).toMatchObject({ value: '5000', configSource: 1 })
    expect(byName.get('cleanup.policy')).toMatchObject({ value: 'delete', configSource: 5 })
    expect(broker.store.topic('t')!.config.get('retention.ms')).toBe('5000')
  })

  it('takes −1 for the defaults, also before v4 as kafkajs sends it', async () => {
    await start({ defaultPartitions: 5 })
    const defaults = { numPartitions: -1, replicationFactor: -1 }
    expect(await codes(3, topic('early', defaults))).toEqual([0])
    expect(broker.store.topic('early')!.partitionCount).toBe(5)
    expect(await create(5, topic('late', defaults))).toMatchObject([
      { errorCode: 0, numPartitions: 5, replicationFactor: 1 },
    ])
  })

  it('gives every fault its error, in the order of the request', async () => {
    await start()
    await broker.store.createTopic('there')
    expect(
      await codes(
        7,
        topic('there'),
        topic('bad name'),
        topic('zero', { numPartitions: 0 }),
        topic('many', { numPartitions: 100_001 }),
        topic('copies', { replicationFactor: 3 }),
        topic('none', { replicationFactor: 0 }),
        topic('unknown', { configs: [{ name: 'no.such', value: '1' }] }),
        topic('value', { configs: [{ name: 'retention.ms', value: 'soon' }] }),
        topic('null', { configs: [{ name: 'retention.ms', value: null }] }),
        topic('twice'),
        topic('twice'),
        topic('fine'),
      ),
    ).toEqual([36, 17, 37, 37, 38, 38, 40, 40, 40, 42, 42, 0])
    expect([...broker.store.topics()].map(({ name }) => name).sort()).toEqual(['fine', 'there'])
  })

  it('takes assignments to this node alone', async () => {
    await start()
    const { nodeId } = broker.store
    const assigned = (name: string, brokerIds: number[], fields: object = {}) =>
      topic(name, {
        numPartitions: -1,
        replicationFactor: -1,
        assignments: [1, 0].map((partitionIndex) => ({ partitionIndex, brokerIds })),
        ...fields,
      })
    expect(
      await codes(
        7,
        assigned('ours', [nodeId]),
        assigned('theirs', [nodeId + 1]),
        assigned('both', [nodeId], { numPartitions: 2 }),
      ),
    ).toEqual([0, 39, 42])
    expect(broker.store.topic('ours')!.partitionCount).toBe(2)
  })

  it('lets scripts ask for more replicas when told to be lenient', async () => {
    await start({ lenientReplicationFactor: true })
    expect(await create(7, topic('t', { replicationFactor: 3 }))).toMatchObject([
      { errorCode: 0, replicationFactor: 1 },
    ])
  })

  it('only checks when asked to', async () => {
    await start()
    const request = { topics: [topic('t'), topic('bad name')], validateOnly: true }
    const { topics } = await broker.ask(createTopicsApi, 7, request)
    expect(topics.map(({ errorCode }) => errorCode)).toEqual([0, 17])
    expect(broker.store.topic('t')).toBeUndefined()
  })
})

describe('deleting topics', () => {
  it.each([0, 1, 3, 5])('works by name in v%i', async (version) => {
    await start()
    await broker.store.createTopic('t')
    const { responses } = await broker.ask(deleteTopicsApi, version, {
      topics: [],
      topicNames: ['t', 'nowhere'],
      timeoutMs: 1000,
    })
    expect(responses.map(({ errorCode }) => errorCode)).toEqual([0, 3])
    expect(broker.store.topic('t')).toBeUndefined()
  })

  it('works by name or id in v6, not by both or neither', async () => {
    await start()
    const a = await broker.store.createTopic('a')
    const b = await broker.store.createTopic('b')
    const { responses } = await broker.ask(deleteTopicsApi, 6, {
      timeoutMs: 1000,
      topics: [
        { name: 'a', topicId: zeroUuid },
        { name: null, topicId: b.id },
        { name: 'a', topicId: b.id },
        { name: null, topicId: zeroUuid },
        { name: null, topicId: 'AAAAAAAAAAAAAAAAAAAAAg' },
      ],
      topicNames: [],
    })
    expect(responses.map(({ errorCode }) => errorCode)).toEqual([42, 0, 42, 42, 100])
    expect(responses[1]).toMatchObject({ name: 'b', topicId: b.id })
    expect(broker.store.topicById(a.id)).toBeDefined()
    expect(broker.store.topicById(b.id)).toBeUndefined()
  })

  it('gives a topic of the same name a new id and offsets from 0', async () => {
    await start()
    const first = await broker.store.createTopic('t')
    await first.log(0).append('x')
    await broker.ask(deleteTopicsApi, 5, { topics: [], topicNames: ['t'], timeoutMs: 1000 })
    await broker.ask(metadataApi, 12, named('t')) // Says that it is gone, and creates it.
    const { topics } = await broker.ask(metadataApi, 12, named('t'))
    expect(topics[0]!.topicId).not.toBe(first.id)
    expect(broker.store.topic('t')!.log(0).endOffset).toBe(0)
  })
})

describe('over a restart', () => {
  it('cluster id, topic ids and leader epochs stay as they were, the epoch grows after a crash', async () => {
    await start()
    await broker.store.createTopic('t', { partitions: 2 })
    const told = async () => {
      const { clusterId, topics } = await broker.ask(metadataApi, 12, { topics: null })
      const { topicId, partitions } = topics[0]!
      return { clusterId, topicId, epochs: partitions.map(({ leaderEpoch }) => leaderEpoch) }
    }
    const before = await told()
    expect(before.topicId).not.toBe(zeroUuid)
    await broker.stop()
    broker = await BrokerHarness.start({}, broker.disk)
    expect(await told()).toEqual(before)
    const crashed = broker.disk.crash()
    await broker.stop()
    broker = await BrokerHarness.start({}, crashed)
    expect(await told()).toEqual({ ...before, epochs: before.epochs.map((epoch) => epoch + 1) })
  })
})

describe('adding partitions', () => {
  const ask = async (name: string, count: number, fields: object = {}, validateOnly = false) => {
    const topics = [{ name, count, assignments: null, ...fields }]
    const request = { topics, timeoutMs: 1000, validateOnly }
    return (await broker.ask(createPartitionsApi, 3, request)).results[0]!
  }

  it('raises the number to the new total', async () => {
    await start()
    await broker.store.createTopic('t')
    expect(await ask('t', 4)).toEqual({ name: 't', errorCode: 0, errorMessage: null })
    expect(broker.store.topic('t')!.partitionCount).toBe(4)
  })

  it('only checks when asked to', async () => {
    await start()
    await broker.store.createTopic('t', { partitions: 2 })
    const { nodeId } = broker.store
    expect((await ask('t', 4, {}, true)).errorCode).toBe(0)
    expect((await ask('t', 2, {}, true)).errorCode).toBe(37)
    expect((await ask('t', 100_001, {}, true)).errorCode).toBe(37)
    const twice = [{ brokerIds: [nodeId, nodeId] }]
    expect((await ask('t', 3, { assignments: twice }, true)).errorCode).toBe(39)
    expect(broker.store.topic('t')!.partitionCount).toBe(2)
  })

  it('gives every fault its error', async () => {
    await start()
    await broker.store.createTopic('t', { partitions: 2 })
    const { nodeId } = broker.store
    expect((await ask('nowhere', 4)).errorCode).toBe(3)
    expect((await ask('t', 2)).errorCode).toBe(37)
    expect((await ask('t', 100_001)).errorCode).toBe(37)
    expect((await ask('t', 4, { assignments: [{ brokerIds: [nodeId] }] })).errorCode).toBe(39)
    expect((await ask('t', 3, { assignments: [{ brokerIds: [nodeId + 1] }] })).errorCode).toBe(39)
    expect((await ask('t', 3, { assignments: [{ brokerIds: [nodeId] }] })).errorCode).toBe(0)
  })
})
