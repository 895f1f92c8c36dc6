// Covers src/broker/groups/group-coordinator.ts, committed-offsets.ts, group-journal.ts and
// offset-expiry.ts. Goal: what is acknowledged is durable, what is durable comes back, and what has
// expired goes. Method: a table in memory and a clock that the test moves.
import { describe, expect, it } from 'vitest'
import { BatchTooLargeError, LogFailedError } from '../../../src/base/errors.ts'
import { minuteMs } from '../../../src/base/units.ts'
import { GroupCoordinator } from '../../../src/broker/groups/group-coordinator.ts'
import type { JoinRequest } from '../../../src/broker/groups/group-member.ts'
import { groupKey } from '../../../src/broker/groups/group-record.ts'
import {
  defaultGroupSettings,
  type GroupSettings,
} from '../../../src/broker/groups/group-settings.ts'
import { errorCodes as codes, type ErrorCode } from '../../../src/protocol/error-codes.ts'
import { joinDefaults, protocolOf } from '../../support/group-actors.ts'
import { MemoryGroupTable } from '../../support/memory-group-table.ts'
import { RecordingLogger } from '../../support/recording-logger.ts'
import { SteppedClock } from '../../support/stepped-clock.ts'

const nobody = { generation: -1, memberId: '', instanceId: null }
const dayMs = 24 * 60 * minuteMs

class Fixture {
  readonly clock = new SteppedClock()
  readonly table: MemoryGroupTable
  readonly logger = new RecordingLogger()
  readonly topics = new Map([
    ['t', 'id-of-t'],
    ['u', 'id-of-u'],
  ])
  readonly coordinator: GroupCoordinator

  constructor(table = new MemoryGroupTable(), settings: Partial<GroupSettings> = {}) {
    this.table = table
    this.coordinator = new GroupCoordinator({
      settings: { ...defaultGroupSettings, ...settings },
      level: 'disk',
      clock: this.clock,
      logger: this.logger,
      topicId: (name) => this.topics.get(name),
    })
    this.coordinator.load(table)
  }

  async commit(
    group: string,
    offset: number,
    options: {
      topic?: string
      partition?: number
      claim?: typeof nobody
      retentionMs?: number
    } = {},
  ): Promise<ErrorCode> {
    const { topic = 't', partition = 0, claim = nobody, retentionMs } = options
    const topicId = this.topics.get(topic)!
    const one = { topic, topicId, partition, offset, leaderEpoch: 3, metadata: 'm', retentionMs }
    return this.coordinator.commit(group, claim, [one])
  }

  offset(group: string, topic = 't', partition = 0): number | undefined {
    const found = this.coordinator.group(group)
    return found && this.coordinator.committed(found, topic, partition)?.offset
  }

  /** One member in a stable group that reads these topics. */
  async stable(group: string, topics: readonly string[], request: Partial<JoinRequest> = {}) {
    const protocols = [{ name: 'range', metadata: subscription(topics) }]
    const { signal } = new AbortController()
    const asked = { ...joinDefaults, protocols, ...request }
    const joining = this.coordinator.join(group, asked, signal)
    this.clock.advance(0)
    const { memberId, generation } = await joining
    const claim = { generation, memberId, instanceId: null }
    const more = { protocolType: null, protocol: null, assignments: new Map() }
    await this.coordinator.sync(group, { ...claim, ...more }, signal)
    return claim
  }

  /** Lets time pass in steps that keep a member alive. */
  live(group: string, claim: typeof nobody, ms: number): void {
    for (let passed = 0; passed < ms; passed += minuteMs) {
      for (let step = 0; step < 12; step++) {
        expect(this.coordinator.heartbeat(group, claim)).toBe(codes.none)
        this.clock.advance(5_000)
      }
    }
  }
}

function subscription(topics: readonly string[]): Buffer {
  const parts = topics.map((topic) => {
    const name = Buffer.from(topic)
    return Buffer.concat([Buffer.from([0, name.length]), name])
  })
  return Buffer.concat([Buffer.from([0, 1, 0, 0, 0, topics.length]), ...parts, Buffer.alloc(4)])
}

describe('commits', () => {
  it('are seen when they are durable, not before', async () => {
    const { coordinator } = new Fixture()
    const one = {
      topic: 't',
      topicId: 'id-of-t',
      partition: 0,
      offset: 7,
      leaderEpoch: -1,
      metadata: '',
    }
    const committing = coordinator.commit('g', nobody, [one])
    const group = coordinator.group('g')!
    expect(coordinator.committed(group, 't', 0)).toBeUndefined()
    expect(await committing).toBe(codes.none)
    expect(coordinator.committed(group, 't', 0)).toMatchObject({ offset: 7, metadata: '' })
  })

  it('of one turn of the loop are one batch, and the last one counts', async () => {
    const fixture = new Fixture()
    const results = Array.from({ length: 1_000 }, (_, i) => fixture.commit(`g${i % 10}`, i))
    expect(new Set(await Promise.all(results))).toEqual(new Set([codes.none]))
    expect(fixture.table.batches).toBe(1)
    expect(fixture.offset('g9')).toBe(999)
  })

  it('larger than one batch go in several', async () => {
    const fixture = new Fixture()
    const results = Array.from({ length: 10_000 }, (_, i) => fixture.commit(`g${i}`, i))
    expect(new Set(await Promise.all(results))).toEqual(new Set([codes.none]))
    expect(fixture.table.batches).toBeGreaterThan(1)
    expect(fixture.table.batches).toBeLessThan(10)
  })

  it('that cannot be written leave what was committed before, and say so', async () => {
    const fixture = new Fixture()
    await fixture.commit('g', 1)
    fixture.table.failure = new LogFailedError('the disk is gone')
    expect(await fixture.commit('g', 2)).toBe(codes.coordinatorNotAvailable)
    const limits = { sizeBytes: 2, limitBytes: 1, limit: 'message' } as const
    fixture.table.failure = new BatchTooLargeError(limits)
    expect(await fixture.commit('g', 3)).toBe(codes.unknownServerError)
    expect(await fixture.commit('other', 3)).toBe(codes.unknownServerError)
    expect(fixture.logger.at('error').length).toBe(3)
    fixture.table.failure = undefined
    expect(fixture.offset('g')).toBe(1)
    expect(fixture.coordinator.group('other')!.offsets.isEmpty).toBe(true)
    expect(await fixture.commit('g', 4)).toBe(codes.none)
    expect(fixture.offset('g')).toBe(4)
  })

  it('come back after a restart, those of groups that never had members too', async () => {
    const before = new Fixture()
    await before.commit('simple', 5, { partition: 3 })
    const claim = await before.stable('g', ['t'])
    await before.commit('g', 6, { claim })
    const after = new Fixture(before.table)
    expect(after.offset('simple', 't', 3)).toBe(5)
    expect(after.coordinator.group('simple')).toMatchObject({
      state: 'Empty',
      protocolType: undefined,
    })
    expect(after.coordinator.group('g')).toMatchObject({ state: 'Stable', generation: 1 })
    expect(await after.commit('g', 7, { claim })).toBe(codes.none)
    expect(after.offset('g')).toBe(7)
  })

  it('of groups and topics with any characters come back', async () => {
    const before = new Fixture()
    const name = 'a\0b\n"é 🙂 o1\0t'
    await before.commit(name, 1)
    await before.commit('', 2)
    const after = new Fixture(before.table)
    expect([after.offset(name), after.offset('')]).toEqual([1, 2])
  })
})

describe('requests', () => {
  it('are told that groups are being loaded, and after the end to look elsewhere', async () => {
    const { clock, logger } = new Fixture()
    const settings = defaultGroupSettings
    const details = { settings, level: 'disk', clock, logger, topicId: () => 'x' } as const
    const coordinator = new GroupCoordinator(details)
    const { signal } = new AbortController()
    const sync = { ...nobody, protocolType: null, protocol: null, assignments: new Map() }
    const askAll = async () => [
      (await coordinator.join('g', joinDefaults, signal)).errorCode,
      (await coordinator.sync('g', sync, signal)).errorCode,
      coordinator.heartbeat('g', nobody),
      await coordinator.leave('g', []),
      await coordinator.commit('g', nobody, []),
      await coordinator.deleteGroup('g'),
    ]
    expect(new Set(await askAll())).toEqual(new Set([codes.coordinatorLoadInProgress]))
    coordinator.load(new MemoryGroupTable())
    await coordinator.close()
    expect(new Set(await askAll())).toEqual(new Set([codes.notCoordinator]))
  })

  it('that wait are answered when the coordinator closes, and nothing runs on', async () => {
    const fixture = new Fixture()
    const claim = await fixture.stable('g', ['t'])
    const { signal } = new AbortController()
    const waiting = fixture.coordinator.join('g', joinDefaults, signal)
    expect(waiting).toBeInstanceOf(Promise)
    await fixture.coordinator.close()
    expect((await waiting).errorCode).toBe(codes.notCoordinator)
    expect(fixture.clock.pending).toBe(0)
    expect(fixture.coordinator.heartbeat('g', claim)).toBe(codes.notCoordinator)
  })

  it('that wait end with their connection; the member stays until its session ends', async () => {
    const fixture = new Fixture()
    const claim = await fixture.stable('g', ['t'])
    const abort = new AbortController()
    const waiting = fixture.coordinator.join('g', joinDefaults, abort.signal)
    abort.abort()
    expect((await waiting).errorCode).toBe(codes.coordinatorNotAvailable)
    const group = fixture.coordinator.group('g')!
    expect(group.memberCount).toBe(2)
    const rejoin = fixture.coordinator.join(
      'g',
      { ...joinDefaults, ...claim },
      new AbortController().signal,
    )
    expect((await rejoin).generation).toBe(2)
    fixture.clock.advance(10_000)
    expect(group).toMatchObject({ state: 'Empty', memberCount: 0 })
    const gone = fixture.coordinator.join('g', joinDefaults, abort.signal)
    expect(gone).toMatchObject({ errorCode: codes.coordinatorNotAvailable })
    expect(group.memberCount).toBe(0)
  })

  it('that could not join leave no group behind', async () => {
    const { coordinator } = new Fixture()
    const { signal } = new AbortController()
    const refused = { ...joinDefaults, protocols: [] }
    expect((await coordinator.join('g', refused, signal)).errorCode).toBe(
      codes.inconsistentGroupProtocol,
    )
    const stranger = { ...joinDefaults, memberId: 'x' }
    expect((await coordinator.join('g', stranger, signal)).errorCode).toBe(codes.unknownMemberId)
    expect(coordinator.group('g')).toBeUndefined()
  })
})

describe('deleting', () => {
  it('a group takes its offsets and its record, also those on their way', async () => {
    const fixture = new Fixture()
    const claim = await fixture.stable('g', ['t'])
    await fixture.commit('g', 1, { claim })
    expect(await fixture.coordinator.deleteGroup('g')).toBe(codes.nonEmptyGroup)
    await fixture.coordinator.leave('g', [claim])
    const committing = fixture.commit('g', 2, { partition: 1 })
    expect(await fixture.coordinator.deleteGroup('g')).toBe(codes.none)
    expect(await committing).toBe(codes.none)
    expect(await fixture.coordinator.deleteGroup('g')).toBe(codes.groupIdNotFound)
    expect(fixture.table.entries.size).toBe(0)
    expect(fixture.offset('g')).toBeUndefined()
  })

  it('a topic takes its offsets; one that comes after it has none', async () => {
    const fixture = new Fixture()
    await fixture.commit('g', 1)
    await fixture.commit('g', 2, { topic: 'u' })
    fixture.topics.delete('t')
    expect(fixture.offset('g')).toBeUndefined()
    await fixture.coordinator.onTopicDeleted('t')
    fixture.topics.set('t', 'another')
    expect(fixture.offset('g')).toBeUndefined()
    expect(fixture.offset('g', 'u')).toBe(2)
    expect([...fixture.table.entries.keys()]).toEqual(['o0\0u\0g'])
  })
})

describe('expiry', () => {
  const retentionMs = 7 * dayMs

  it('drops offsets of a group that never had members seven days after the commit', async () => {
    const fixture = new Fixture()
    await fixture.commit('g', 1)
    fixture.clock.advance(3 * dayMs)
    await fixture.commit('g', 2, { partition: 1 })
    fixture.clock.advance(retentionMs - 3 * dayMs - 1)
    expect(fixture.offset('g')).toBe(1)
    fixture.clock.advance(10 * minuteMs)
    expect([fixture.offset('g'), fixture.offset('g', 't', 1)]).toEqual([undefined, 2])
    fixture.clock.advance(3 * dayMs)
    await fixture.coordinator.settled()
    expect(fixture.coordinator.group('g')).toBeUndefined()
    expect(fixture.table.entries.size).toBe(0)
  })

  it('counts from when the last member left', async () => {
    const fixture = new Fixture()
    const claim = await fixture.stable('g', ['t'])
    await fixture.commit('g', 1, { claim })
    fixture.live('g', claim, 3 * 60 * minuteMs)
    await fixture.coordinator.leave('g', [claim])
    const leftMs = fixture.clock.now()
    const restarted = new Fixture(fixture.table)
    restarted.clock.advance(leftMs - restarted.clock.now() + retentionMs - minuteMs)
    expect(restarted.offset('g')).toBe(1)
    restarted.clock.advance(11 * minuteMs)
    await restarted.coordinator.settled()
    expect(restarted.table.entries.has(groupKey('g'))).toBe(false)
  })

  it('drops what consumers read no longer, never what they read', async () => {
    const fixture = new Fixture(undefined, { offsetsRetentionMs: 60 * minuteMs })
    const claim = await fixture.stable('g', ['t'])
    await fixture.commit('g', 1, { claim })
    await fixture.commit('g', 2, { claim, topic: 'u' })
    fixture.live('g', claim, 50 * minuteMs)
    expect(fixture.offset('g', 'u')).toBe(2)
    fixture.live('g', claim, 20 * minuteMs)
    expect([fixture.offset('g'), fixture.offset('g', 'u')]).toEqual([1, undefined])
  })

  it('keeps what members commit whose topics nobody can know', async () => {
    const fixture = new Fixture(undefined, { offsetsRetentionMs: 20 * minuteMs })
    const protocols = [protocolOf('default', 'x')]
    const connect = await fixture.stable('c', [], { protocolType: 'connect', protocols })
    await fixture.commit('c', 1, { claim: connect })
    fixture.live('c', connect, 60 * minuteMs)
    expect(fixture.offset('c')).toBe(1)
    const odd = await fixture.stable('o', [], { protocols })
    await fixture.commit('o', 2, { claim: odd })
    fixture.live('o', odd, 60 * minuteMs)
    // The first group has lost its member meanwhile.
    expect([fixture.offset('c'), fixture.offset('o')]).toEqual([undefined, 2])
  })

  it('keeps to the time that a commit brought', async () => {
    const fixture = new Fixture()
    await fixture.commit('g', 1, { retentionMs: 30 * minuteMs })
    await fixture.commit('g', 2, { partition: 1, retentionMs: 30 * dayMs })
    fixture.clock.advance(29 * minuteMs)
    expect(fixture.offset('g')).toBe(1)
    fixture.clock.advance(15 * minuteMs)
    expect(fixture.offset('g')).toBeUndefined()
    fixture.clock.advance(20 * dayMs)
    expect(fixture.offset('g', 't', 1)).toBe(2)
  })

  it('drops offsets of topics that are gone, and groups that hold nothing', async () => {
    const fixture = new Fixture()
    await fixture.commit('g', 1)
    await fixture.coordinator.join(
      'pending',
      { ...joinDefaults, knowsMemberIdRequired: true },
      new AbortController().signal,
    )
    expect(fixture.coordinator.group('pending')!.pendingCount).toBe(1)
    fixture.topics.delete('t')
    fixture.clock.advance(10 * minuteMs)
    expect(fixture.coordinator.group('pending')).toBeUndefined()
    await fixture.coordinator.settled()
    expect(fixture.table.entries.size).toBe(0)
  })
})
