// Covers api/ of committed offsets. Goal: what one version commits every version fetches, and each
// kind of bad request is told what Kafka tells. Method: whole frames through a broker over a store
// on the simulated disk.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { deleteTopicsApi } from '../../src/broker/api/delete-topics.ts'
import { joinGroupApi } from '../../src/broker/api/join-group.ts'
import { offsetCommitApi } from '../../src/broker/api/offset-commit.ts'
import { offsetDeleteApi } from '../../src/broker/api/offset-delete.ts'
import { offsetFetchApi } from '../../src/broker/api/offset-fetch.ts'
import { errorCodes as codes } from '../../src/protocol/error-codes.ts'
import { zeroUuid } from '../../src/protocol/schema.ts'
import { groupsTopic } from '../../src/store/store-layout.ts'
import { BrokerHarness } from '../support/broker-harness.ts'
import { groupRequests, versionsOf } from '../support/group-requests.ts'

let broker: BrokerHarness

beforeEach(async () => {
  broker = await BrokerHarness.start()
  await broker.store.createTopic('t', { partitions: 2 })
})

afterEach(() => broker.stop())

const { stable, commit, fetchOne } = groupRequests(() => broker)

describe('offsets', () => {
  it.each(versionsOf(offsetCommitApi))(
    'committed by v%i are fetched by every version',
    async (v) => {
      expect(await commit(v, 'g', 42)).toBe(codes.none)
      for (const version of versionsOf(offsetFetchApi)) {
        const found = await fetchOne(version, 'g')
        expect(found).toMatchObject({ errorCode: 0, committedOffset: 42, metadata: 'm' })
        expect(found.committedLeaderEpoch).toBe(-1)
      }
    },
  )

  it('keep their leader epoch, and null metadata as an empty text', async () => {
    const place = { partitionIndex: 0, committedOffset: 1 }
    const partition = { ...place, committedLeaderEpoch: 5, committedMetadata: null }
    const topics = [{ name: 't', partitions: [partition] }]
    await broker.ask(offsetCommitApi, 6, { groupId: 'g', memberId: '', topics })
    expect(await fetchOne(5, 'g')).toMatchObject({ committedLeaderEpoch: 5, metadata: '' })
  })

  it.each(versionsOf(offsetFetchApi))(
    'never committed are −1 without an error (v%i)',
    async (v) => {
      const nothing = { errorCode: 0, committedOffset: -1, metadata: '' }
      expect(await fetchOne(v, 'nobody')).toMatchObject(nothing)
      await commit(8, 'g', 1, { partition: 1 })
      expect(await fetchOne(v, 'g')).toMatchObject(nothing)
    },
  )

  it.each([2, 7, 8, 9, 10])('are all given to who asks for all (v%i)', async (version) => {
    await broker.store.createTopic('u')
    await commit(8, 'g', 1)
    await commit(8, 'g', 2, { partition: 1 })
    await commit(8, 'g', 3, { topic: 'u' })
    const one = { groupId: 'g', topics: null }
    const asked = version < 8 ? one : { groups: [one, { groupId: 'nobody', topics: null }] }
    const answer = await broker.ask(offsetFetchApi, version, asked)
    const topics = version < 8 ? answer.topics : answer.groups[0]!.topics
    const names = topics.map((topic) =>
      version < 10
        ? topic.name
        : broker.store.topicById((topic as unknown as { topicId: string }).topicId)!.name,
    )
    expect(names).toEqual(['t', 'u'])
    const offsets = topics.flatMap(({ partitions }) => partitions.map((p) => p.committedOffset))
    expect(offsets).toEqual([1, 2, 3])
    if (version >= 8) expect(answer.groups[1]).toMatchObject({ groupId: 'nobody', topics: [] })
  })

  it('are found by the fetch that is sent right behind the commit', async () => {
    const committing = commit(8, 'g', 9)
    expect(await fetchOne(8, 'g')).toMatchObject({ committedOffset: 9 })
    expect(await committing).toBe(codes.none)
  })

  it('of partitions that are not there are refused, each on its own', async () => {
    const partitions = [0, 2, -1].map((partitionIndex) => ({
      partitionIndex,
      committedOffset: 1,
      committedMetadata: null,
    }))
    const topics = [
      { name: 't', partitions },
      { name: 'gone', partitions },
      { name: '!', partitions },
    ]
    const answer = await broker.ask(offsetCommitApi, 8, { groupId: 'g', memberId: '', topics })
    const { none, unknownTopicOrPartition: unknown } = codes
    expect(
      answer.topics.map((topic) => topic.partitions.map(({ errorCode }) => errorCode)),
    ).toEqual([
      [none, unknown, unknown],
      [unknown, unknown, unknown],
      [unknown, unknown, unknown],
    ])
    expect(await commit(10, 'g', 1, { topic: 'gone' })).toBe(codes.unknownTopicId)
    const unknownId = [{ topicId: 'AQIDBAUGBwgJCgsMDQ4PEA', partitionIndexes: [0] }]
    const asked = { groups: [{ groupId: 'g', topics: unknownId }] }
    const fetched = await broker.ask(offsetFetchApi, 10, asked)
    expect(fetched.groups[0]!.topics[0]!.partitions[0]!.errorCode).toBe(codes.unknownTopicId)
  })

  it('with too much metadata are refused, counted in bytes', async () => {
    const { offsetMetadataTooLarge } = codes
    expect(await commit(8, 'g', 1, { metadata: 'x'.repeat(4_097) })).toBe(offsetMetadataTooLarge)
    expect(await commit(8, 'g', 1, { metadata: 'é'.repeat(2_049) })).toBe(offsetMetadataTooLarge)
    expect(await commit(8, 'g', 2, { metadata: 'é'.repeat(2_048) })).toBe(codes.none)
    expect(await fetchOne(8, 'g')).toMatchObject({
      committedOffset: 2,
      metadata: 'é'.repeat(2_048),
    })
  })

  it('that no log can have are refused, and negative ones are not', async () => {
    expect(await commit(8, 'g', Number.MAX_SAFE_INTEGER)).toBe(codes.offsetOutOfRange)
    expect(await commit(8, 'g', Number.MIN_SAFE_INTEGER)).toBe(codes.offsetOutOfRange)
    expect(await commit(8, 'g', -7)).toBe(codes.none)
  })

  it('of a group with members are taken from its members only', async () => {
    const memberId = await stable('g')
    expect(await commit(8, 'g', 1, { generation: 1, memberId })).toBe(codes.none)
    expect(await commit(8, 'g', 2, { generation: 0, memberId })).toBe(codes.illegalGeneration)
    expect(await commit(8, 'g', 3, { generation: 2, memberId })).toBe(codes.illegalGeneration)
    expect(await commit(8, 'g', 4, { generation: 1, memberId: 'x' })).toBe(codes.unknownMemberId)
    expect(await commit(8, 'g', 5)).toBe(codes.unknownMemberId)
    expect(await fetchOne(8, 'g')).toMatchObject({ committedOffset: 1 })
    expect(await commit(8, 'missing', 1, { generation: 1 })).toBe(codes.illegalGeneration)
    expect(await commit(9, 'missing', 1, { generation: 1 })).toBe(codes.groupIdNotFound)
  })

  it('go with their topic, also when one of its name comes after it', async () => {
    await commit(8, 'g', 5)
    const asked = { topics: [{ name: 't', topicId: zeroUuid }], timeoutMs: 1_000 }
    expect((await broker.ask(deleteTopicsApi, 6, asked)).responses[0]!.errorCode).toBe(codes.none)
    expect(await fetchOne(8, 'g')).toMatchObject({ errorCode: 0, committedOffset: -1 })
    expect(await commit(8, 'g', 6)).toBe(codes.unknownTopicOrPartition)
    await broker.store.createTopic('t', { partitions: 2 })
    expect(await fetchOne(8, 'g')).toMatchObject({ committedOffset: -1 })
    await commit(8, 'g', 7)
    await broker.store.deleteTopic('t')
    await broker.store.createTopic('t')
    expect(await fetchOne(8, 'g')).toMatchObject({ committedOffset: -1 })
  })

  it('lie in a topic that nobody may delete', async () => {
    await commit(8, 'g', 5)
    const asked = { topics: [{ name: groupsTopic, topicId: zeroUuid }], timeoutMs: 1_000 }
    const answer = await broker.ask(deleteTopicsApi, 6, asked)
    expect(answer.responses[0]!.errorCode).toBe(codes.invalidTopicException)
  })
})

describe('OffsetDelete', () => {
  const remove = async (groupId: string, name = 't', partitionIndex = 0) => {
    const topics = [{ name, partitions: [{ partitionIndex }] }]
    const answer = await broker.ask(offsetDeleteApi, 0, { groupId, topics })
    return answer.errorCode || answer.topics[0]!.partitions[0]!.errorCode
  }

  it('takes out what is committed, and minds nothing that is not', async () => {
    await commit(8, 'g', 5)
    expect(await remove('g', 't', 1)).toBe(codes.none)
    expect(await remove('g')).toBe(codes.none)
    expect(await fetchOne(8, 'g')).toMatchObject({ committedOffset: -1 })
    expect(await remove('g', 't', 2)).toBe(codes.unknownTopicOrPartition)
    expect(await remove('g', 'x')).toBe(codes.unknownTopicOrPartition)
    expect(await remove('nobody')).toBe(codes.groupIdNotFound)
  })

  it('leaves what members read', async () => {
    await broker.store.createTopic('u')
    await commit(8, 'g', 5, { topic: 'u' })
    await stable('g')
    expect(await remove('g')).toBe(codes.groupSubscribedToTopic)
    expect(await remove('g', 'u')).toBe(codes.none)
  })

  it('needs a group of other members to be empty', async () => {
    const protocols = [{ name: 'x', metadata: Buffer.alloc(0) }]
    const asked = { groupId: 'g', sessionTimeoutMs: 10_000, memberId: '', protocolType: 'connect' }
    await broker.ask(joinGroupApi, 0, { ...asked, protocols })
    expect(await remove('g')).toBe(codes.nonEmptyGroup)
  })
})
