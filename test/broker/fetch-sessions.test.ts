// Goal: a session answers news and nothing else, whatever order changes come in; its cache is
//       bounded; every wrong use has its error, from which a client begins anew.
// Method: whole Fetch frames through a broker; the cache alone with time that a test moves.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Clock } from '../../src/base/clock.ts'
import { deleteRecordsApi } from '../../src/broker/api/delete-records.ts'
import { fetchApi } from '../../src/broker/api/fetch.ts'
import type { BrokerSettings } from '../../src/broker/broker-environment.ts'
import {
  FetchSessions,
  maxSessionPartitions,
  type SessionFetch,
  type SessionRequest,
  sessionIdleMs,
} from '../../src/broker/fetch-sessions.ts'
import { BrokerHarness, batchOf } from '../support/broker-harness.ts'

let broker: BrokerHarness
const start = async (settings: Partial<BrokerSettings> = {}) => {
  broker = await BrokerHarness.start(settings)
  for (const name of ['a', 'b', 'c']) await broker.store.createTopic(name)
}
beforeEach(() => start())
afterEach(() => broker.stop())

type Asked = readonly [topic: string, fetchOffset: number]

const idOf = (topic: string) => broker.store.topic(topic)?.id ?? 'AAAAAAAAAAAAAAAAAAAAAg'

const ask = (
  session: readonly [id: number, epoch: number],
  asked: readonly Asked[],
  options: { version?: number; forget?: string[]; maxWaitMs?: number; maxBytes?: number } = {},
) => {
  const { version = 12, forget = [], maxWaitMs = 0, maxBytes = 1_000_000 } = options
  const named = (topic: string) => (version >= 13 ? { topicId: idOf(topic) } : { topic })
  return broker.ask(fetchApi, version, {
    maxWaitMs,
    minBytes: 1,
    maxBytes,
    sessionId: session[0],
    sessionEpoch: session[1],
    topics: asked.map(([topic, fetchOffset]) => ({
      ...named(topic),
      partitions: [{ partition: 0, fetchOffset, partitionMaxBytes: 1_000_000 }],
    })),
    forgottenTopicsData: forget.map((topic) => ({ ...named(topic), partitions: [0] })),
  })
}

type Answer = Awaited<ReturnType<typeof ask>>
const told = ({ responses }: Answer) =>
  responses.map(({ topic, topicId, partitions }) => {
    const name = topic === '' ? broker.store.topicById(topicId)?.name : topic
    return [name, partitions[0]!.records!.length > 0]
  })

describe.each([7, 12, 13, 18])('a fetch session in v%i', (version) => {
  it('answers everything once, then only what is new', async () => {
    await broker.produce('a', batchOf(['1']))
    const begun = await ask(
      [0, 0],
      [
        ['a', 0],
        ['b', 0],
      ],
      { version },
    )
    expect(begun.sessionId).toBeGreaterThan(0)
    expect(told(begun)).toEqual([
      ['a', true],
      ['b', false],
    ])
    const id = begun.sessionId
    const quiet = await ask([id, 1], [['a', 1]], { version })
    expect(quiet).toMatchObject({ errorCode: 0, sessionId: id, responses: [] })
    await broker.produce('b', batchOf(['1']))
    const news = await ask([id, 2], [], { version })
    expect(told(news)).toEqual([['b', true]])
    // Not moved on by the client, it is told again.
    expect(told(await ask([id, 3], [], { version }))).toEqual([['b', true]])
    expect(told(await ask([id, 4], [['b', 1]], { version }))).toEqual([])
  })

  it('takes partitions in and leaves them out', async () => {
    await broker.produce('c', batchOf(['1']))
    const { sessionId: id } = await ask([0, 0], [['a', 0]], { version })
    expect(
      told(
        await ask(
          [id, 1],
          [
            ['b', 0],
            ['c', 0],
          ],
          { version },
        ),
      ),
    ).toEqual([
      ['b', false],
      ['c', true],
    ])
    expect(told(await ask([id, 2], [], { version, forget: ['c', 'a'] }))).toEqual([])
    await broker.produce('a', batchOf(['1']))
    await broker.produce('b', batchOf(['1']))
    expect(told(await ask([id, 3], [], { version }))).toEqual([['b', true]])
    // A session of nothing is over.
    const over = await ask([id, 4], [], { version, forget: ['b'] })
    expect(over).toMatchObject({ errorCode: 0, sessionId: 0, responses: [] })
    expect((await ask([id, 5], [], { version })).errorCode).toBe(70)
  })
})

describe('a fetch session', () => {
  it('tells a moved start or mark without records, and an error until it is over', async () => {
    const { sessionId: id } = await ask(
      [0, 0],
      [
        ['a', 0],
        ['new', 0],
      ],
    )
    const codes = ({ responses }: Answer) =>
      responses.map(({ topic, partitions }) => [topic, partitions[0]!.errorCode])
    expect(codes(await ask([id, 1], []))).toEqual([['new', 3]])
    await broker.store.createTopic('new')
    expect(codes(await ask([id, 2], []))).toEqual([['new', 0]])
    expect(codes(await ask([id, 3], []))).toEqual([])
    await broker.produce('a', batchOf(['1', '2']))
    expect(codes(await ask([id, 4], [['a', 2]]))).toEqual([['a', 0]])
    expect(codes(await ask([id, 5], []))).toEqual([])
    const topics = [{ name: 'a', partitions: [{ partitionIndex: 0, offset: 1 }] }]
    await broker.ask(deleteRecordsApi, 2, { topics, timeoutMs: 1000 })
    const { responses } = await ask([id, 6], [])
    expect(responses[0]!.partitions[0]).toMatchObject({ logStartOffset: 1, highWatermark: 2 })
  })

  it('waits for records of any of its partitions', async () => {
    const { sessionId: id } = await ask(
      [0, 0],
      [
        ['a', 0],
        ['b', 0],
      ],
    )
    const waiting = ask([id, 1], [], { maxWaitMs: 3_600_000 })
    await broker.produce('b', batchOf(['1']))
    expect(told(await waiting)).toEqual([['b', true]])
  })

  it('lets no partition starve when an answer has room for one alone', async () => {
    for (const topic of ['a', 'b', 'c']) await broker.produce(topic, batchOf(['1']))
    const { sessionId: id } = await ask(
      [0, 0],
      [
        ['a', 0],
        ['b', 0],
        ['c', 0],
      ],
      { maxBytes: 1 },
    )
    const served = []
    for (let epoch = 1; epoch <= 4; epoch++) {
      served.push(told(await ask([id, epoch], [], { maxBytes: 1 })))
    }
    expect(served.map(([first]) => first![0])).toEqual(['b', 'c', 'a', 'b'])
  })

  it('takes a topic that a request names twice', async () => {
    const partition = { fetchOffset: 0, partitionMaxBytes: 1000 }
    await broker.store.addPartitions('a', 2)
    const { responses } = await broker.ask(fetchApi, 12, {
      maxWaitMs: 0,
      minBytes: 1,
      sessionEpoch: 0,
      topics: [0, 1].map((index) => ({
        topic: 'a',
        partitions: [{ partition: index, ...partition }],
      })),
    })
    expect(responses.map(({ partitions }) => partitions.length)).toEqual([2])
  })

  it('refuses wrong epochs, unknown ids and another way to name topics', async () => {
    const { sessionId: id } = await ask([0, 0], [['a', 0]])
    expect((await ask([id, 2], [])).errorCode).toBe(71)
    expect((await ask([id, -2], [])).errorCode).toBe(71)
    expect((await ask([id + 1, 1], [])).errorCode).toBe(70)
    expect((await ask([0, 1], [])).errorCode).toBe(70)
    expect((await ask([id, 1], [], { version: 13 })).errorCode).toBe(106)
    const wrong = await ask([id, 7], [['a', 0]])
    expect(wrong).toMatchObject({ errorCode: 71, sessionId: 0, responses: [] })
    // None of that moved it on.
    expect((await ask([id, 1], [])).errorCode).toBe(0)
  })

  it('is over when its client says so or begins another', async () => {
    const first = await ask([0, 0], [['a', 0]])
    const second = await ask([first.sessionId, 0], [['a', 0]])
    expect(second.sessionId).not.toBe(first.sessionId)
    expect((await ask([first.sessionId, 1], [])).errorCode).toBe(70)
    const last = await ask([second.sessionId, -1], [['a', 0]])
    expect(last.sessionId).toBe(0)
    expect(told(last)).toEqual([['a', false]])
    expect((await ask([second.sessionId, 1], [])).errorCode).toBe(70)
  })

  it('is declined by a server without slots, and by versions that know none', async () => {
    expect((await ask([0, -1], [['a', 0]])).sessionId).toBe(0)
    expect((await ask([0, -1], [['a', 0]], { version: 6 })).responses).toHaveLength(1)
    await broker.stop()
    await start({ fetchSessionSlots: 0 })
    const declined = await ask([0, 0], [['a', 0]])
    expect(declined).toMatchObject({ errorCode: 0, sessionId: 0 })
    expect(told(declined)).toEqual([['a', false]])
  })
})

describe('the cache of sessions', () => {
  const setUp = (slots = 2) => {
    let nowMs = 0
    const clock: Clock = {
      now: () => nowMs,
      elapsedMs: () => nowMs,
      after: () => ({ cancel() {} }),
    }
    const sessions = new FetchSessions(clock, slots)
    const partitions = (count: number) =>
      Array.from({ length: count }, (_, partition) => ({
        partition,
        currentLeaderEpoch: -1,
        fetchOffset: 0,
        lastFetchedEpoch: -1,
        partitionMaxBytes: 1,
      }))
    const begin = (fields: Partial<SessionRequest>, count = 1) =>
      sessions.begin(
        {
          sessionId: 0,
          sessionEpoch: 0,
          topics: [{ topic: 't', topicId: '', partitions: partitions(count) }],
          forgottenTopicsData: [],
          ...fields,
        },
        false,
      ) as SessionFetch
    return { sessions, begin, pass: (ms: number) => (nowMs += ms) }
  }

  it('declines a session when all slots are in use, and drops the one idle for longest', () => {
    const { sessions, begin, pass } = setUp()
    const [first, second] = [begin({}), begin({})]
    expect(begin({}).sessionId).toBe(0)
    pass(sessionIdleMs - 1)
    expect(begin({ sessionId: first.sessionId, sessionEpoch: 1 }).sessionId).toBe(first.sessionId)
    expect(begin({}).sessionId).toBe(0)
    pass(1)
    expect(begin({}).sessionId).toBeGreaterThan(0)
    expect(begin({ sessionId: second.sessionId, sessionEpoch: 1 })).toBe(70)
    expect(begin({ sessionId: first.sessionId, sessionEpoch: 2 }).sessionId).toBe(first.sessionId)
    expect(sessions.count).toBe(2)
  })

  it('keeps no more partitions than its bound, however they come', () => {
    const { sessions, begin } = setUp(10)
    expect(begin({}, maxSessionPartitions + 1).sessionId).toBe(0)
    const large = begin({}, maxSessionPartitions - 1)
    expect(large.sessionId).toBeGreaterThan(0)
    expect(sessions.partitionCount).toBe(maxSessionPartitions - 1)
    const small = begin({}, 1)
    expect(begin({}, 1).sessionId).toBe(0)
    expect(begin({ sessionId: small.sessionId, sessionEpoch: 1 }, 2)).toBe(70)
    expect(sessions.partitionCount).toBe(maxSessionPartitions - 1)
    begin({ sessionId: large.sessionId, sessionEpoch: -1 })
    expect([sessions.count, sessions.partitionCount]).toEqual([0, 0])
  })

  it('counts epochs from 1 to the largest and on from 1', () => {
    const { begin } = setUp()
    const { sessionId, session } = begin({})
    session!.expectedEpoch = 0x7fff_ffff
    expect(begin({ sessionId, sessionEpoch: 0x7fff_ffff }).sessionId).toBe(sessionId)
    expect(begin({ sessionId, sessionEpoch: 1 }).sessionId).toBe(sessionId)
  })
})
