// Covers src/broker/groups/group-record.ts and a group made from its record.
// Goal: members go on over a restart as if nothing had been. Method: as in group.test.ts.
import { describe, expect, it } from 'vitest'
import { offsetKey, parseOffsetKey } from '../../../src/broker/groups/group-record.ts'
import { errorCodes as codes } from '../../../src/protocol/error-codes.ts'
import { TestGroup } from '../../support/group-actors.ts'

describe('a group that is read back', () => {
  it('goes on in its generation, and members that are gone lose their sessions', () => {
    const { group, ids } = TestGroup.stable(2)
    const again = new TestGroup({}, group.host.records.at(-1)!)
    expect(again.group).toMatchObject({ state: 'Stable', generation: 1, leaderId: ids[0] })
    expect(again.heartbeat(ids[0]!)).toBe(codes.none)
    expect(String(again.sync(ids[1]!).result!.assignment)).toBe(ids[1])
    expect(again.join({ memberId: ids[1]! }).result!.generation).toBe(1)
    again.clock.advance(9_000)
    again.heartbeat(ids[0]!)
    again.clock.advance(1_000)
    expect(again.group).toMatchObject({ state: 'PreparingRebalance', memberCount: 1 })
  })

  it('knows its static members', () => {
    const group = new TestGroup()
    const join = group.join({ instanceId: 'a' })
    group.clock.advance(0)
    group.sync(join.result!.memberId, { assignments: { [join.result!.memberId]: 'A' } })
    const again = new TestGroup({}, group.host.records.at(-1)!)
    const back = again.join({ instanceId: 'a' }).result!
    expect(back).toMatchObject({ errorCode: codes.none, generation: 1 })
    expect(String(again.sync(back.memberId).result!.assignment)).toBe('A')
  })
})

describe('the key of an offset', () => {
  it.each(['g', '', 'a\0b', 'o1\0t', '\n', '0'])('tells group %j again', (group) => {
    const place = { group, topic: 't.1', partition: 12 }
    expect(parseOffsetKey(offsetKey(group, 't.1', 12))).toEqual(place)
  })

  it('is not made of anything else', () => {
    expect(['', 'o', 'g\0g', 'o1', 'o1\0t', 'ox\0t\0g'].map(parseOffsetKey)).toEqual(
      new Array(6).fill(undefined),
    )
  })
})
