// Covers static members (KIP-345) of src/broker/groups/group.ts.
// Goal: a member with an instance id keeps its place over restarts of its process, and whoever
// spoke under that id before is fenced. Method: as in group.test.ts.
import { describe, expect, it } from 'vitest'
import { errorCodes as codes } from '../../../src/protocol/error-codes.ts'
import { protocolOf, TestGroup } from '../../support/group-actors.ts'

describe('a static member', () => {
  const fixed = (instanceId: string, knowsSkipAssignment = true) => ({
    instanceId,
    knowsSkipAssignment,
    knowsMemberIdRequired: true,
  })
  const stable = () => {
    const group = new TestGroup()
    const joins = [group.join(fixed('a')), group.join(fixed('b'))]
    group.clock.advance(0)
    const [leader, follower] = joins.map(({ result }) => result!.memberId) as [string, string]
    const assignments = { [leader]: 'L', [follower]: 'F' }
    for (const [id, instanceId] of [
      [leader, 'a'],
      [follower, 'b'],
    ] as const) {
      group.sync(id, { instanceId, assignments })
    }
    expect(group.group.state).toBe('Stable')
    return { group, leader, follower }
  }

  it('is added without being told an id first', () => {
    const group = new TestGroup()
    const join = group.join(fixed('a'))
    group.clock.advance(0)
    expect(join.result).toMatchObject({ errorCode: codes.none, memberId: 'a-1' })
    expect(join.result!.members[0]).toMatchObject({ groupInstanceId: 'a' })
  })

  it('that was started again keeps its assignment without a rebalance, stored', () => {
    const { group, follower } = stable()
    const again = group.join(fixed('b')).result!
    expect(again).toMatchObject({ errorCode: codes.none, generation: 1, skipAssignment: false })
    expect(again.memberId).not.toBe(follower)
    expect(group.group.state).toBe('Stable')
    expect(String(group.sync(again.memberId, { instanceId: 'b' }).result!.assignment)).toBe('F')
    expect(group.host.records.at(-1)!.members.map(({ id }) => id)).toContain(again.memberId)
    expect(group.heartbeat(follower, 1, 'b')).toBe(codes.fencedInstanceId)
    expect(group.heartbeat(follower, 1)).toBe(codes.unknownMemberId)
  })

  it('that leads and was started again is told to assign nothing', () => {
    const { group, leader } = stable()
    const again = group.join(fixed('a')).result!
    expect(again).toMatchObject({ leader: again.memberId, skipAssignment: true })
    expect(again.members.length).toBe(2)
    const old = group.join(fixed('a', false)).result!
    expect(old).toMatchObject({ leader: again.memberId, skipAssignment: false, members: [] })
    expect(old.memberId).not.toBe(old.leader)
    expect(group.group.leaderId).toBe(old.memberId)
    expect(leader).not.toBe(old.memberId)
  })

  it('whose return cannot be stored is told so', () => {
    const { group } = stable()
    group.host.storeResult = codes.coordinatorNotAvailable
    expect(group.join(fixed('b')).result!.errorCode).toBe(codes.coordinatorNotAvailable)
  })

  it('whose return changes the protocol makes the group rebalance', () => {
    const group = new TestGroup()
    const both = [protocolOf('range'), protocolOf('sticky')]
    const a = group.join({ ...fixed('a'), protocols: both })
    const b = group.join({ ...fixed('b'), protocols: both })
    group.clock.advance(0)
    for (const { result } of [a, b]) group.sync(result!.memberId)
    const back = group.join({ ...fixed('b'), protocols: [protocolOf('sticky')] })
    expect(group.group.state).toBe('PreparingRebalance')
    group.join({ ...fixed('a'), memberId: a.result!.memberId, protocols: both })
    expect(back.result).toMatchObject({ generation: 2, protocol: 'sticky' })
  })

  it('fences the requests of its former self that wait', () => {
    const { group } = stable()
    const c = group.join() // a newcomer: the others must join again
    const waiting = group.join(fixed('a'))
    const again = group.join(fixed('a'))
    expect(waiting.result!.errorCode).toBe(codes.fencedInstanceId)
    const b = group.join(fixed('b'))
    expect([c, again, b].map(({ result }) => result!.generation)).toEqual([2, 2, 2])
    const sync = group.sync(b.result!.memberId, { instanceId: 'b' })
    const third = group.join(fixed('b'))
    expect(sync.result!.errorCode).toBe(codes.fencedInstanceId)
    expect(third.result).toBeUndefined()
  })

  it('that is silent stays over rebalances until its session ends', () => {
    const { group, leader } = stable()
    const newcomer = group.join()
    for (let ms = 0; ms < 60_000; ms += 5_000) {
      for (const [id, instance] of [
        [leader, 'a'],
        [group.group.leaderId!, 'a'],
      ] as const) {
        group.heartbeat(id, 1, instance)
      }
      group.heartbeat([...group.group.members()][1]!.id, 1, 'b')
      group.clock.advance(5_000)
    }
    expect(newcomer.result!.generation).toBe(2)
    expect(group.group.memberCount).toBe(3)
    group.clock.advance(10_000)
    expect(group.group.memberCount).toBe(0)
  })

  it('that is silent is not waited for without a pause, however impatient it was', () => {
    const group = new TestGroup()
    const joins = ['a', 'b'].map((name) => group.join({ ...fixed(name), rebalanceTimeoutMs: 1 }))
    group.clock.advance(0)
    const ids = joins.map(({ result }) => result!.memberId)
    group.syncAll(ids)
    group.group.leave([{ memberId: ids[1]!, instanceId: 'b' }])
    let timers = 0
    const after = group.clock.after.bind(group.clock)
    group.clock.after = (delayMs, run) => {
      timers++
      return after(delayMs, run)
    }
    group.clock.advance(9_999)
    expect(group.group.memberCount).toBe(1)
    expect(timers).toBeLessThanOrEqual(11)
    group.clock.advance(1)
    expect(group.group).toMatchObject({ state: 'Empty', memberCount: 0 })
  })

  it('may be taken out by its instance id alone, not under another’s member id', () => {
    const { group, leader } = stable()
    expect(group.group.leave([{ memberId: leader, instanceId: 'b' }])).toEqual([
      codes.fencedInstanceId,
    ])
    expect(group.group.leave([{ memberId: '', instanceId: 'b' }])).toEqual([codes.none])
    expect(group.group.memberCount).toBe(1)
  })
})
