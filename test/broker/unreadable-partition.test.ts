/**
 * Goal: a partition that cannot be read is nobody else's trouble: not of the other partitions of a
 * fetch, nor of who appends to it.
 * Method: a broker restarted on a simulated disk that does not give the bytes of one log.
 */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { StorageError } from '../../src/base/errors.ts'
import { fetchApi } from '../../src/broker/api/fetch.ts'
import { SimFile } from '../../src/platform/sim-file.ts'
import { errorCodes } from '../../src/protocol/error-codes.ts'
import { BrokerHarness, batchOf, recordsOf } from '../support/broker-harness.ts'

const { kafkaStorageError, none } = errorCodes
const topics = ['bad', 'good']
let broker: BrokerHarness

beforeEach(async () => {
  const before = await BrokerHarness.start()
  for (const topic of topics) {
    await before.store.createTopic(topic, { partitions: 1 })
    await before.produce(topic, batchOf(['a', 'b']))
  }
  await before.stop()
  broker = await BrokerHarness.start({}, before.disk)
  // Open, and with something of this run at its end.
  for (const topic of topics) await broker.produce(topic, batchOf(['c']))
  const read = SimFile.prototype.read
  const failing = function (this: SimFile, ...args: Parameters<SimFile['read']>): number {
    const { path } = this
    if (!path.includes('/bad-0/')) return read.apply(this, args)
    throw new StorageError({ operation: 'read', path, errno: 'EIO' })
  }
  vi.spyOn(SimFile.prototype, 'read').mockImplementation(failing)
})

afterEach(async () => {
  vi.restoreAllMocks()
  await broker.stop()
})

describe('a partition that cannot be read', () => {
  it.each([1, 100])('does not keep a fetch from the others, min bytes %i', async (minBytes) => {
    const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1_000_000 }]
    const { responses } = await broker.ask(fetchApi, 12, {
      maxWaitMs: 60_000,
      minBytes,
      topics: topics.map((topic) => ({ topic, partitions })),
    })
    const [bad, good] = responses.map((one) => one.partitions[0]!)
    expect([bad!.errorCode, bad!.records!.length]).toEqual([kafkaStorageError, 0])
    expect(good!.errorCode).toBe(none)
    expect(recordsOf(good!.records!).map(({ value }) => value)).toEqual(['a', 'b', 'c'])
  })

  it('does not make an append fail for which a fetch waited', async () => {
    const parked = broker.fetch('bad', 3, { maxWaitMs: 60_000, minBytes: 1000 })
    expect(await broker.produce('bad', batchOf(['d']))).toMatchObject({
      errorCode: none,
      baseOffset: 3,
    })
    expect((await parked).errorCode).toBe(kafkaStorageError)
  })
})
