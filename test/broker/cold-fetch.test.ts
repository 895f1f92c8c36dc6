/**
 * Goal: a fetch of what memory lacks waits for the disk alone, while all others are answered.
 * Method: a broker restarted on a simulated disk whose loads end when the test says so.
 */
import { afterEach, describe, expect, it, vi } from 'vitest'
import { SimFile } from '../../src/platform/sim-file.ts'
import { BrokerHarness, batchOf, recordsOf } from '../support/broker-harness.ts'
import { ColdDisk } from '../support/cold-disk.ts'

let cold: ColdDisk | undefined

afterEach(() => {
  cold?.restore()
  cold = undefined
})

async function restarted(topics: readonly string[]): Promise<BrokerHarness> {
  const before = await BrokerHarness.start()
  for (const topic of topics) {
    await before.store.createTopic(topic, { partitions: 1 })
    await before.produce(topic, batchOf(['a', 'b']))
  }
  await before.stop()
  const broker = await BrokerHarness.start({}, before.disk)
  cold = new ColdDisk()
  return broker
}

/** Whether `work` is done once all is that can be without it. */
async function isDone(work: Promise<unknown>): Promise<boolean> {
  let done = false
  const noted = work.then(() => {
    done = true
  })
  await new Promise((resolve) => setImmediate(resolve))
  void noted
  return done
}

describe('a fetch of cold data', () => {
  it('is answered when it is loaded, and others before', async () => {
    const broker = await restarted(['old'])
    await broker.store.createTopic('new', { partitions: 1 })
    const fetched = broker.fetch('old', 0)
    expect(await isDone(fetched)).toBe(false)
    expect(cold!.loads).toBe(1)
    await broker.produce('new', batchOf(['c']))
    // What was written just now is not asked for, nor loaded.
    expect(recordsOf((await broker.fetch('new', 0)).records!)).toEqual([{ offset: 0, value: 'c' }])
    expect(await isDone(fetched)).toBe(false)
    cold!.answer()
    expect(recordsOf((await fetched).records!)).toEqual([
      { offset: 0, value: 'a' },
      { offset: 1, value: 'b' },
    ])
    await broker.stop()
  })

  it('is not looked at before it is loaded, when more than a byte is wanted', async () => {
    const broker = await restarted(['old'])
    await broker.fetch('old', 2) // Opens the log.
    const reads = vi.spyOn(SimFile.prototype, 'read')
    const fetched = broker.fetch('old', 0, { minBytes: 10, maxWaitMs: 60_000 })
    expect(await isDone(fetched)).toBe(false)
    expect(cold!.loads).toBe(1)
    const files = reads.mock.contexts as readonly SimFile[]
    expect(files.filter(({ path }) => /old-0.*log$/.test(path))).toEqual([])
    reads.mockRestore()
    cold!.answer()
    await new Promise((resolve) => setImmediate(resolve))
    cold!.answer()
    expect(recordsOf((await fetched).records!)).toHaveLength(2)
    await broker.stop()
  })

  it('waits for as much as is wanted', async () => {
    const broker = await restarted(['old'])
    const fetched = broker.fetch('old', 0, { minBytes: 100, maxWaitMs: 60_000 })
    await new Promise((resolve) => setImmediate(resolve))
    cold!.restore()
    cold = undefined
    expect(await isDone(fetched)).toBe(false)
    await broker.produce('old', batchOf(['c'.repeat(100)]))
    expect(recordsOf((await fetched).records!)).toHaveLength(3)
    await broker.stop()
  })

  it('is answered by an error when its topic was deleted meanwhile', async () => {
    const broker = await restarted(['old'])
    const fetched = broker.fetch('old', 0)
    expect(await isDone(fetched)).toBe(false)
    await broker.store.deleteTopic('old')
    cold!.answer()
    const { errorCode, records } = await fetched
    expect([errorCode, records?.length ?? 0]).toEqual([3, 0])
    await broker.stop()
  })

  it('is answered when its store stops meanwhile, which waits for it', async () => {
    const broker = await restarted(['old'])
    const fetched = broker.fetch('old', 0)
    expect(await isDone(fetched)).toBe(false)
    const stopped = broker.stop()
    cold!.answer()
    await Promise.all([fetched, stopped])
    expect((await fetched).errorCode).toBe(0)
  })

  it('loads nothing for an offset that is not there', async () => {
    const broker = await restarted(['old'])
    expect((await broker.fetch('old', 100)).errorCode).toBe(1)
    expect((await broker.fetch('old', 2)).errorCode).toBe(0)
    expect(cold!.loads).toBe(0)
    await broker.stop()
  })
})
