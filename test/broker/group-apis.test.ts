// Covers api/ of consumer groups: the way from a frame to the group and back; offsets are in
// offset-apis.test.ts.
// Goal: every version says what Kafka says, for good requests and for each kind of bad one.
// Method: whole frames through a broker over a store on the simulated disk; the rules of groups
// themselves are in groups/.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { deleteGroupsApi } from '../../src/broker/api/delete-groups.ts'
import { describeConfigsApi } from '../../src/broker/api/describe-configs.ts'
import { describeGroupsApi } from '../../src/broker/api/describe-groups.ts'
import { findCoordinatorApi } from '../../src/broker/api/find-coordinator.ts'
import { heartbeatApi } from '../../src/broker/api/heartbeat.ts'
import { joinGroupApi } from '../../src/broker/api/join-group.ts'
import { leaveGroupApi } from '../../src/broker/api/leave-group.ts'
import { listGroupsApi } from '../../src/broker/api/list-groups.ts'
import { offsetDeleteApi } from '../../src/broker/api/offset-delete.ts'
import { offsetFetchApi } from '../../src/broker/api/offset-fetch.ts'
import { isPending } from '../../src/broker/frame-handler.ts'
import { writeRequest } from '../../src/protocol/api.ts'
import { errorCodes as codes } from '../../src/protocol/error-codes.ts'
import { BrokerHarness } from '../support/broker-harness.ts'
import { groupRequests, subscription, versionsOf } from '../support/group-requests.ts'
import { frameBytes } from '../support/wire-frame.ts'

let broker: BrokerHarness

beforeEach(async () => {
  broker = await BrokerHarness.start()
  await broker.store.createTopic('t', { partitions: 2 })
})

afterEach(() => broker.stop())

const { join, joinFully, sync, stable, commit, fetchOne } = groupRequests(() => broker)

describe('FindCoordinator', () => {
  it.each(versionsOf(findCoordinatorApi))('names this node for a group (v%i)', async (version) => {
    const here = { errorCode: 0, nodeId: broker.store.nodeId, host: 'log.test', port: 9092 }
    const asked = version < 4 ? { key: 'g' } : { coordinatorKeys: ['g', 'h'] }
    const answer = await broker.ask(findCoordinatorApi, version, asked)
    if (version < 4) expect(answer).toMatchObject(here)
    else
      expect(answer.coordinators).toMatchObject([
        { key: 'g', ...here },
        { key: 'h', ...here },
      ])
  })

  it('names the first node, whichever is asked', async () => {
    await broker.stop()
    broker = await BrokerHarness.start({ brokerCount: 3 })
    broker.node = 2
    const first = { nodeId: broker.store.nodeId, host: 'log.test', port: 9092 }
    for (const keyType of [0, 1]) {
      expect(await broker.ask(findCoordinatorApi, 2, { key: 'g', keyType })).toMatchObject(first)
      const request = { coordinatorKeys: ['g'], keyType }
      const { coordinators } = await broker.ask(findCoordinatorApi, 4, request)
      expect(coordinators).toMatchObject([first])
    }
  })

  it.each([
    [2, codes.invalidRequest],
    [9, codes.invalidRequest],
  ])('of key type %i is refused with %i', async (keyType, errorCode) => {
    const nowhere = { errorCode, nodeId: -1, host: '', port: -1 }
    expect(await broker.ask(findCoordinatorApi, 2, { key: 'x', keyType })).toMatchObject(nowhere)
    const answer = await broker.ask(findCoordinatorApi, 6, { keyType, coordinatorKeys: ['x'] })
    expect(answer.coordinators).toMatchObject([{ key: 'x', ...nowhere }])
  })
})

describe('a member', () => {
  it.each(versionsOf(joinGroupApi))('joins, syncs, beats and leaves (JoinGroup v%i)', async (v) => {
    const joined = await joinFully(v, 'g')
    expect(joined).toMatchObject({ errorCode: codes.none, generationId: 1, protocolName: 'range' })
    expect(joined.protocolType).toBe(v >= 7 ? 'consumer' : null)
    expect(joined.leader).toBe(joined.memberId)
    expect(joined.memberId).toMatch(/^test-[0-9a-f-]{36}$/)
    expect(joined.members).toMatchObject([{ memberId: joined.memberId, metadata: subscription }])
    const { memberId } = joined
    const syncVersion = Math.min(v, 5)
    const synced = await sync(syncVersion, 'g', memberId)
    expect(String(synced.assignment)).toBe('mine')
    expect(synced.protocolName).toBe(syncVersion >= 5 ? 'range' : null)
    const beat = { groupId: 'g', generationId: 1, memberId }
    expect((await broker.ask(heartbeatApi, Math.min(v, 4), beat)).errorCode).toBe(codes.none)
    const leaveVersion = Math.min(v, 5)
    const leaving = leaveVersion < 3 ? { memberId } : { members: [{ memberId }] }
    const left = await broker.ask(leaveGroupApi, leaveVersion, { groupId: 'g', ...leaving })
    expect(left.errorCode).toBe(codes.none)
    const member = { memberId, groupInstanceId: null, errorCode: 0 }
    expect(left.members).toEqual(leaveVersion < 3 ? [] : [member])
    expect((await broker.ask(heartbeatApi, 4, beat)).errorCode).toBe(codes.unknownMemberId)
  })

  it('of any version shares a group with one of any other', async () => {
    const old = await join(0, 'g')
    await sync(0, 'g', old.memberId)
    const told = await join(9, 'g')
    expect(told).toMatchObject({ errorCode: codes.memberIdRequired, protocolName: null })
    const both = await Promise.all([join(9, 'g', told.memberId), join(0, 'g', old.memberId)])
    expect(both.map(({ generationId }) => generationId)).toEqual([2, 2])
    expect(both.map(({ members }) => members.length)).toEqual([0, 2])
  })

  it('that is static comes back to its place, and fences its former self', async () => {
    const first = await joinFully(9, 'g', 'i')
    await sync(5, 'g', first.memberId)
    const again = await joinFully(9, 'g', 'i')
    expect(again).toMatchObject({ generationId: 1, skipAssignment: true, leader: again.memberId })
    const beat = { groupId: 'g', generationId: 1, memberId: first.memberId, groupInstanceId: 'i' }
    expect((await broker.ask(heartbeatApi, 3, beat)).errorCode).toBe(codes.fencedInstanceId)
    const members = [
      { memberId: first.memberId, groupInstanceId: 'i' },
      { memberId: '', groupInstanceId: 'i', reason: 'removed by an operator' },
    ]
    const left = await broker.ask(leaveGroupApi, 5, { groupId: 'g', members })
    expect(left.members.map(({ errorCode }) => errorCode)).toEqual([codes.fencedInstanceId, 0])
  })

  it.each([0, 4, 9])('is refused with what is wrong (JoinGroup v%i)', async (version) => {
    const ask = async (changes: object) => {
      const answer = await broker.ask(joinGroupApi, version, {
        groupId: 'g',
        sessionTimeoutMs: 10_000,
        memberId: '',
        protocolType: 'consumer',
        protocols: [{ name: 'range', metadata: Buffer.alloc(0) }],
        ...changes,
      })
      expect(answer).toMatchObject({ generationId: -1, leader: '', members: [] })
      expect(answer.protocolName).toBe(version < 7 ? '' : null)
      return answer.errorCode
    }
    expect(await ask({ groupId: '' })).toBe(codes.invalidGroupId)
    expect(await ask({ sessionTimeoutMs: 5_999 })).toBe(codes.invalidSessionTimeout)
    expect(await ask({ sessionTimeoutMs: 1_800_001 })).toBe(codes.invalidSessionTimeout)
    expect(await ask({ memberId: 'x' })).toBe(codes.unknownMemberId)
    expect(await ask({ protocols: [] })).toBe(codes.inconsistentGroupProtocol)
    expect(await ask({ protocolType: '' })).toBe(codes.inconsistentGroupProtocol)
  })

  it('of no group is told so in every request', async () => {
    const claim = { groupId: 'g', generationId: 1, memberId: 'x' }
    expect((await broker.ask(heartbeatApi, 0, claim)).errorCode).toBe(codes.unknownMemberId)
    expect((await sync(0, 'g', 'x')).errorCode).toBe(codes.unknownMemberId)
    const old = await broker.ask(leaveGroupApi, 1, { groupId: 'g', memberId: 'x' })
    expect(old).toEqual({ throttleTimeMs: 0, errorCode: codes.unknownMemberId, members: [] })
    const members = [{ memberId: 'x' }]
    const left = await broker.ask(leaveGroupApi, 3, { groupId: 'g', members })
    expect(left).toMatchObject({ errorCode: 0, members: [{ errorCode: codes.unknownMemberId }] })
    const empty = { ...claim, groupId: '' }
    expect((await broker.ask(heartbeatApi, 0, empty)).errorCode).toBe(codes.invalidGroupId)
    expect((await sync(0, '', 'x')).errorCode).toBe(codes.invalidGroupId)
  })

  it('that waits to join holds back what is behind it, and ends with its connection', async () => {
    const memberId = await stable('g')
    const body = {
      groupId: 'g',
      sessionTimeoutMs: 10_000,
      memberId: '',
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: subscription }],
    }
    const header = { apiVersion: 0, correlationId: 1, clientId: 'c' }
    const frame = frameBytes(writeRequest(joinGroupApi, header, body))
    const abort = new AbortController()
    const outcome = broker.broker.handle(frame, { ...broker.context(), signal: abort.signal })
    if (!isPending(outcome)) throw new Error('a join that must wait was answered')
    expect(outcome.holdsNext).toBe(true)
    abort.abort()
    expect(await outcome.answer).not.toBeNull()
    // The member that is there hears of the rebalance all the same.
    const beat = { groupId: 'g', generationId: 1, memberId }
    expect((await broker.ask(heartbeatApi, 0, beat)).errorCode).toBe(codes.rebalanceInProgress)
  })
})

describe('groups', () => {
  it.each(versionsOf(listGroupsApi))('are listed (v%i)', async (version) => {
    await stable('a')
    await commit(8, 'b', 1)
    const { errorCode, groups } = await broker.ask(listGroupsApi, version, {})
    expect(errorCode).toBe(codes.none)
    const type = version >= 5 ? 'classic' : ''
    const [stateOfA, stateOfB] = version >= 4 ? ['Stable', 'Empty'] : ['', '']
    expect(groups).toEqual([
      { groupId: 'a', protocolType: 'consumer', groupState: stateOfA, groupType: type },
      { groupId: 'b', protocolType: '', groupState: stateOfB, groupType: type },
    ])
  })

  it('are listed by the first of several nodes, so that nobody counts them twice', async () => {
    await broker.stop()
    broker = await BrokerHarness.start({ brokerCount: 2 })
    await broker.store.createTopic('t')
    await commit(8, 'b', 1)
    const listed = async (node: number) => {
      broker.node = node
      const { errorCode, groups } = await broker.ask(listGroupsApi, 4, {})
      return { errorCode, ids: groups.map(({ groupId }) => groupId) }
    }
    expect(await listed(0)).toEqual({ errorCode: codes.none, ids: ['b'] })
    expect(await listed(1)).toEqual({ errorCode: codes.none, ids: [] })
  })

  it.each([
    [{ statesFilter: ['stable'] }, ['a']],
    [{ statesFilter: ['EMPTY', 'Dead'] }, ['b']],
    [{ statesFilter: ['Assigning'] }, []],
    [{ typesFilter: ['Classic', 'share'] }, ['a', 'b']],
    [{ typesFilter: ['consumer'] }, []],
  ])('are listed by %j', async (filter, expected) => {
    await stable('a')
    await commit(8, 'b', 1)
    const { groups } = await broker.ask(listGroupsApi, 5, filter)
    expect(groups.map(({ groupId }) => groupId)).toEqual(expected)
  })

  it.each(versionsOf(describeGroupsApi))('are described (v%i)', async (version) => {
    const memberId = await stable('g')
    const { groups } = await broker.ask(describeGroupsApi, version, { groups: ['g', 'nobody'] })
    expect(groups[0]).toMatchObject({
      errorCode: codes.none,
      groupState: 'Stable',
      protocolType: 'consumer',
      protocolData: 'range',
      members: [
        {
          memberId,
          clientId: 'test',
          clientHost: '/127.0.0.1',
          memberMetadata: subscription,
          memberAssignment: Buffer.from('mine'),
        },
      ],
    })
    const errorCode = version >= 6 ? codes.groupIdNotFound : codes.none
    expect(groups[1]).toMatchObject({ errorCode, groupState: 'Dead', members: [] })
    expect(groups[1]!.errorMessage).toBe(version >= 6 ? 'Group nobody not found.' : null)
  })

  it('are described with their instance ids, and with what one may do when asked', async () => {
    const joined = await joinFully(9, 'g', 'i')
    const asked = { groups: ['g'], includeAuthorizedOperations: true }
    const [group] = (await broker.ask(describeGroupsApi, 5, asked)).groups
    expect(group).toMatchObject({ groupState: 'CompletingRebalance', protocolData: '' })
    expect(group!.authorizedOperations).toBe((1 << 3) | (1 << 6) | (1 << 8))
    expect(group!.members).toMatchObject([
      { memberId: joined.memberId, groupInstanceId: 'i', memberMetadata: Buffer.alloc(0) },
    ])
    const [silent] = (await broker.ask(describeGroupsApi, 5, { groups: ['g'] })).groups
    expect(silent!.authorizedOperations).toBe(-2_147_483_648)
  })

  it.each(versionsOf(deleteGroupsApi))('without members are deleted (v%i)', async (version) => {
    await stable('a')
    await commit(8, 'b', 1)
    const asked = { groupsNames: ['a', 'b', 'nobody'] }
    const { results } = await broker.ask(deleteGroupsApi, version, asked)
    expect(results).toEqual([
      { groupId: 'a', errorCode: codes.nonEmptyGroup },
      { groupId: 'b', errorCode: codes.none },
      { groupId: 'nobody', errorCode: codes.groupIdNotFound },
    ])
    expect(await fetchOne(8, 'b')).toMatchObject({ committedOffset: -1 })
  })

  it('are there after a clean stop, members with their generation too', async () => {
    const memberId = await stable('g')
    await commit(8, 'g', 7, { generation: 1, memberId })
    const { disk } = broker
    await broker.stop()
    broker = await BrokerHarness.start({}, disk)
    expect(await commit(8, 'g', 8, { generation: 1, memberId })).toBe(codes.none)
    const beat = { groupId: 'g', generationId: 1, memberId }
    expect((await broker.ask(heartbeatApi, 4, beat)).errorCode).toBe(codes.none)
    expect(String((await sync(5, 'g', memberId)).assignment)).toBe('mine')
    expect(await fetchOne(8, 'g')).toMatchObject({ committedOffset: 8 })
  })

  it('have settings that are told when asked', async () => {
    const resources = [
      { resourceType: 4, resourceName: String(broker.store.nodeId), configurationKeys: null },
    ]
    const { results } = await broker.ask(describeConfigsApi, 4, { resources })
    const values = new Map(results[0]!.configs.map(({ name, value }) => [name, value]))
    expect(values.get('group.initial.rebalance.delay.ms')).toBe('0')
    expect(values.get('group.min.session.timeout.ms')).toBe('6000')
    expect(values.get('group.max.session.timeout.ms')).toBe('1800000')
    expect(values.get('offsets.retention.minutes')).toBe('10080')
    expect(values.get('offset.metadata.max.bytes')).toBe('4096')
  })
})

describe('while groups are being read, or after the broker was closed', () => {
  it('every request is told so', async () => {
    await broker.broker.close()
    const code = codes.notCoordinator
    expect((await join(9, 'g')).errorCode).toBe(code)
    expect((await sync(5, 'g', 'x')).errorCode).toBe(code)
    const beat = { groupId: 'g', generationId: 1, memberId: 'x' }
    expect((await broker.ask(heartbeatApi, 4, beat)).errorCode).toBe(code)
    for (const version of [1, 5]) {
      const left = await broker.ask(leaveGroupApi, version, { groupId: 'g' })
      expect(left.errorCode).toBe(code)
    }
    expect(await commit(8, 'g', 1)).toBe(code)
    const topics = [{ name: 't', partitionIndexes: [0] }]
    const old = await broker.ask(offsetFetchApi, 1, { groupId: 'g', topics })
    expect(old.topics[0]!.partitions[0]!.errorCode).toBe(code)
    const groups = [{ groupId: 'g', topics: null }]
    expect((await broker.ask(offsetFetchApi, 8, { groups })).groups[0]!.errorCode).toBe(code)
    const removed = await broker.ask(offsetDeleteApi, 0, { groupId: 'g', topics: [] })
    expect(removed.errorCode).toBe(code)
    expect((await broker.ask(listGroupsApi, 5, {})).errorCode).toBe(code)
    const described = await broker.ask(describeGroupsApi, 6, { groups: ['g'] })
    expect(described.groups[0]!.errorCode).toBe(code)
    const deleted = await broker.ask(deleteGroupsApi, 2, { groupsNames: ['g'] })
    expect(deleted.results[0]!.errorCode).toBe(code)
  })
})
