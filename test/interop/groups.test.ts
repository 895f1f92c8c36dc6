/**
 * Consumer groups of unmodified clients: kafkajs and kcat (librdkafka). Goal: members share the
 * partitions, hand them over when one comes or goes, and go on behind what was committed, also
 * after the server was killed. Method: numbered records; every consumer notes what it was given.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import kafkajs, { type Consumer, type Kafka } from 'kafkajs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ServerProcess } from '../support/server-process.ts'
import { makeTemporaryDirectory } from '../support/temporary-directory.ts'

const directory = makeTemporaryDirectory()
const isKcatInstalled = spawnSync('kcat', ['-V']).status === 0
let server: ServerProcess

beforeAll(async () => {
  server = await ServerProcess.start(directory.path)
})

afterAll(async () => {
  await server.stop()
  directory.remove()
})

function client(): Kafka {
  return new kafkajs.Kafka({
    brokers: [server.address],
    logLevel: kafkajs.logLevel.NOTHING,
    retry: { retries: 30, initialRetryTime: 50, maxRetryTime: 200 },
  })
}

async function produce(topic: string, first: number, count: number): Promise<void> {
  const producer = client().producer({
    createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
  })
  await producer.connect()
  const messages = Array.from({ length: count }, (_, i) => ({
    value: String(first + i),
    partition: (first + i) % partitions,
  }))
  await producer.send({ topic, acks: -1, messages })
  await producer.disconnect()
}

const partitions = 4

async function createTopic(topic: string): Promise<void> {
  const admin = client().admin()
  await admin.connect()
  await admin.createTopics({ topics: [{ topic, numPartitions: partitions }] })
  await admin.disconnect()
}

/** A member that notes what it gets, and on which partitions it works. */
class Reader {
  readonly consumer: Consumer
  readonly values: number[] = []
  partitions: number[] = []
  #watchers: (() => void)[] = []

  constructor(groupId: string) {
    this.consumer = client().consumer({
      groupId,
      sessionTimeout: 6_000,
      heartbeatInterval: 200,
      maxWaitTimeInMs: 100,
    })
    this.consumer.on('consumer.group_join', ({ payload }) => {
      this.partitions = Object.values(payload.memberAssignment).flat()
      this.#changed()
    })
  }

  async start(topic: string): Promise<void> {
    await this.consumer.connect()
    await this.consumer.subscribe({ topic, fromBeginning: true })
    await this.consumer.run({
      autoCommitThreshold: 1,
      eachMessage: async ({ message }) => {
        this.values.push(Number(message.value))
        this.#changed()
      },
    })
  }

  /** Resolves once `isSo`; looked at after every change. */
  async when(isSo: () => boolean): Promise<void> {
    while (!isSo()) await new Promise<void>((resolve) => this.#watchers.push(resolve))
  }

  #changed(): void {
    for (const wake of this.#watchers.splice(0)) wake()
  }
}

const numbers = (count: number) => Array.from({ length: count }, (_, i) => i)
const sorted = (values: readonly number[]) => [...values].sort((a, b) => a - b)

describe('kafkajs', () => {
  it('shares partitions among members, and gives them all to the one that stays', async () => {
    await createTopic('shared')
    const [a, b] = [new Reader('shared'), new Reader('shared')]
    await a.start('shared')
    await a.when(() => a.partitions.length === partitions)
    await b.start('shared')
    await b.when(() => b.partitions.length === 2)
    await a.when(() => a.partitions.length === 2)
    expect(sorted([...a.partitions, ...b.partitions])).toEqual(numbers(partitions))
    await produce('shared', 0, 400)
    await Promise.all([a.when(() => a.values.length >= 200), b.when(() => b.values.length >= 200)])
    expect(sorted([...a.values, ...b.values])).toEqual(numbers(400))
    await b.consumer.disconnect()
    await a.when(() => a.partitions.length === partitions)
    await produce('shared', 400, 40)
    await a.when(() => a.values.length >= 240)
    await a.consumer.disconnect()
    expect(sorted([...a.values, ...b.values])).toEqual(numbers(440))
  })

  it('goes on behind what was committed after the server was killed', async () => {
    await createTopic('killed')
    await produce('killed', 0, 100)
    const before = new Reader('killed')
    await before.start('killed')
    await before.when(() => before.values.length >= 100)
    await before.consumer.disconnect()
    await server.kill()
    server = await ServerProcess.start(directory.path, server.port)
    await produce('killed', 100, 20)
    const after = new Reader('killed')
    await after.start('killed')
    await after.when(() => after.values.length >= 20)
    await after.consumer.disconnect()
    expect(sorted(after.values)).toEqual(numbers(120).slice(100))
  })

  it('is a member that outlives the server, and misses nothing', async () => {
    await createTopic('outlived')
    const reader = new Reader('outlived')
    await reader.start('outlived')
    await produce('outlived', 0, 40)
    await reader.when(() => reader.values.length >= 40)
    await server.kill()
    server = await ServerProcess.start(directory.path, server.port)
    await produce('outlived', 40, 40)
    const seen = () => new Set(reader.values)
    await reader.when(() => seen().size >= 80)
    await reader.consumer.disconnect()
    expect(sorted([...seen()])).toEqual(numbers(80))
  })

  it('administers groups: lists, describes, sets and deletes offsets, deletes groups', async () => {
    await createTopic('administered')
    const admin = client().admin()
    await admin.connect()
    const [topic, groupId] = ['administered', 'managed']
    await admin.setOffsets({ groupId, topic, partitions: [{ partition: 1, offset: '7' }] })
    const fetched = await admin.fetchOffsets({ groupId, topics: [topic] })
    const offsets = new Map(fetched[0]!.partitions.map((entry) => [entry.partition, entry.offset]))
    expect(offsets.get(1)).toBe('7')
    expect(offsets.get(0)).toBe('-1')
    const { groups } = await admin.listGroups()
    expect(groups.map((group) => group.groupId)).toContain(groupId)
    const described = await admin.describeGroups([groupId])
    expect(described.groups[0]).toMatchObject({ groupId, state: 'Empty', members: [] })
    expect(await admin.deleteGroups([groupId])).toMatchObject([{ groupId, errorCode: 0 }])
    const left = await admin.listGroups()
    expect(left.groups.map((group) => group.groupId)).not.toContain(groupId)
    await admin.disconnect()
  })
})

/** `kcat -G`: one member of a group, until it is stopped. */
class KcatMember {
  readonly values: number[] = []
  readonly #child: ChildProcess
  #rest = ''
  #watchers: (() => void)[] = []
  readonly #exited: Promise<number | null>

  constructor(group: string, topic: string, ...options: readonly string[]) {
    const settings = ['auto.offset.reset=earliest', 'auto.commit.interval.ms=50', ...options]
    const args = settings.flatMap((setting) => ['-X', setting])
    this.#child = spawn('kcat', ['-b', server.address, '-u', '-q', ...args, '-G', group, topic])
    this.#exited = new Promise((resolve) => this.#child.once('exit', resolve))
    this.#child.stdout!.on('data', (chunk) => {
      const lines = (this.#rest + chunk).split('\n')
      this.#rest = lines.pop() as string
      this.values.push(...lines.map(Number))
      for (const wake of this.#watchers.splice(0)) wake()
    })
  }

  async when(count: number): Promise<void> {
    while (this.values.length < count) {
      await new Promise<void>((resolve) => this.#watchers.push(resolve))
    }
  }

  /** Leaves the group, with its last offsets committed. */
  stop(): Promise<number | null> {
    this.#child.kill('SIGINT')
    return this.#exited
  }
}

describe('kcat -G', () => {
  it.skipIf(!isKcatInstalled).each(['range', 'cooperative-sticky'])(
    'consumes, commits and goes on with assignor %s [needs kcat]',
    async (assignor) => {
      const topic = `kcat-${assignor}`
      const strategy = `partition.assignment.strategy=${assignor}`
      await createTopic(topic)
      await produce(topic, 0, 100)
      const first = new KcatMember(topic, topic, strategy)
      await first.when(100)
      const second = new KcatMember(topic, topic, strategy)
      await produce(topic, 100, 100)
      while (first.values.length + second.values.length < 200) {
        await Promise.race([
          first.when(first.values.length + 1),
          second.when(second.values.length + 1),
        ])
      }
      expect(await first.stop()).toBe(0)
      expect(await second.stop()).toBe(0)
      expect(sorted([...new Set([...first.values, ...second.values])])).toEqual(numbers(200))
      await server.kill()
      server = await ServerProcess.start(directory.path, server.port)
      await produce(topic, 200, 40)
      const third = new KcatMember(topic, topic, strategy)
      await third.when(40)
      expect(await third.stop()).toBe(0)
      expect(sorted(third.values)).toEqual(numbers(240).slice(200))
    },
  )
})
