// Covers api/ for deleting records, leader epochs, sizes on disk, paged topics, elections and
// reassignments, and partition-description.ts.
// Goal: every documented answer and error of those APIs, over their versions.
// Method: whole frames through a broker over a store on the simulated disk.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { alterPartitionReassignmentsApi } from '../../src/broker/api/alter-partition-reassignments.ts'
import { createAclsApi } from '../../src/broker/api/create-acls.ts'
import { deleteAclsApi } from '../../src/broker/api/delete-acls.ts'
import { deleteRecordsApi } from '../../src/broker/api/delete-records.ts'
import { describeAclsApi } from '../../src/broker/api/describe-acls.ts'
import { describeLogDirsApi } from '../../src/broker/api/describe-log-dirs.ts'
import { describeTopicPartitionsApi } from '../../src/broker/api/describe-topic-partitions.ts'
import { electLeadersApi } from '../../src/broker/api/elect-leaders.ts'
import { listOffsetsApi } from '../../src/broker/api/list-offsets.ts'
import { listPartitionReassignmentsApi } from '../../src/broker/api/list-partition-reassignments.ts'
import { metadataApi } from '../../src/broker/api/metadata.ts'
import { offsetForLeaderEpochApi } from '../../src/broker/api/offset-for-leader-epoch.ts'
import type { BrokerSettings } from '../../src/broker/broker-environment.ts'
import { BrokerHarness, batchOf } from '../support/broker-harness.ts'

let broker: BrokerHarness
const restart = async (settings: Partial<BrokerSettings> = {}, disk = broker.disk) => {
  await broker.stop()
  broker = await BrokerHarness.start(settings, disk)
}

beforeEach(async () => {
  broker = await BrokerHarness.start()
  await broker.store.createTopic('t', { partitions: 2 })
})
afterEach(() => broker.stop())

const versionsOf = ({ versions }: { versions: { min: number; max: number } }) =>
  Array.from({ length: versions.max - versions.min + 1 }, (_, i) => versions.min + i)

describe('DeleteRecords', () => {
  const trim = async (offset: number, options: { topic?: string; version?: number } = {}) => {
    const { topic: name = 't', version = 2 } = options
    const topics = [{ name, partitions: [{ partitionIndex: 0, offset }] }]
    const answer = await broker.ask(deleteRecordsApi, version, { topics, timeoutMs: 1000 })
    const { errorCode, lowWatermark } = answer.topics[0]!.partitions[0]!
    return [errorCode, lowWatermark]
  }

  it.each(versionsOf(deleteRecordsApi))('moves the start of the log in v%i', async (version) => {
    for (const value of ['a', 'b', 'c']) await broker.produce('t', batchOf([value]))
    expect(await trim(2, { version })).toEqual([0, 2])
    expect((await broker.fetch('t', 1)).errorCode).toBe(1)
    expect((await broker.fetch('t', 2)).errorCode).toBe(0)
  })

  it('takes −1 for all there is, never goes back, and refuses what is not there yet', async () => {
    await broker.produce('t', batchOf(['a', 'b', 'c']))
    expect(await trim(2)).toEqual([0, 2])
    expect(await trim(1)).toEqual([0, 2])
    expect(await trim(4)).toEqual([1, -1])
    expect(await trim(-2)).toEqual([1, -1])
    expect(await trim(-1)).toEqual([0, 3])
    expect((await broker.produce('t', batchOf(['d']))).baseOffset).toBe(3)
  })

  it('is durable', async () => {
    await broker.produce('t', batchOf(['a', 'b', 'c']))
    await trim(2)
    await restart({}, broker.disk.crash())
    const topics = [{ name: 't', partitions: [{ partitionIndex: 0, timestamp: -2 }] }]
    const ask = { replicaId: -1, isolationLevel: 0, topics }
    expect((await broker.ask(listOffsetsApi, 5, ask)).topics[0]!.partitions[0]!.offset).toBe(2)
    expect(broker.store.topic('t')!.log(0).endOffset).toBe(3)
  })

  it('refuses topics it does not know, internal ones, and those that only compact', async () => {
    await broker.store.createTopic('keys', { config: { 'cleanup.policy': 'compact' } })
    await broker.store.createTopic('both', { config: { 'cleanup.policy': 'compact, delete' } })
    await broker.store.createTopic('__consumer_offsets')
    expect(await trim(0, { topic: 'nowhere' })).toEqual([3, -1])
    expect(await trim(0, { topic: 'keys' })).toEqual([44, -1])
    expect(await trim(0, { topic: 'both' })).toEqual([0, 0])
    expect(await trim(0, { topic: '__consumer_offsets' })).toEqual([17, -1])
    const topics = [{ name: 't', partitions: [{ partitionIndex: 2, offset: 0 }] }]
    const answer = await broker.ask(deleteRecordsApi, 1, { topics, timeoutMs: 1000 })
    expect(answer.topics[0]!.partitions[0]!.errorCode).toBe(3)
  })
})

describe('OffsetForLeaderEpoch', () => {
  const ask = async (leaderEpoch: number, fields: object = {}, version = 4) => {
    const partitions = [{ partition: 0, leaderEpoch, ...fields }]
    const topics = [{ topic: 't', partitions }]
    const answer = await broker.ask(offsetForLeaderEpochApi, version, { topics })
    return answer.topics[0]!.partitions[0]!
  }

  it.each(versionsOf(offsetForLeaderEpochApi))(
    'tells in v%i where each epoch ended, over unclean stops',
    async (version) => {
      await broker.produce('t', batchOf(['a', 'b']))
      for (const value of ['c', 'd']) {
        await restart({}, broker.disk.processCrash())
        await broker.produce('t', batchOf([value]))
      }
      const leaderEpoch = (epoch: number) => (version === 0 ? -1 : epoch)
      expect(await ask(0, {}, version)).toMatchObject({
        errorCode: 0,
        leaderEpoch: leaderEpoch(0),
        endOffset: 2,
      })
      expect(await ask(1, {}, version)).toMatchObject({ endOffset: 3 })
      expect(await ask(2, {}, version)).toMatchObject({ endOffset: 4 })
      expect(await ask(3, {}, version)).toMatchObject({ errorCode: 0, endOffset: -1 })
    },
  )

  it('refuses clients that know another leader epoch, and unknown partitions', async () => {
    await restart({}, broker.disk.processCrash())
    expect(broker.store.leaderEpoch).toBe(1)
    expect((await ask(0, { currentLeaderEpoch: 0 })).errorCode).toBe(74)
    expect((await ask(0, { currentLeaderEpoch: 1 })).errorCode).toBe(0)
    expect((await ask(0, { currentLeaderEpoch: 2 })).errorCode).toBe(75)
    expect((await ask(0, { partition: 2 })).errorCode).toBe(3)
  })
})

describe('DescribeLogDirs', () => {
  const ask = async (
    topics: { topic: string; partitions: number[] }[] | null,
    version = describeLogDirsApi.versions.max,
  ) => (await broker.ask(describeLogDirsApi, version, { topics })).results

  it.each(versionsOf(describeLogDirsApi))('tells bytes per partition in v%i', async (version) => {
    const batch = batchOf(['a', 'b'])
    await broker.produce('t', batch, { partition: 1 })
    const [directory, ...others] = await ask(null, version)
    expect(others).toEqual([])
    const { totalBytes, freeBytes: usableBytes } = broker.store.space()
    const space = version < 4 ? { totalBytes: -1 } : { totalBytes, usableBytes }
    expect(totalBytes).toBeGreaterThan(usableBytes)
    expect(directory).toMatchObject({ errorCode: 0, logDir: '/data', ...space })
    const partition = { offsetLag: 0, isFutureKey: false }
    expect(directory!.topics).toEqual([
      {
        name: 't',
        partitions: [
          { partitionIndex: 0, partitionSize: 0, ...partition },
          { partitionIndex: 1, partitionSize: batch.length, ...partition },
        ],
      },
    ])
  })

  it('tells of those asked for, and opens no log for it', async () => {
    const batch = batchOf(['a'])
    await broker.produce('t', batch)
    await restart()
    const asked = [
      { topic: 't', partitions: [0, 7] },
      { topic: 'nowhere', partitions: [0] },
    ]
    const [directory] = await ask(asked)
    expect(directory!.topics.map(({ name, partitions }) => [name, partitions.length])).toEqual([
      ['t', 1],
    ])
    expect(directory!.topics[0]!.partitions[0]!.partitionSize).toBe(batch.length)
    expect(broker.store.topic('t')!.openLogs()).toEqual([])
  })
})

describe('DescribeTopicPartitions', () => {
  const ask = (
    names: string[],
    responsePartitionLimit = 2000,
    cursor: { topicName: string; partitionIndex: number } | null = null,
  ) => {
    const topics = names.map((name) => ({ name }))
    return broker.ask(describeTopicPartitionsApi, 0, { topics, responsePartitionLimit, cursor })
  }
  const sizes = ({ topics }: Awaited<ReturnType<typeof ask>>) =>
    topics.map(({ name, partitions }) => [name, partitions.map((p) => p.partitionIndex)])

  it('tells all topics or those named, by name, as Metadata does', async () => {
    await broker.store.createTopic('a')
    expect(sizes(await ask([]))).toEqual([
      ['a', [0]],
      ['t', [0, 1]],
    ])
    const { topics, nextCursor } = await ask(['t', 'nowhere', 'bad name', 't'])
    expect(topics.map(({ name, errorCode }) => [name, errorCode])).toEqual([
      ['bad name', 17],
      ['nowhere', 3],
      ['t', 0],
    ])
    expect(nextCursor).toBeNull()
    const [told] = (await broker.ask(metadataApi, 12, { topics: [{ name: 't' }] })).topics
    expect(topics[2]).toMatchObject({ topicId: told!.topicId, partitions: told!.partitions })
  })

  it('tells replicas that may lead as empty lists: Kafka 4 clients cannot read null there', async () => {
    const [told] = (await ask(['t'])).topics
    for (const partition of told!.partitions) {
      expect(partition).toMatchObject({ eligibleLeaderReplicas: [], lastKnownElr: [] })
    }
  })

  it('goes on where a page ended, until all is told', async () => {
    await broker.store.createTopic('a', { partitions: 3 })
    await broker.store.createTopic('z')
    const pages = []
    for (let cursor = null; ; ) {
      const answer: Awaited<ReturnType<typeof ask>> = await ask([], 2, cursor)
      pages.push(sizes(answer))
      if (answer.nextCursor === null) break
      cursor = answer.nextCursor as never
    }
    expect(pages).toEqual([
      [['a', [0, 1]]],
      [
        ['a', [2]],
        ['t', [0]],
      ],
      [
        ['t', [1]],
        ['z', [0]],
      ],
    ])
  })

  it('gives at least one partition, and at most 2000', async () => {
    await broker.store.createTopic('big', { partitions: 2001 })
    expect(sizes(await ask(['t'], 0))).toEqual([['t', [0]]])
    const { topics, nextCursor } = await ask(['big'], 1_000_000)
    expect(topics[0]!.partitions).toHaveLength(2000)
    expect(nextCursor).toEqual({ topicName: 'big', partitionIndex: 2000 })
  })

  it.each([
    ['of a topic that is not asked for', { topicName: 'x', partitionIndex: 0 }],
    ['before the first partition', { topicName: 't', partitionIndex: -1 }],
  ])('refuses a cursor %s', async (_, cursor) => {
    const { topics } = await ask(['t'], 10, cursor)
    expect(topics.map(({ errorCode }) => errorCode)).toEqual([42])
  })
})

describe('ElectLeaders', () => {
  it.each(versionsOf(electLeadersApi))('is not needed, says v%i', async (version) => {
    const elect = (topicPartitions: { topic: string; partitions: number[] }[] | null, type = 0) =>
      broker.ask(electLeadersApi, version, { electionType: type, topicPartitions })
    expect(await elect(null)).toMatchObject({ errorCode: 0, replicaElectionResults: [] })
    const named = [{ topic: 't', partitions: [0, 5] }]
    const { replicaElectionResults } = await elect(named)
    expect(replicaElectionResults[0]!.partitionResult.map((result) => result.errorCode)).toEqual([
      84, 3,
    ])
    if (version > 0) expect((await elect(named, 2)).errorCode).toBe(42)
  })
})

describe('partition reassignments', () => {
  const alter = async (
    replicas: number[] | null,
    options: { topic?: string; partition?: number; version?: number; mayGrow?: boolean } = {},
  ) => {
    const { topic: name = 't', partition: partitionIndex = 0, version = 1 } = options
    const { mayGrow: allowReplicationFactorChange = true } = options
    const topics = [{ name, partitions: [{ partitionIndex, replicas }] }]
    const request = version === 0 ? { topics } : { topics, allowReplicationFactorChange }
    const answer = await broker.ask(alterPartitionReassignmentsApi, version, request)
    expect(answer.errorCode).toBe(0)
    return answer.responses[0]!.partitions[0]!.errorCode
  }
  const replicasOf = async (topic: string) => {
    const answer = await broker.ask(metadataApi, 12, { topics: [{ name: topic }] })
    return answer.topics[0]!.partitions.map(({ replicaNodes }) => replicaNodes)
  }

  it.each([0, 1])('have nothing to do on one node (v%i)', async (version) => {
    const { nodeId } = broker.store
    expect(await alter([nodeId], { version })).toBe(0)
    expect(await alter([nodeId + 1], { version })).toBe(39)
    expect(await alter([], { version })).toBe(39)
    expect(await alter(null, { version })).toBe(85)
    expect(await alter([nodeId], { topic: 'nowhere', version })).toBe(3)
    expect(await alter([nodeId], { partition: 2, version })).toBe(3)
  })

  it('are over at once on several, and kept', async () => {
    await restart({ brokerCount: 3 })
    const { nodeId } = broker.store
    const [a, b, c] = [nodeId, nodeId + 1, nodeId + 2]
    expect(await alter([c, a], { mayGrow: false })).toBe(38)
    expect(await alter([c, a])).toBe(0)
    expect(await alter([c, c])).toBe(39)
    expect(await replicasOf('t')).toEqual([[c, a], [b]])
    await restart({ brokerCount: 3 })
    expect(await replicasOf('t')).toEqual([[c, a], [b]])
    const none = await broker.ask(listPartitionReassignmentsApi, 0, {})
    expect(none).toMatchObject({ errorCode: 0, topics: [] })
  })
})

describe('ACLs', () => {
  const rule = { principal: 'User:a', host: '*', operation: 3, permissionType: 3 }
  const filter = {
    resourceTypeFilter: 2,
    resourceNameFilter: null,
    principalFilter: null,
    hostFilter: null,
    operation: 1,
    permissionType: 1,
  }
  const refused = { errorCode: 54, errorMessage: expect.stringContaining('authorizer') }

  it.each(versionsOf(describeAclsApi))(
    'are not kept, without an authorizer (v%i)',
    async (version) => {
      const creation = { resourceType: 2, resourceName: 't', ...rule }
      const created = await broker.ask(createAclsApi, version, { creations: [creation, creation] })
      expect(created.results).toEqual([refused, refused])
      const described = await broker.ask(describeAclsApi, version, filter)
      expect(described).toMatchObject({ ...refused, resources: [] })
      const deleted = await broker.ask(deleteAclsApi, version, { filters: [filter, filter] })
      const nothing = { ...refused, matchingAcls: [] }
      expect(deleted.filterResults).toEqual([nothing, nothing])
    },
  )
})
