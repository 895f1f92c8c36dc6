/**
 * Covers groups as a whole. Goal: whatever members do, a partition never has two owners in one
 * generation, a commit that was acknowledged is never lost, and the group settles when they calm
 * down. Method: a thousand clients of one group that join, leave, die and are started again at
 * random for a minute of a clock the test moves, static members and old versions among them; the
 * leader deals partitions out, owners commit. A failing seed is in fast-check's report.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { silentLogger } from '../../../src/base/logger.ts'
import { GroupCoordinator } from '../../../src/broker/groups/group-coordinator.ts'
import type { JoinResult } from '../../../src/broker/groups/group-member.ts'
import { defaultGroupSettings } from '../../../src/broker/groups/group-settings.ts'
import { SimRandom } from '../../../src/platform/sim-random.ts'
import { errorCodes as codes } from '../../../src/protocol/error-codes.ts'
import { protocolOf } from '../../support/group-actors.ts'
import { MemoryGroupTable } from '../../support/memory-group-table.ts'
import { SteppedClock } from '../../support/stepped-clock.ts'

const groupId = 'g'
const topic = 't'
const topicId = 'AQIDBAUGBwgJCgsMDQ4PEA'
const stepMs = 100
const heartbeatMs = 3_000
const sessionTimeoutMs = 10_000
const rebalanceTimeoutMs = 5_000

type Load = { readonly clients: number; readonly partitions: number; readonly churn: number }

class World {
  readonly clock = new SteppedClock()
  readonly table = new MemoryGroupTable()
  readonly random: SimRandom
  readonly load: Load
  coordinator: GroupCoordinator
  readonly clients = new Set<Client>()
  /** By generation and partition. */
  readonly owners = new Map<string, string>()
  /** By partition: the newest offset sent, and the newest acknowledged. */
  readonly sent: number[]
  readonly acked: number[]
  commits = 0
  #instances = 0
  #waiters: (() => void)[] = []

  constructor(seed: number, load: Load) {
    this.random = new SimRandom(seed)
    this.load = load
    this.coordinator = this.#start()
    this.sent = new Array<number>(load.partitions).fill(0)
    this.acked = new Array<number>(load.partitions).fill(-1)
  }

  #start(): GroupCoordinator {
    const coordinator = new GroupCoordinator({
      settings: { ...defaultGroupSettings, initialRebalanceDelayMs: 3_000 },
      level: 'disk',
      clock: this.clock,
      logger: silentLogger,
      topicId: () => topicId,
    })
    coordinator.load(this.table)
    return coordinator
  }

  /** The process dies and another begins from what is in the table. */
  async restart(): Promise<void> {
    const closed = this.coordinator.close()
    this.coordinator = this.#start()
    await closed
  }

  /** Resolves at the next step. */
  nextStep(): Promise<void> {
    return new Promise((resolve) => this.#waiters.push(resolve))
  }

  begin(instanceId = this.random.chance(0.2) ? `i${this.#instances++}` : null): void {
    const client = new Client(this, instanceId)
    this.clients.add(client)
    void client.run()
  }

  async step(isCalm: boolean): Promise<void> {
    if (!isCalm) this.#disturb()
    this.clock.advance(stepMs)
    const waiters = this.#waiters
    this.#waiters = []
    for (const wake of waiters) wake()
    // Batches form, are stored, and are answered.
    for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve))
  }

  #disturb(): void {
    const { clients, churn } = this.load
    while (this.clients.size < clients && this.random.chance(0.9)) this.begin()
    for (const client of this.clients) {
      const dice = this.random.below(100_000)
      if (dice < churn) client.leave()
      else if (dice < 2 * churn) client.die()
      else if (dice < 3 * churn && client.instanceId !== null) {
        client.die()
        this.begin(client.instanceId)
      }
    }
  }

  own(generation: number, partition: number, owner: string): void {
    const key = `${generation}/${partition}`
    const before = this.owners.get(key) ?? owner
    if (before !== owner) throw new Error(`${key} belongs to ${before} and to ${owner}`)
    this.owners.set(key, owner)
  }
}

class Client {
  readonly instanceId: string | null
  readonly #world: World
  readonly #abort = new AbortController()
  readonly #version: 'old' | 'new'
  memberId = ''
  generation = -1
  owned: readonly number[] = []
  isStable = false
  #isGone = false

  constructor(world: World, instanceId: string | null) {
    this.#world = world
    this.instanceId = instanceId
    this.#version = world.random.chance(0.3) ? 'old' : 'new'
  }

  /** Silence from here on. */
  die(): void {
    this.#isGone = true
    this.#world.clients.delete(this)
    if (this.#world.random.chance(0.5)) this.#abort.abort()
  }

  leave(): void {
    const { memberId, instanceId } = this
    this.die()
    if (memberId === '') return
    void this.#world.coordinator.leave(groupId, [{ memberId, instanceId }])
  }

  async run(): Promise<void> {
    for (; !this.#isGone; await this.#world.nextStep()) {
      const joined = await this.#join()
      if (this.#isGone) return
      if (joined.errorCode !== codes.none) {
        if (joined.errorCode === codes.memberIdRequired) this.memberId = joined.memberId
        else if (joined.errorCode !== codes.rebalanceInProgress) this.memberId = ''
        continue
      }
      this.memberId = joined.memberId
      this.generation = joined.generation
      if (await this.#sync(joined)) await this.#work()
      this.isStable = false
    }
  }

  #join() {
    const isNew = this.#version === 'new'
    const request = {
      memberId: this.memberId,
      instanceId: this.instanceId,
      clientId: 'c',
      clientHost: '/h',
      sessionTimeoutMs,
      rebalanceTimeoutMs,
      protocolType: 'consumer',
      protocols: [protocolOf('range')],
      knowsMemberIdRequired: isNew,
      knowsSkipAssignment: isNew,
    }
    return this.#world.coordinator.join(groupId, request, this.#abort.signal)
  }

  async #sync(joined: JoinResult): Promise<boolean> {
    const { generation, memberId, instanceId } = this
    const isLeader = joined.leader === memberId && !joined.skipAssignment
    const assignments = isLeader ? this.#deal(joined) : new Map<string, Buffer>()
    const request = { generation, memberId, instanceId, protocolType: null, protocol: null }
    const { coordinator } = this.#world
    const synced = await coordinator.sync(groupId, { ...request, assignments }, this.#abort.signal)
    if (this.#isGone) return false
    if (synced.errorCode !== codes.none) {
      if (synced.errorCode !== codes.rebalanceInProgress) this.memberId = ''
      return false
    }
    const text = String(synced.assignment)
    this.owned = text === '' ? [] : text.split(',').map(Number)
    for (const partition of this.owned) {
      this.#world.own(generation, partition, instanceId ?? memberId)
    }
    this.isStable = true
    return true
  }

  #deal({ members }: JoinResult): Map<string, Buffer> {
    const hands = members.map((): number[] => [])
    for (let p = 0; p < this.#world.load.partitions; p++) hands[p % hands.length]!.push(p)
    return new Map(members.map(({ memberId }, i) => [memberId, Buffer.from(hands[i]!.join(','))]))
  }

  /** Heartbeats and commits, until something says that it should join again. */
  async #work(): Promise<void> {
    const { generation, memberId, instanceId } = this
    const claim = { generation, memberId, instanceId }
    for (let ms = 0; ; ms += stepMs) {
      await this.#world.nextStep()
      if (this.#isGone) return
      if (this.#world.random.chance(0.02)) this.#commit(claim)
      if (ms % heartbeatMs !== 0) continue
      const errorCode = this.#world.coordinator.heartbeat(groupId, claim)
      if (errorCode === codes.none) continue
      if (errorCode !== codes.rebalanceInProgress) this.memberId = ''
      return
    }
  }

  #commit(claim: { generation: number; memberId: string; instanceId: string | null }): void {
    const { sent, acked, coordinator } = this.#world
    if (this.owned.length === 0) return
    const partition = this.#world.random.pick(this.owned)
    const offset = ++sent[partition]!
    const one = { topic, topicId, partition, offset, leaderEpoch: -1, metadata: '' }
    void Promise.resolve(coordinator.commit(groupId, claim, [one])).then((errorCode) => {
      if (errorCode !== codes.none) return
      this.#world.commits++
      acked[partition] = Math.max(acked[partition]!, offset)
    })
  }
}

async function live(seed: number, load: Load, options: { restarts: boolean }): Promise<World> {
  const world = new World(seed, load)
  for (let ms = 0; ms < 60_000; ms += stepMs) {
    if (options.restarts && world.random.chance(0.01)) await world.restart()
    await world.step(false)
  }
  const isSettled = () =>
    [...world.clients].every(
      ({ isStable, generation }) =>
        isStable && generation === world.coordinator.group(groupId)?.generation,
    )
  // The longest way: a dead member's session, then a rebalance that waits for others.
  for (let ms = 0; ms < 120_000; ms += stepMs) await world.step(true)
  expect(isSettled()).toBe(true)
  return world
}

function expectSound(world: World): void {
  const { coordinator, clients, load } = world
  const group = coordinator.group(groupId)!
  expect(group.state).toBe('Stable')
  expect(group.memberCount).toBe(clients.size)
  const owned = [...clients].flatMap((client) => client.owned).sort((a, b) => a - b)
  expect(owned).toEqual(Array.from({ length: load.partitions }, (_, i) => i))
  const committed = world.acked.map((_, p) => coordinator.committed(group, topic, p)?.offset ?? -1)
  expect(committed).toEqual(world.acked)
  expect(world.commits).toBeGreaterThan(0)
}

describe('members that come and go', () => {
  it('a thousand of them for a minute settle, share every partition once and lose no commit', async () => {
    const world = await live(
      1,
      { clients: 1_000, partitions: 2_000, churn: 30 },
      { restarts: false },
    )
    expectSound(world)
    expect(world.coordinator.group(groupId)!.generation).toBeGreaterThan(3)
  })

  it('do so in any order of events, over restarts too', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.boolean(), async (seed, restarts) => {
        const world = await live(seed, { clients: 12, partitions: 30, churn: 300 }, { restarts })
        expectSound(world)
      }),
      { numRuns: 12 },
    )
  })
})
