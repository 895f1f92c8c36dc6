// Covers what clients may do to tables and other internal topics: api/create-topics.ts,
// delete-topics.ts, delete-records.ts, create-partitions.ts, alter-configs.ts,
// incremental-alter-configs.ts, produce.ts and metadata.ts.
// Goal: no client takes committed offsets, or what an application keeps in a table, away.
// Method: every API that changes topics, asked for each kind of internal topic, and what is there
// afterwards compared with what was there before.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { alterConfigsApi } from '../../src/broker/api/alter-configs.ts'
import { createPartitionsApi } from '../../src/broker/api/create-partitions.ts'
import { createTopicsApi } from '../../src/broker/api/create-topics.ts'
import { deleteRecordsApi } from '../../src/broker/api/delete-records.ts'
import { deleteTopicsApi } from '../../src/broker/api/delete-topics.ts'
import { incrementalAlterConfigsApi } from '../../src/broker/api/incremental-alter-configs.ts'
import { metadataApi } from '../../src/broker/api/metadata.ts'
import { errorCodes as codes } from '../../src/protocol/error-codes.ts'
import { zeroUuid } from '../../src/protocol/schema.ts'
import { clusterTopic, groupsTopic } from '../../src/store/store-layout.ts'
import { BrokerHarness, batchOf } from '../support/broker-harness.ts'
import { groupRequests } from '../support/group-requests.ts'

let broker: BrokerHarness
beforeEach(async () => {
  broker = await BrokerHarness.start()
  await broker.store.createTopic('t')
})
afterEach(() => broker.stop())

const { commit, fetchOne } = groupRequests(() => broker)
const refused = codes.invalidTopicException

/** Each way to change a topic, with the code of its answer. */
const changes: Record<string, (name: string) => Promise<number>> = {
  DeleteTopics: async (name) => {
    const topics = [{ name, topicId: zeroUuid }]
    const answer = await broker.ask(deleteTopicsApi, 6, { topics, timeoutMs: 1000 })
    return answer.responses[0]!.errorCode
  },
  'DeleteTopics by id': async (name) => {
    const topics = [{ name: null, topicId: broker.store.topic(name)!.id }]
    const answer = await broker.ask(deleteTopicsApi, 6, { topics, timeoutMs: 1000 })
    return answer.responses[0]!.errorCode
  },
  DeleteRecords: async (name) => {
    const topics = [{ name, partitions: [{ partitionIndex: 0, offset: -1 }] }]
    const answer = await broker.ask(deleteRecordsApi, 2, { topics, timeoutMs: 1000 })
    return answer.topics[0]!.partitions[0]!.errorCode
  },
  CreatePartitions: (name) => grow(name, false),
  'CreatePartitions that only checks': (name) => grow(name, true),
  AlterConfigs: (name) => alter(name, false),
  'AlterConfigs that only checks': (name) => alter(name, true),
  IncrementalAlterConfigs: async (name) => {
    const configs = [{ name: 'retention.ms', configOperation: 0, value: '1' }]
    const resources = [{ resourceType: 2, resourceName: name, configs }]
    const request = { resources, validateOnly: false }
    const answer = await broker.ask(incrementalAlterConfigsApi, 1, request)
    return answer.responses[0]!.errorCode
  },
  Produce: async (name) => (await broker.produce(name, batchOf(['x']))).errorCode,
}

async function grow(name: string, validateOnly: boolean): Promise<number> {
  const topics = [{ name, count: 4, assignments: null }]
  const answer = await broker.ask(createPartitionsApi, 3, { topics, timeoutMs: 1000, validateOnly })
  return answer.results[0]!.errorCode
}

async function alter(name: string, validateOnly: boolean): Promise<number> {
  const configs = [{ name: 'segment.bytes', value: '2048' }]
  const resources = [{ resourceType: 2, resourceName: name, configs }]
  const answer = await broker.ask(alterConfigsApi, 2, { resources, validateOnly })
  return answer.responses[0]!.errorCode
}

function stateOf(name: string) {
  const topic = broker.store.topic(name)!
  const { startOffset, endOffset } = topic.log(0)
  return { startOffset, endOffset, id: topic.id, config: { ...topic.config.overrides } }
}

describe.each(Object.keys(changes))('%s', (api) => {
  it('is refused for the table of groups, whose offsets stay', async () => {
    expect(await commit(8, 'g', 7)).toBe(codes.none)
    const before = stateOf(groupsTopic)
    expect(before.endOffset).toBeGreaterThan(0)
    expect(await changes[api]!(groupsTopic)).toBe(refused)
    expect(stateOf(groupsTopic)).toEqual(before)
    expect((await fetchOne(8, 'g')).committedOffset).toBe(7)
  })

  it('is refused for a table of an application', async () => {
    const table = await broker.store.table('places', { key: 'string', value: 'string' })
    await table.put('a', '1')
    const before = stateOf('places')
    expect(await changes[api]!('places')).toBe(refused)
    expect(stateOf('places')).toEqual(before)
    expect(table.get('a')).toBe('1')
  })

  it('is refused for what another broker kept of its own', async () => {
    await broker.store.createTopic('__consumer_offsets')
    const before = stateOf('__consumer_offsets')
    expect(await changes[api]!('__consumer_offsets')).toBe(refused)
    expect(stateOf('__consumer_offsets')).toEqual(before)
  })
})

describe.each([
  groupsTopic,
  '__stratalog.groups',
  clusterTopic,
  '__stratalog.cluster',
  '__stratalog',
  '__stratalog.positions',
])('the name %s', (name) => {
  it('is refused to CreateTopics, also when it only checks', async () => {
    for (const validateOnly of [true, false]) {
      const asked = { name, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }
      const request = { topics: [asked], timeoutMs: 1000, validateOnly }
      const { topics } = await broker.ask(createTopicsApi, 5, request)
      expect(topics[0]!.errorCode).toBe(refused)
    }
    expect(broker.store.topic(name)).toBeUndefined()
  })

  it('is not created because somebody asks for it', async () => {
    const request = { topics: [{ name }], allowAutoTopicCreation: true }
    const { topics } = await broker.ask(metadataApi, 9, request)
    expect(topics[0]!.errorCode).toBe(refused)
    expect(broker.store.topic(name)).toBeUndefined()
    expect(await commit(8, 'g', 7)).toBe(codes.none)
  })
})
