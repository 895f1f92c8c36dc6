// Covers api/produce.ts, api/fetch.ts, fetch-plan.ts, delayed-fetch.ts and zstd-free-prefix.ts.
// Goal: what goes in comes out, limits and waits hold, and every fault gets its error.
// Method: whole frames through a broker over a store on the simulated disk.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { deleteTopicsApi } from '../../src/broker/api/delete-topics.ts'
import { fetchApi } from '../../src/broker/api/fetch.ts'
import { initProducerIdApi } from '../../src/broker/api/init-producer-id.ts'
import { produceApi } from '../../src/broker/api/produce.ts'
import { RefusedRequestError } from '../../src/broker/frame-handler.ts'
import { BatchBuilder } from '../../src/record/batch-builder.ts'
import { BrokerHarness, batchOf, recordsOf } from '../support/broker-harness.ts'

let broker: BrokerHarness

beforeEach(async () => {
  broker = await BrokerHarness.start()
  await broker.store.createTopic('t', { partitions: 2 })
})

afterEach(() => broker.stop())

describe('produce', () => {
  it.each([3, 5, 7, 8, 9, 10, 11, 12])('appends and names the offset in v%i', async (version) => {
    const first = await broker.produce('t', batchOf(['a', 'b']), { version })
    const second = await broker.produce('t', batchOf(['c']), { version })
    expect([first.errorCode, first.baseOffset]).toEqual([0, 0])
    expect([second.errorCode, second.baseOffset]).toEqual([0, 2])
    expect(recordsOf((await broker.fetch('t', 0)).records!)).toEqual([
      { offset: 0, value: 'a' },
      { offset: 1, value: 'b' },
      { offset: 2, value: 'c' },
    ])
  })

  it('keeps clients, of whatever name, from writing or deleting a table', async () => {
    const table = await broker.store.table('offsets', { key: 'string', value: 'string' })
    await table.put('a', '1')
    for (const clientId of ['test', '__admin_client']) {
      broker.clientId = clientId
      expect((await broker.produce('offsets', batchOf(['x']))).errorCode).toBe(17)
    }
    const topics = [{ name: 'offsets', topicId: 'AAAAAAAAAAAAAAAAAAAAAA' }]
    const answer = await broker.ask(deleteTopicsApi, 6, { topics, timeoutMs: 1000 })
    expect(answer.responses[0]!.errorCode).toBe(17)
    expect([table.log.endOffset, table.get('a')]).toEqual([1, '1'])
  })

  it('finds topics by id in v13', async () => {
    const topicId = broker.store.topic('t')!.id
    const ask = (id: string) =>
      broker.ask(produceApi, 13, {
        acks: -1,
        timeoutMs: 1000,
        topicData: [{ topicId: id, partitionData: [{ index: 1, records: batchOf(['x']) }] }],
      })
    const found = await ask(topicId)
    expect(found.responses[0]).toMatchObject({ topicId, partitionResponses: [{ errorCode: 0 }] })
    const missing = await ask('AAAAAAAAAAAAAAAAAAAAAg')
    expect(missing.responses[0]!.partitionResponses[0]!.errorCode).toBe(100)
  })

  it('answers acks=all when the batch is on disk, acks=1 before', async () => {
    const log = broker.store.topic('t')!.partition(0)!
    await broker.produce('t', batchOf(['a']), { acks: 1 })
    expect(log.durableOffset).toBe(0)
    await broker.produce('t', batchOf(['b']), { acks: -1 })
    expect(log.durableOffset).toBe(2)
  })

  it('waits for many partitions of one request without a warning of Node', async () => {
    await broker.store.createTopic('wide', { partitions: 12 })
    const warnings: Error[] = []
    const note = (warning: Error) => warnings.push(warning)
    process.on('warning', note)
    const partitionData = Array.from({ length: 12 }, (_, index) => ({
      index,
      records: batchOf(['a']),
    }))
    const topicData = [{ name: 'wide', partitionData }]
    const answer = await broker.ask(produceApi, 9, { acks: -1, timeoutMs: 1000, topicData })
    const codes = answer.responses[0]!.partitionResponses.map(({ errorCode }) => errorCode)
    expect(codes).toEqual(Array(12).fill(0))
    await new Promise((resolve) => setImmediate(resolve))
    process.off('warning', note)
    expect(warnings).toEqual([])
  })

  it('refuses acks other than −1, 0 and 1 for every partition', async () => {
    const answer = await broker.produce('t', batchOf(['a']), { acks: 2 })
    expect(answer).toMatchObject({ errorCode: 21, baseOffset: -1 })
    expect(broker.store.topic('t')!.partition(0)!.endOffset).toBe(0)
  })

  it.each([0, 1, 2])('refuses v%i, whose record formats are gone', async (version) => {
    const answer = await broker.produce('t', batchOf(['a']), { version })
    expect(answer.errorCode).toBe(35)
  })

  it.each<[string, number, (batch: Buffer) => Buffer | null]>([
    ['no records', 87, () => null],
    ['empty records', 87, () => Buffer.alloc(0)],
    ['two batches', 87, (batch) => Buffer.concat([batch, batch])],
    ['a wrong CRC', 2, (batch) => withByte(batch, batch.length - 1, 0x55)],
    ['a wrong magic', 87, (batch) => withByte(batch, 16, 1)],
    ['a wrong count', 2, (batch) => withByte(batch, 60, 9)],
    ['a cut-off batch', 2, (batch) => batch.subarray(0, batch.length - 3)],
  ])('answers %s with error %i and stores nothing', async (_, errorCode, spoil) => {
    const answer = await broker.produce('t', spoil(batchOf(['a', 'b'])))
    expect(answer).toMatchObject({ errorCode, baseOffset: -1, logStartOffset: -1 })
    expect(answer.errorMessage).toMatch(/\w+/)
    expect(broker.store.topic('t')!.partition(0)!.endOffset).toBe(0)
  })

  it('answers zstd before v7 and oversized batches with their own errors', async () => {
    const zstd = batchOf(['a'.repeat(2000)], { codec: 'zstd' })
    expect((await broker.produce('t', zstd, { version: 6 })).errorCode).toBe(76)
    expect((await broker.produce('t', Buffer.from(zstd), { version: 7 })).errorCode).toBe(0)
    const large = batchOf(['x'.repeat(1_100_000)])
    expect((await broker.produce('t', large)).errorCode).toBe(10)
  })

  it('names the records at fault', async () => {
    await broker.store.createTopic('compacted', { config: { 'cleanup.policy': 'compact' } })
    const builder = new BatchBuilder()
    builder.addAll([{ key: 'k', value: 'v' }, 'keyless', { key: 'l', value: 'w' }, 'another'], 1)
    const answer = await broker.produce('compacted', Buffer.from(builder.finish()))
    expect(answer.errorCode).toBe(87)
    expect(answer.recordErrors).toEqual([
      { batchIndex: 1, batchIndexErrorMessage: expect.stringContaining('1 has no key') },
      { batchIndex: 3, batchIndexErrorMessage: expect.stringContaining('3 has no key') },
    ])
  })

  it('answers each partition by itself', async () => {
    const partition = (index: number) => ({ index, records: batchOf([`${index}`]) })
    const { responses } = await broker.ask(produceApi, 9, {
      acks: 1,
      timeoutMs: 1000,
      topicData: [
        { name: 't', partitionData: [partition(1), partition(7), partition(0)] },
        { name: 'nowhere', partitionData: [partition(0)] },
      ],
    })
    expect(responses.map((topic) => topic.partitionResponses.map((one) => one.errorCode))).toEqual([
      [0, 3, 0],
      [3],
    ])
  })

  it('gives acks=0 no answer, and refuses the connection when it fails', async () => {
    const request = (name: string) => ({
      acks: 0,
      timeoutMs: 0,
      topicData: [{ name, partitionData: [{ index: 0, records: batchOf(['a']) }] }],
    })
    expect(await broker.tryAsk(produceApi, 9, request('t'))).toBeNull()
    expect(broker.store.topic('t')!.partition(0)!.endOffset).toBe(1)
    const refused = broker.tryAsk(produceApi, 9, request('nowhere'))
    await expect(refused).rejects.toThrow(RefusedRequestError)
    await expect(refused).rejects.toThrow(/acks=0 failed: unknownTopicOrPartition for nowhere-0/)
  })

  it('tells the append time of topics that stamp records, and −1 of others', async () => {
    await broker.store.createTopic('stamped', {
      config: { 'message.timestamp.type': 'LogAppendTime' },
    })
    const before = Date.now()
    const { logAppendTimeMs } = await broker.produce('stamped', batchOf(['a']))
    expect(logAppendTimeMs).toBeGreaterThanOrEqual(before)
    expect((await broker.produce('t', batchOf(['a']))).logAppendTimeMs).toBe(-1)
  })

  it('knows an idempotent batch again, and refuses a gap and an old epoch', async () => {
    const { producerId } = await broker.ask(initProducerIdApi, 4, {
      transactionalId: null,
      transactionTimeoutMs: 60_000,
    })
    const send = (baseSequence: number, producerEpoch = 0) =>
      broker.produce(
        't',
        batchOf(['a', 'b'], { producer: { producerId, producerEpoch, baseSequence } }),
      )
    expect(await send(0)).toMatchObject({ errorCode: 0, baseOffset: 0 })
    expect(await send(2)).toMatchObject({ errorCode: 0, baseOffset: 2 })
    expect(await send(0)).toMatchObject({ errorCode: 0, baseOffset: 0 })
    expect((await send(9)).errorCode).toBe(45)
    expect((await send(0, 1)).errorCode).toBe(0)
    expect((await send(4, 0)).errorCode).toBe(47)
    expect(broker.store.topic('t')!.partition(0)!.endOffset).toBe(6)
  })

  it('refuses transactional batches: nobody could commit them', async () => {
    const builder = new BatchBuilder()
    builder.setProducer({ producerId: 1, producerEpoch: 0, baseSequence: 0 })
    builder.setTransactional(true)
    builder.add('x', 1)
    const answer = await broker.produce('t', Buffer.from(builder.finish()))
    expect(answer).toMatchObject({
      errorCode: 87,
      errorMessage: 'transactional batches are not served',
    })
  })

  it('answers a failed flush with a storage error, and later appends too', async () => {
    await broker.produce('t', batchOf(['a']))
    broker.disk.failOperation(broker.disk.operationCount + 2, { errno: 'EIO' })
    expect((await broker.produce('t', batchOf(['b']))).errorCode).toBe(56)
    expect((await broker.produce('t', batchOf(['c']))).errorCode).toBe(56)
    expect((await broker.fetch('t', 0)).errorCode).toBe(0)
  })
})

function withByte(batch: Buffer, at: number, value: number): Buffer {
  const changed = Buffer.from(batch)
  changed[at] = changed[at] === value ? value + 1 : value
  return changed
}

describe('fetch', () => {
  const fill = async (count: number, bytes = 100) => {
    for (let i = 0; i < count; i++) await broker.produce('t', batchOf([`${i}`.padEnd(bytes, '.')]))
  }
  const offsets = (records: Buffer | null) => recordsOf(records!).map(({ offset }) => offset)

  it('returns whole batches from the one that holds the offset', async () => {
    await broker.produce('t', batchOf(['a', 'b', 'c']))
    await broker.produce('t', batchOf(['d']))
    const answer = await broker.fetch('t', 1)
    expect(offsets(answer.records)).toEqual([0, 1, 2, 3])
    expect(answer).toMatchObject({
      errorCode: 0,
      highWatermark: 4,
      lastStableOffset: 4,
      logStartOffset: 0,
      abortedTransactions: null,
      preferredReadReplica: -1,
    })
  })

  it('gives read_committed an empty list of aborted transactions', async () => {
    await fill(1)
    expect((await broker.fetch('t', 0, { isolationLevel: 1 })).abortedTransactions).toEqual([])
  })

  it.each([4, 6, 10, 11, 12])(
    'at the log end gives empty records in v%i, never null',
    async (version) => {
      await fill(1)
      const answer = await broker.fetch('t', 1, { version })
      expect(answer).toMatchObject({ errorCode: 0, highWatermark: 1 })
      expect(answer.records).toHaveLength(0)
    },
  )

  it.each([-1, 2, Number.MAX_SAFE_INTEGER])(
    'refuses offset %i, outside the log',
    async (offset) => {
      await fill(1)
      const answer = await broker.fetch('t', offset)
      expect(answer).toMatchObject({ errorCode: 1, highWatermark: -1 })
      expect(answer.records).toHaveLength(0)
    },
  )

  it('refuses offsets below a trimmed start', async () => {
    await fill(3)
    broker.store.topic('t')!.partition(0)!.trim(2)
    expect((await broker.fetch('t', 1)).errorCode).toBe(1)
    expect(await broker.fetch('t', 2)).toMatchObject({ errorCode: 0, logStartOffset: 2 })
  })

  it('keeps to the limits, but always gives one batch', async () => {
    await fill(10)
    const size = batchOf([''.padEnd(100)]).length
    const within = async (options: { maxBytes?: number; partitionMaxBytes?: number }) =>
      offsets((await broker.fetch('t', 0, options)).records)
    expect(await within({ partitionMaxBytes: 3 * size })).toHaveLength(3)
    expect(await within({ maxBytes: 3 * size + size / 2 })).toHaveLength(3)
    expect(await within({ maxBytes: 1 })).toEqual([0])
    expect(await within({ partitionMaxBytes: 0, maxBytes: 0 })).toEqual([0])
  })

  it('gives the first non-empty partition one batch and cuts later ones to nothing', async () => {
    await broker.store.createTopic('many', { partitions: 3 })
    for (const partition of [1, 2]) {
      await broker.produce('many', batchOf(['x'.repeat(1000)]), { partition })
    }
    const partitions = [0, 1, 2].map((partition) => ({
      partition,
      fetchOffset: 0,
      partitionMaxBytes: 10,
    }))
    const { responses } = await broker.ask(fetchApi, 11, {
      maxWaitMs: 0,
      minBytes: 1,
      maxBytes: 10,
      topics: [{ topic: 'many', partitions }],
      forgottenTopicsData: [],
    })
    const lengths = responses[0]!.partitions.map(({ records }) => records!.length > 0)
    expect(lengths).toEqual([false, true, false])
  })

  it('holds a file for a few partitions at a time, and leaves the others for the next fetch', async () => {
    const few = await BrokerHarness.start({}, undefined, undefined, { maxOpenFiles: 8 })
    await few.store.createTopic('wide', { partitions: 7 })
    for (let partition = 0; partition < 7; partition++) {
      await few.produce('wide', batchOf([`of ${partition}`]), { partition })
    }
    const body = {
      maxWaitMs: 0,
      minBytes: 1,
      maxBytes: 2 ** 30,
      isolationLevel: 0,
      forgottenTopicsData: [],
    }
    const asked = { partitionMaxBytes: 2 ** 20, currentLeaderEpoch: -1, lastFetchedEpoch: -1 }
    const offsets = Array.from({ length: 7 }, () => 0)
    let sessionId = 0
    const sizes: number[] = []
    for (let sessionEpoch = 0; offsets.includes(0); sessionEpoch++) {
      const partitions = offsets.map((fetchOffset, partition) => {
        return { ...asked, partition, fetchOffset }
      })
      const topics = [{ topic: 'wide', partitions }]
      const answer = await few.ask(fetchApi, 12, { ...body, sessionId, sessionEpoch, topics })
      sessionId = answer.sessionId
      const told = answer.responses.flatMap((topic) => topic.partitions)
      const full = told.filter(({ records }) => (records?.length ?? 0) > 0)
      for (const { partitionIndex } of full) offsets[partitionIndex] = 1
      sizes.push(full.length)
    }
    expect(sizes).toEqual([2, 2, 2, 1])
    await few.stop()
  })

  it('answers a topic listed twice once, with both partitions', async () => {
    const partition = (index: number) => ({
      partition: index,
      fetchOffset: 0,
      partitionMaxBytes: 1,
    })
    const topicId = broker.store.topic('t')!.id
    const { responses } = await broker.ask(fetchApi, 13, {
      maxWaitMs: 0,
      minBytes: 1,
      topics: [
        { topicId, partitions: [partition(0)] },
        { topicId, partitions: [partition(1)] },
      ],
      forgottenTopicsData: [],
    })
    expect(responses.map(({ partitions }) => partitions.length)).toEqual([2])
  })

  it('tells unknown topics, partitions and ids apart', async () => {
    const ask = (
      version: number,
      topic: string,
      topicId: string,
      partition: number,
      maxWaitMs = 3_600_000,
    ) =>
      broker.ask(fetchApi, version, {
        maxWaitMs,
        minBytes: 1,
        topics: [
          { topic, topicId, partitions: [{ partition, fetchOffset: 0, partitionMaxBytes: 1 }] },
        ],
        forgottenTopicsData: [],
      })
    const code = async (...request: Parameters<typeof ask>) =>
      (await ask(...request)).responses[0]!.partitions[0]!.errorCode
    const { id } = broker.store.topic('t')!
    expect(await code(12, 'nowhere', id, 0)).toBe(3)
    expect(await code(12, 't', id, 2)).toBe(3)
    expect(await code(13, '', 'AAAAAAAAAAAAAAAAAAAAAg', 0)).toBe(100)
    expect(await code(18, '', id, 0, 0)).toBe(0)
  })

  it('checks the leader epoch when it is given one', async () => {
    await fill(1)
    const { leaderEpoch } = broker.store
    const code = async (currentLeaderEpoch: number) =>
      (await broker.fetch('t', 0, { currentLeaderEpoch })).errorCode
    expect(await code(leaderEpoch)).toBe(0)
    expect(await code(leaderEpoch + 1)).toBe(75)
  })

  it('refuses an older leader epoch, and shows where logs diverged, after an unclean stop', async () => {
    await fill(2)
    const oldEpoch = broker.store.leaderEpoch
    const again = await BrokerHarness.start({}, broker.disk.processCrash())
    const { leaderEpoch } = again.store
    expect(leaderEpoch).toBeGreaterThan(oldEpoch)
    await again.produce('t', batchOf(['new']))
    expect((await again.fetch('t', 0, { currentLeaderEpoch: oldEpoch })).errorCode).toBe(74)
    // A client that read three records of the old epoch learns that there were two.
    const diverged = await again.fetch('t', 3, { lastFetchedEpoch: oldEpoch })
    expect(diverged).toMatchObject({
      errorCode: 0,
      divergingEpoch: { epoch: oldEpoch, endOffset: 2 },
    })
    expect(diverged.records).toHaveLength(0)
    expect(
      (await again.fetch('t', 2, { lastFetchedEpoch: oldEpoch })).records!.length,
    ).toBeGreaterThan(0)
    await again.stop()
  })

  it('gives clients before v10 what comes before the first zstd batch, or an error', async () => {
    await fill(2)
    await broker.produce('t', batchOf(['z'.repeat(500)], { codec: 'zstd' }))
    expect(offsets((await broker.fetch('t', 0, { version: 9 })).records)).toEqual([0, 1])
    expect((await broker.fetch('t', 2, { version: 9 })).errorCode).toBe(76)
    expect(offsets((await broker.fetch('t', 2, { version: 10 })).records)).toEqual([2])
  })

  it.each([0, 3])('refuses v%i, whose record formats are gone', async (version) => {
    expect((await broker.fetch('t', 0, { version })).errorCode).toBe(35)
  })
})

describe('long poll', () => {
  const long = 3_600_000 // nothing here may end by its deadline, except where it says so

  it('ends when a record arrives', async () => {
    const waiting = broker.fetch('t', 0, { maxWaitMs: long })
    await broker.produce('t', batchOf(['now']))
    expect(recordsOf((await waiting).records!)).toEqual([{ offset: 0, value: 'now' }])
  })

  it('waits for the least number of bytes', async () => {
    const size = batchOf(['a']).length
    const waiting = broker.fetch('t', 0, { maxWaitMs: long, minBytes: size + 1 })
    let isOver = false
    void waiting.then(() => (isOver = true))
    await broker.produce('t', batchOf(['a']))
    expect(isOver).toBe(false)
    await broker.produce('t', batchOf(['b']))
    expect(recordsOf((await waiting).records!)).toHaveLength(2)
  })

  it('does not wait for more than the answer may hold', async () => {
    await broker.produce('t', batchOf(['a'.repeat(200)]))
    const answer = await broker.fetch('t', 0, { maxWaitMs: long, minBytes: 1000, maxBytes: 100 })
    expect(recordsOf(answer.records!)).toHaveLength(1)
  })

  it('ends at its deadline with nothing', async () => {
    const answer = await broker.fetch('t', 0, { maxWaitMs: 10 })
    expect(answer).toMatchObject({ errorCode: 0, highWatermark: 0 })
    expect(answer.records).toHaveLength(0)
  })

  it('ends when the connection or the server goes', async () => {
    const waiting = broker.fetch('t', 0, { maxWaitMs: long })
    broker.abort.abort()
    expect((await waiting).records).toHaveLength(0)
  })

  it('ends when the topic is deleted', async () => {
    const waiting = broker.fetch('t', 0, { maxWaitMs: long })
    await broker.store.deleteTopic('t')
    expect((await waiting).errorCode).toBe(3)
  })

  it('is woken by any of its partitions', async () => {
    const partitions = [0, 1].map((partition) => ({
      partition,
      fetchOffset: 0,
      partitionMaxBytes: 1000,
    }))
    const waiting = broker.ask(fetchApi, 11, {
      maxWaitMs: long,
      minBytes: 1,
      topics: [{ topic: 't', partitions }],
      forgottenTopicsData: [],
    })
    await broker.produce('t', batchOf(['second']), { partition: 1 })
    const { partitions: answers } = (await waiting).responses[0]!
    expect(answers.map(({ records }) => records!.length > 0)).toEqual([false, true])
  })
})
