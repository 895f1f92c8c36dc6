// Covers src/broker/groups/group.ts, group-members.ts and rebalance-rules.ts.
// Static members are in static-members.test.ts, restarts in group-record.test.ts. Goal: every transition of a group and every answer to each request in each state.
// Method: one group with a clock that the test moves; requests as calls, answers as values.
import { describe, expect, it } from 'vitest'
import { errorCodes as codes } from '../../../src/protocol/error-codes.ts'
import { protocolOf, TestGroup } from '../../support/group-actors.ts'

describe('a first rebalance', () => {
  it('ends at once without a delay, and makes the first member leader', () => {
    const group = new TestGroup()
    const first = group.join({ clientId: 'app' })
    expect(group.group.state).toBe('PreparingRebalance')
    group.clock.advance(0)
    expect(first.result).toMatchObject({
      errorCode: codes.none,
      generation: 1,
      protocolType: 'consumer',
      protocol: 'range',
      leader: 'app-1',
      memberId: 'app-1',
    })
    expect(first.result!.members.map(({ memberId }) => memberId)).toEqual(['app-1'])
    expect(group.group.state).toBe('CompletingRebalance')
  })

  it('waits on while members keep coming, at most their rebalance timeout', () => {
    const group = new TestGroup({ initialRebalanceDelayMs: 3_000 })
    const joins = [group.join({ rebalanceTimeoutMs: 8_000 })]
    for (let i = 0; i < 2; i++) {
      group.clock.advance(2_999)
      joins.push(group.join({ rebalanceTimeoutMs: 8_000 }))
      group.clock.advance(1)
      expect(joins[0]!.result).toBeUndefined()
    }
    // 6 of 8 s are gone, and somebody has come: 2 s are left.
    group.clock.advance(1_999)
    joins.push(group.join({ rebalanceTimeoutMs: 8_000 }))
    expect(joins[0]!.result).toBeUndefined()
    group.clock.advance(1)
    expect(joins.map(({ result }) => result?.generation)).toEqual([1, 1, 1, 1])
    expect(joins.map(({ result }) => result!.members.length)).toEqual([4, 0, 0, 0])
  })

  it('ends after one delay when nobody else comes', () => {
    const group = new TestGroup({ initialRebalanceDelayMs: 3_000 })
    const join = group.join()
    group.clock.advance(2_999)
    expect(join.result).toBeUndefined()
    group.clock.advance(1)
    expect(join.result!.generation).toBe(1)
  })

  it('that everybody leaves gives an empty group of the next generation, stored', () => {
    const group = new TestGroup({ initialRebalanceDelayMs: 3_000 })
    const join = group.join({ instanceId: 'i' })
    expect(group.group.leave([{ memberId: '', instanceId: 'i' }])).toEqual([codes.none])
    expect(join.result!.errorCode).toBe(codes.unknownMemberId)
    group.clock.advance(3_000)
    expect(group.group).toMatchObject({ state: 'Empty', generation: 1, protocol: null })
    expect(group.host.records.at(-1)).toMatchObject({ generation: 1, members: [] })
    expect(group.clock.pending).toBe(0)
  })
})

describe('a client that must know its id first', () => {
  it('is told an id, and joins with it', () => {
    const group = new TestGroup()
    const told = group.join({ knowsMemberIdRequired: true }).result!
    expect(told).toMatchObject({ errorCode: codes.memberIdRequired, memberId: 'c-1' })
    expect(group.group).toMatchObject({ state: 'Empty', memberCount: 0, pendingCount: 1 })
    const join = group.join({ knowsMemberIdRequired: true, memberId: 'c-1' })
    group.clock.advance(0)
    expect(join.result).toMatchObject({ errorCode: codes.none, memberId: 'c-1' })
    expect(group.group.pendingCount).toBe(0)
  })

  it('loses the id after its session timeout, and holds rebalances up no longer', () => {
    const { group, ids } = TestGroup.stable(1)
    const told = group.join({ knowsMemberIdRequired: true }).result!
    const rejoin = group.join({ memberId: ids[0]! })
    expect(rejoin.result).toBeUndefined()
    group.clock.advance(10_000)
    expect(rejoin.result!.generation).toBe(2)
    const late = group.join({ knowsMemberIdRequired: true, memberId: told.memberId })
    expect(late.result!.errorCode).toBe(codes.unknownMemberId)
  })

  it('may give the id back, which disturbs nobody in a stable group', () => {
    const { group } = TestGroup.stable(1)
    const told = group.join({ knowsMemberIdRequired: true }).result!
    const { memberId } = told
    expect(group.group.leave([{ memberId, instanceId: null }])).toEqual([codes.none])
    expect(group.group).toMatchObject({ state: 'Stable', pendingCount: 0 })
  })
})

describe('a rebalance', () => {
  it('waits for all members, and answers all at once with one generation', () => {
    const { group, ids } = TestGroup.stable(3)
    const newcomer = group.join()
    expect(ids.map((id) => group.heartbeat(id))).toEqual(ids.map(() => codes.rebalanceInProgress))
    const joins = ids.map((memberId) => group.join({ memberId }))
    const all = [...joins, newcomer].map(({ result }) => result!)
    expect(all.map(({ generation }) => generation)).toEqual([2, 2, 2, 2])
    expect(all.map(({ leader }) => leader)).toEqual(all.map(() => ids[0]))
    expect(all.map(({ members }) => members.length)).toEqual([4, 0, 0, 0])
  })

  it('goes on without dynamic members that do not come back in time', () => {
    const { group, ids } = TestGroup.stable(3)
    const joins = [group.join(), group.join({ memberId: ids[1]! })]
    for (let i = 0; i < 12; i++) {
      // They live, and do not hear that they should join.
      group.heartbeat(ids[0]!)
      group.heartbeat(ids[2]!)
      group.clock.advance(5_000)
    }
    expect(joins.map(({ result }) => result!.generation)).toEqual([2, 2])
    expect(joins.map(({ result }) => result!.leader)).toEqual([ids[1], ids[1]])
    expect(joins[1]!.result!.members.length).toBe(2)
    expect(group.heartbeat(ids[0]!)).toBe(codes.unknownMemberId)
  })

  it('takes the longest of its members’ rebalance timeouts', () => {
    const group = new TestGroup()
    const ids = [60_000, 90_000].map((rebalanceTimeoutMs) => group.join({ rebalanceTimeoutMs }))
    group.clock.advance(0)
    group.syncAll(ids.map(({ result }) => result!.memberId))
    const join = group.join()
    for (let ms = 0; ms < 85_000; ms += 5_000) {
      for (const { result } of ids) group.heartbeat(result!.memberId, 1)
      group.clock.advance(5_000)
    }
    expect(join.result).toBeUndefined()
    group.clock.advance(5_000)
    expect(join.result!.generation).toBe(2)
  })

  it('begins again when a member joins with other metadata before it is done', () => {
    const group = new TestGroup()
    const [a, b] = [group.join(), group.join()]
    group.clock.advance(0)
    const ids = [a.result!.memberId, b.result!.memberId] as const
    const parked = group.sync(ids[1])
    const other = group.join({ memberId: ids[0], protocols: [protocolOf('range', 'new')] })
    expect(parked.result!.errorCode).toBe(codes.rebalanceInProgress)
    expect(group.group.state).toBe('PreparingRebalance')
    group.join({ memberId: ids[1] })
    expect(other.result!.generation).toBe(2)
    expect(String(other.result!.members[0]!.metadata)).toBe('new')
  })

  it('answers a member again that lost the answer, without another generation', () => {
    const group = new TestGroup()
    const [a, b] = [group.join(), group.join()]
    group.clock.advance(0)
    const again = [a, b].map(({ result }) => group.join({ memberId: result!.memberId }).result!)
    expect(again).toEqual([a.result, b.result])
    group.syncAll(again.map(({ memberId }) => memberId))
    // A stable group: the follower only.
    expect(group.join({ memberId: b.result!.memberId }).result).toEqual(b.result)
    expect(group.group.state).toBe('Stable')
    expect(group.join({ memberId: a.result!.memberId }).result).toBeUndefined()
    expect(group.group.state).toBe('PreparingRebalance')
  })

  it('answers a join that its client sent again, once each', () => {
    const { group, ids } = TestGroup.stable(2)
    const first = group.join({ memberId: ids[0]! })
    const second = group.join({ memberId: ids[0]! })
    expect(first.result!.errorCode).toBe(codes.rebalanceInProgress)
    group.join({ memberId: ids[1]! })
    expect(second.result).toMatchObject({ errorCode: codes.none, generation: 2 })
    expect([first.count, second.count]).toEqual([1, 1])
  })

  it('chooses the protocol that all know and most want first', () => {
    const group = new TestGroup()
    const lists = [
      ['a', 'b', 'c'],
      ['c', 'b'],
      ['b', 'c', 'd'],
      ['c', 'b', 'a'],
    ]
    const joins = lists.map((names) => group.join({ protocols: names.map((n) => protocolOf(n)) }))
    group.clock.advance(0)
    // a and d are not known to all: votes are b, c, b, c; b was voted for first.
    expect(joins.map(({ result }) => result!.protocol)).toEqual(['b', 'b', 'b', 'b'])
    const fifth = group.join({ protocols: [protocolOf('c')] })
    for (const [i, names] of lists.entries()) {
      const memberId = joins[i]!.result!.memberId
      group.join({ memberId, protocols: names.map((name) => protocolOf(name)) })
    }
    expect(fifth.result!.protocol).toBe('c')
  })
})

describe('who may not join', () => {
  it.each([
    ['another protocol type', { protocolType: 'connect' }],
    ['no protocol type', { protocolType: '' }],
    ['no protocols', { protocols: [] }],
    ['no shared protocol', { protocols: [protocolOf('sticky')] }],
  ])('one with %s', (_, request) => {
    const { group } = TestGroup.stable(1)
    expect(group.join(request).result!.errorCode).toBe(codes.inconsistentGroupProtocol)
    expect(group.group.state).toBe('Stable')
  })

  it('one with an id that nobody gave it', () => {
    const { group } = TestGroup.stable(1)
    expect(group.join({ memberId: 'x' }).result!.errorCode).toBe(codes.unknownMemberId)
    const wrong = group.join({ memberId: 'x', instanceId: 'i' })
    expect(wrong.result!.errorCode).toBe(codes.unknownMemberId)
  })

  it('one more than a group may have, ids handed out among them', () => {
    const { group, ids } = TestGroup.stable(2, { maxSize: 3 })
    const pending = group.join({ knowsMemberIdRequired: true }).result!
    expect(group.join().result!.errorCode).toBe(codes.groupMaxSizeReached)
    const third = group.join({ memberId: pending.memberId })
    expect(group.join().result).toBeUndefined()
    expect(group.join({ memberId: ids[0]! }).result).toBeUndefined()
    // Three have come: there is no place for the one who comes last.
    expect(group.join({ memberId: ids[1]! }).result!.errorCode).toBe(codes.groupMaxSizeReached)
    expect(third.result).toMatchObject({ errorCode: codes.none, generation: 2 })
    expect(group.group.memberCount).toBe(3)
  })

  it('anybody once the group is dead', () => {
    const { group, ids } = TestGroup.stable(1)
    group.group.end()
    expect(group.join().result!.errorCode).toBe(codes.coordinatorNotAvailable)
    expect(group.sync(ids[0]!).result!.errorCode).toBe(codes.coordinatorNotAvailable)
    expect(group.heartbeat(ids[0]!)).toBe(codes.coordinatorNotAvailable)
    expect(group.group.leave([{ memberId: ids[0]!, instanceId: null }])).toEqual([
      codes.coordinatorNotAvailable,
    ])
    expect(group.clock.pending).toBe(0)
  })
})

describe('an assignment', () => {
  const completing = () => {
    const group = new TestGroup()
    const joins = [group.join(), group.join()]
    group.clock.advance(0)
    const ids = joins.map(({ result }) => result!.memberId)
    return { group, leader: ids[0]!, follower: ids[1]! }
  }

  it('is answered to nobody before it is stored, then to all', () => {
    const { group, leader, follower } = completing()
    group.host.storeResult = undefined
    const parked = group.sync(follower)
    const bringing = group.sync(leader, { assignments: { [leader]: 'L', [follower]: 'F' } })
    expect([parked.result, bringing.result]).toEqual([undefined, undefined])
    expect(group.group.state).toBe('CompletingRebalance')
    group.host.writes[0]!(codes.none)
    expect(group.group.state).toBe('Stable')
    expect([parked, bringing].map(({ result }) => String(result!.assignment))).toEqual(['F', 'L'])
    expect(group.host.records.at(-1)!.members.map(({ assignment }) => assignment)).toEqual([
      Buffer.from('L').toString('base64'),
      Buffer.from('F').toString('base64'),
    ])
    // Who comes later gets the same.
    expect(String(group.sync(follower).result!.assignment)).toBe('F')
  })

  it('that cannot be stored is nobody’s, and the members join again', () => {
    const { group, leader, follower } = completing()
    const parked = group.sync(follower)
    group.host.storeResult = codes.coordinatorNotAvailable
    const bringing = group.sync(leader, { assignments: { [leader]: 'L' } })
    const results = [parked, bringing].map(({ result }) => result!.errorCode)
    expect(results).toEqual([codes.coordinatorNotAvailable, codes.coordinatorNotAvailable])
    expect(group.group.state).toBe('PreparingRebalance')
  })

  it('of a generation that ended while it was stored is dropped', () => {
    const { group, leader, follower } = completing()
    group.host.storeResult = undefined
    const bringing = group.sync(leader, { assignments: { [leader]: 'L' } })
    group.group.leave([{ memberId: follower, instanceId: null }])
    expect(bringing.result!.errorCode).toBe(codes.rebalanceInProgress)
    group.host.writes[0]!(codes.none)
    expect(group.group.state).toBe('PreparingRebalance')
    const rejoined = group.join({ memberId: leader })
    expect(rejoined.result!.generation).toBe(2)
    const next = group.sync(leader, { assignments: { [leader]: 'all' } })
    group.host.writes[1]!(codes.none)
    expect(String(next.result!.assignment)).toBe('all')
  })

  it('is empty for members the leader forgot, and ignores who is no member', () => {
    const { group, leader, follower } = completing()
    const parked = group.sync(follower)
    group.sync(leader, { assignments: { [leader]: 'L', stranger: 'S' } })
    expect(parked.result).toMatchObject({ errorCode: codes.none, assignment: Buffer.alloc(0) })
  })

  it('is refused to strangers, to other generations and to other protocols', () => {
    const { group, follower } = completing()
    const errorOf = (options: object, id = follower) => group.sync(id, options).result!.errorCode
    expect(errorOf({}, 'x')).toBe(codes.unknownMemberId)
    expect(errorOf({ generation: 0 })).toBe(codes.illegalGeneration)
    expect(errorOf({ generation: 2 })).toBe(codes.illegalGeneration)
    expect(errorOf({ protocolType: 'connect' })).toBe(codes.inconsistentGroupProtocol)
    expect(errorOf({ protocol: 'sticky' })).toBe(codes.inconsistentGroupProtocol)
    expect(errorOf({ instanceId: 'i' })).toBe(codes.unknownMemberId)
    group.join()
    expect(errorOf({ protocol: 'range' })).toBe(codes.rebalanceInProgress)
  })

  it('not asked for in time takes members out', () => {
    const { group, leader, follower } = completing()
    group.sync(leader, { assignments: { [leader]: 'L' } })
    const beat = () => [leader, follower].map((id) => group.heartbeat(id))
    for (let ms = 0; ms < 60_000; ms += 5_000) {
      expect(beat()).toEqual([codes.none, codes.none])
      group.clock.advance(5_000)
    }
    expect(beat()).toEqual([codes.rebalanceInProgress, codes.unknownMemberId])
  })

  it('not brought by the leader is given up for another', () => {
    const { group, leader, follower } = completing()
    const parked = group.sync(follower)
    group.clock.advance(10_000) // the leader's session
    expect(parked.result!.errorCode).toBe(codes.rebalanceInProgress)
    const rejoined = group.join({ memberId: follower })
    expect(rejoined.result).toMatchObject({ generation: 2, leader: follower })
    expect(group.heartbeat(leader)).toBe(codes.unknownMemberId)
  })
})

describe('a session', () => {
  it('ends when nothing is heard, and the others join again', () => {
    const { group, ids } = TestGroup.stable(2)
    group.clock.advance(9_999)
    expect(group.heartbeat(ids[0]!)).toBe(codes.none)
    expect(group.group.state).toBe('Stable')
    group.clock.advance(1)
    expect(group.group).toMatchObject({ state: 'PreparingRebalance', memberCount: 1 })
    expect(group.heartbeat(ids[1]!)).toBe(codes.unknownMemberId)
  })

  it('of the last member leaves the group empty, with nothing running', () => {
    const { group } = TestGroup.stable(1)
    group.clock.advance(10_000)
    expect(group.group).toMatchObject({ state: 'Empty', generation: 2, memberCount: 0 })
    expect(group.clock.pending).toBe(0)
  })

  it('is prolonged by commits and by asking for the assignment', () => {
    const { group, ids } = TestGroup.stable(2)
    const claim = { generation: 1, memberId: ids[0]!, instanceId: null }
    for (let i = 0; i < 5; i++) {
      group.clock.advance(9_000)
      expect(group.group.checkCommit(claim)).toBe(codes.none)
      expect(group.sync(ids[1]!).result!.errorCode).toBe(codes.none)
    }
    expect(group.group.memberCount).toBe(2)
  })

  it('does not end while a member waits for the group', () => {
    const { group, ids } = TestGroup.stable(2)
    const rejoin = group.join({ memberId: ids[0]! })
    for (let ms = 0; ms < 50_000; ms += 5_000) {
      group.heartbeat(ids[1]!)
      group.clock.advance(5_000)
    }
    expect(rejoin.result).toBeUndefined()
    expect(group.group.memberCount).toBe(2)
    group.join({ memberId: ids[1]! })
    expect(rejoin.result!.generation).toBe(2)
  })

  it('of a newcomer whose join waits ends after five minutes', () => {
    const { group, ids } = TestGroup.stable(1)
    const rebalanceTimeoutMs = 600_000
    const pending = group.join({ rebalanceTimeoutMs })
    for (let ms = 0; ms < 300_000; ms += 5_000) {
      expect(pending.result).toBeUndefined()
      group.heartbeat(ids[0]!)
      group.clock.advance(5_000)
    }
    expect(pending.result!.errorCode).toBe(codes.unknownMemberId)
  })

  it('is not cut short by a clock that is set forward', () => {
    const { group, ids } = TestGroup.stable(1)
    const now = group.clock.now.bind(group.clock)
    group.clock.now = () => now() + 3_600_000
    expect(group.heartbeat(ids[0]!)).toBe(codes.none)
    group.clock.now = now
    expect(group.heartbeat(ids[0]!)).toBe(codes.none)
    group.clock.advance(9_999)
    expect(group.group.memberCount).toBe(1)
  })
})

describe('heartbeats', () => {
  it('are refused to strangers and to other generations, and welcome while syncs are awaited', () => {
    const group = new TestGroup()
    expect(group.heartbeat('x', 0)).toBe(codes.unknownMemberId)
    const join = group.join()
    group.clock.advance(0)
    const id = join.result!.memberId
    expect(group.heartbeat(id)).toBe(codes.none)
    expect(group.heartbeat(id, 0)).toBe(codes.illegalGeneration)
    expect(group.heartbeat(id, 1, 'i')).toBe(codes.unknownMemberId)
    expect(group.heartbeat('x')).toBe(codes.unknownMemberId)
  })
})

describe('leaving', () => {
  it('makes the others join again, with another leader when it was the leader', () => {
    const { group, ids } = TestGroup.stable(3)
    const leaving = [
      { memberId: ids[0]!, instanceId: null },
      { memberId: 'x', instanceId: null },
      { memberId: '', instanceId: 'i' },
      { memberId: '', instanceId: null },
    ]
    const { unknownMemberId } = codes
    const expected = [codes.none, unknownMemberId, unknownMemberId, unknownMemberId]
    expect(group.group.leave(leaving)).toEqual(expected)
    const joins = [ids[1]!, ids[2]!].map((memberId) => group.join({ memberId }))
    expect(joins.map(({ result }) => result!.leader)).toEqual([ids[1], ids[1]])
  })

  it('of the only one that others wait for lets them go on', () => {
    const { group, ids } = TestGroup.stable(2)
    const rejoin = group.join({ memberId: ids[0]! })
    expect(rejoin.result).toBeUndefined()
    group.group.leave([{ memberId: ids[1]!, instanceId: null }])
    expect(rejoin.result!.generation).toBe(2)
  })

  it('of the last one empties the group, which keeps its type and takes any', () => {
    const { group, ids } = TestGroup.stable(1)
    group.group.leave([{ memberId: ids[0]!, instanceId: null }])
    expect(group.group).toMatchObject({ state: 'Empty', generation: 2, protocolType: 'consumer' })
    expect(group.host.records.at(-1)).toMatchObject({ members: [], leader: null, protocol: null })
    const join = group.join({ protocolType: 'connect', protocols: [protocolOf('compatible')] })
    group.clock.advance(0)
    expect(join.result).toMatchObject({ generation: 3, protocolType: 'connect' })
  })
})

describe('a commit', () => {
  const claim = (memberId: string, generation = 1, instanceId: string | null = null) => ({
    memberId,
    generation,
    instanceId,
  })

  it('is taken from members of this generation, in a rebalance too, not between join and sync', () => {
    const { group, ids } = TestGroup.stable(1)
    const [id] = ids as [string]
    const check = (...args: Parameters<typeof claim>) => group.group.checkCommit(claim(...args))
    expect(check(id)).toBe(codes.none)
    expect(check(id, 0)).toBe(codes.illegalGeneration)
    expect(check('x')).toBe(codes.unknownMemberId)
    expect(check('', -1)).toBe(codes.unknownMemberId)
    expect(check(id, 1, 'i')).toBe(codes.unknownMemberId)
    group.join()
    expect(check(id)).toBe(codes.none)
    group.join({ memberId: id })
    expect(check(id)).toBe(codes.illegalGeneration)
    expect(check(id, 2)).toBe(codes.rebalanceInProgress)
    group.group.end()
    expect(check(id, 2)).toBe(codes.coordinatorNotAvailable)
  })

  it('without a generation is taken by an empty group only', () => {
    const group = new TestGroup()
    expect(group.group.checkCommit(claim('', -1))).toBe(codes.none)
    expect(group.group.checkCommit(claim('x', 0))).toBe(codes.unknownMemberId)
    group.join()
    expect(group.group.checkCommit(claim('', -1))).toBe(codes.unknownMemberId)
  })
})
