/** Requests of members and of those who commit, in any version, to a broker under test. */
import { expect } from 'vitest'
import { joinGroupApi } from '../../src/broker/api/join-group.ts'
import { offsetCommitApi } from '../../src/broker/api/offset-commit.ts'
import { offsetFetchApi } from '../../src/broker/api/offset-fetch.ts'
import { syncGroupApi } from '../../src/broker/api/sync-group.ts'
import type { Api } from '../../src/protocol/api.ts'
import { errorCodes as codes } from '../../src/protocol/error-codes.ts'
import type { BrokerHarness } from './broker-harness.ts'

export const versionsOf = ({ versions }: Api): number[] =>
  Array.from({ length: versions.max - versions.min + 1 }, (_, i) => versions.min + i)

/** A subscription to topic t, as consumers send it. */
export const subscription = Buffer.from('0001000000010001740000000000000000', 'hex')

type Claim = { generation?: number; memberId?: string }
type Place = { partition?: number; topic?: string; metadata?: string | null }

/** `broker` gives the one that is asked, which a test may replace. */
export function groupRequests(broker: () => BrokerHarness) {
  function join(version: number, groupId: string, memberId = '', groupInstanceId?: string) {
    return broker().ask(joinGroupApi, version, {
      groupId,
      sessionTimeoutMs: 10_000,
      memberId,
      groupInstanceId: groupInstanceId ?? null,
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: subscription }],
    })
  }

  /** Joins as a client of this version would, however many requests it takes. */
  async function joinFully(version: number, groupId: string, groupInstanceId?: string) {
    const answer = await join(version, groupId, '', groupInstanceId)
    if (answer.errorCode !== codes.memberIdRequired) return answer
    return join(version, groupId, answer.memberId)
  }

  function sync(version: number, groupId: string, memberId: string, generationId = 1) {
    const assignments = [{ memberId, assignment: Buffer.from('mine') }]
    return broker().ask(syncGroupApi, version, { groupId, generationId, memberId, assignments })
  }

  async function stable(groupId: string): Promise<string> {
    const { memberId } = await joinFully(9, groupId)
    expect((await sync(5, groupId, memberId)).errorCode).toBe(codes.none)
    return memberId
  }

  async function commit(
    version: number,
    groupId: string,
    committedOffset: number,
    {
      generation = -1,
      memberId = '',
      partition = 0,
      topic = 't',
      metadata = 'm',
    }: Claim & Place = {},
  ): Promise<number> {
    const topicId = broker().store.topic(topic)?.id ?? 'AQIDBAUGBwgJCgsMDQ4PEA'
    const asked = { partitionIndex: partition, committedOffset, committedMetadata: metadata }
    const named = version < 10 ? { name: topic } : { topicId }
    const answer = await broker().ask(offsetCommitApi, version, {
      groupId,
      memberId,
      generationIdOrMemberEpoch: generation,
      topics: [{ ...named, partitions: [asked] }],
    })
    expect(answer.topics[0]).toMatchObject(named)
    expect(answer.topics[0]!.partitions[0]!.partitionIndex).toBe(partition)
    return answer.topics[0]!.partitions[0]!.errorCode
  }

  /** Partition 0 of topic t. */
  async function fetchOne(version: number, groupId: string) {
    if (version < 8) {
      const topics = [{ name: 't', partitionIndexes: [0] }]
      const answer = await broker().ask(offsetFetchApi, version, { groupId, topics })
      return answer.topics[0]!.partitions[0]!
    }
    const named = version < 10 ? { name: 't' } : { topicId: broker().store.topic('t')!.id }
    const topics = [{ ...named, partitionIndexes: [0] }]
    const answer = await broker().ask(offsetFetchApi, version, { groups: [{ groupId, topics }] })
    expect(answer.groups[0]!.errorCode).toBe(codes.none)
    return answer.groups[0]!.topics[0]!.partitions[0]!
  }

  return { join, joinFully, sync, stable, commit, fetchOne }
}
