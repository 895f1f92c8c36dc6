/**
 * Goal: readers of a replicated log see what its embedder said is committed and no more, those who
 * wait for it are answered, and the mark never goes back but by a truncation.
 * Method: every kind of reader beside the mark, over restarts and crashes of a simulated disk.
 */
import { describe, expect, it } from 'vitest'
import type { Log } from '../../src/log/log.ts'
import type { SimFileSystem } from '../../src/platform/sim-file-system.ts'
import { BrokerHarness, batchOf, recordsOf } from '../support/broker-harness.ts'
import { openOn, simDisk, valuesIn } from '../support/log-inspection.ts'

async function replicated(disk: SimFileSystem = simDisk()) {
  const store = await openOn(disk)
  if (store.topic('t') === undefined) await store.createTopic('t', { replicated: true })
  return { disk, store, log: await store.log('t') }
}

async function read(log: Log, options = {}): Promise<string[]> {
  const values: string[] = []
  for await (const { value } of log.read(options)) values.push(String(value))
  return values
}

const checkpointPath = '/data/replication-offset-checkpoint'

describe('what is not committed', () => {
  it('is seen by no reader', async () => {
    const { log } = await replicated()
    await log.append([{ value: 'a', timestamp: 10 }], { level: 'os' })
    await log.append([{ value: 'b', timestamp: 20 }])
    expect([log.highWatermark, log.lastStableOffset, log.endOffset]).toEqual([0, 0, 2])
    expect([valuesIn(log), await read(log), await read(log, { level: 'disk' })]).toEqual([
      [],
      [],
      [],
    ])
    expect(log.offsetForTimestamp(5)).toBeUndefined()
    expect(() => log.trim(1)).toThrow(expect.objectContaining({ code: 'ERR_OPTION_INVALID' }))
    log.setCommitted(1)
    expect([valuesIn(log), await read(log), await read(log, { level: 'disk' })]).toEqual([
      ['a'],
      ['a'],
      ['a'],
    ])
    expect(log.offsetForTimestamp(5)).toMatchObject({ offset: 0 })
    expect(log.offsetForTimestamp(15)).toBeUndefined()
    expect(log.offsetOfMaxTimestamp()).toBeUndefined()
    log.trim(1)
    expect(log.startOffset).toBe(1)
    // Replicas read it.
    expect(log.readRaw({ from: 1 })).toMatchObject({ nextOffset: 2 })
  })

  it.each(['os', 'disk'] as const)(
    'is waited for by those who follow (level %s)',
    async (level) => {
      const { log } = await replicated()
      const records = log.follow({ from: 0, level })
      const first = records.next()
      let seen = 0
      void first.then(() => seen++)
      await log.append(['a', 'b'])
      for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
      expect(seen).toBe(0)
      log.setCommitted(1)
      expect(String((await first).value?.value)).toBe('a')
      const second = records.next()
      log.setCommitted(2)
      expect(String((await second).value?.value)).toBe('b')
    },
  )

  it('goes to no Kafka client, whole batches at a time, and wakes the fetch that waits', async () => {
    const harness = await BrokerHarness.start()
    await harness.store.createTopic('t', { replicated: true })
    const log = await harness.store.log('t')
    await harness.produce('t', batchOf(['a', 'b']), { acks: 1 })
    expect(await harness.fetch('t', 0)).toMatchObject({ highWatermark: 0 })
    const waiting = harness.fetch('t', 0, { maxWaitMs: 0x7fff_ffff })
    log.setCommitted(1)
    // Half a batch is no batch: offsets on the wire are whole ones.
    expect((await harness.fetch('t', 0)).records?.length ?? 0).toBe(0)
    log.setCommitted(2)
    const found = await waiting
    expect(found.highWatermark).toBe(2)
    expect(recordsOf(found.records as Buffer).map(({ value }) => value)).toEqual(['a', 'b'])
    await harness.stop()
  })
})

describe('the committed mark', () => {
  it('answers those who wait for it', async () => {
    const { store, log } = await replicated()
    await log.append(['a', 'b', 'c'])
    const order: string[] = []
    const waits = [1, 2, 3].map((offset) =>
      log.reached('committed', offset).then(() => order.push(`reached ${offset}`)),
    )
    log.setCommitted(2)
    await Promise.all(waits.slice(0, 2))
    expect(order).toEqual(['reached 1', 'reached 2'])
    await log.reached('committed', 2)
    const abort = new AbortController()
    const aborted = log.reached('committed', 3, { signal: abort.signal })
    abort.abort(new Error('no longer'))
    await expect(aborted).rejects.toThrow('no longer')
    const cut = expect(waits[2]).rejects.toMatchObject({ code: 'ERR_OFFSET_OUT_OF_RANGE' })
    log.truncate(2)
    await cut
    const closed = expect(log.reached('committed', 9)).rejects.toMatchObject({ code: 'ERR_CLOSED' })
    await store.close()
    await closed
    await expect(log.reached('committed', 9)).rejects.toMatchObject({ code: 'ERR_CLOSED' })
    expect(() => log.setCommitted(2)).toThrow(expect.objectContaining({ code: 'ERR_CLOSED' }))
  })

  it('of a log that is not replicated is its end', async () => {
    const store = await openOn(simDisk())
    const log = await store.log('plain')
    const reached = log.reached('committed', 1)
    await log.append('a', { level: 'os' })
    await reached
  })

  it('goes back by truncation only, and never past the end', async () => {
    const { log } = await replicated()
    for (const value of ['a', 'b', 'c']) await log.append(value)
    log.setCommitted(3)
    log.setCommitted(1)
    expect(log.highWatermark).toBe(3)
    expect(() => log.setCommitted(4)).toThrow(
      expect.objectContaining({ code: 'ERR_OPTION_INVALID' }),
    )
    log.truncate(1)
    expect(log.highWatermark).toBe(1)
    await log.append('d')
    expect(valuesIn(log)).toEqual(['a'])
  })

  it.each([
    ['a clean stop', 3],
    ['a checkpoint and a power loss', 2],
    ['a kill without a checkpoint', 0],
  ])('is after %s where it was kept last', async (stop, kept) => {
    const { disk, store, log } = await replicated()
    for (const value of ['a', 'b', 'c', 'd']) await log.append(value)
    log.setCommitted(2)
    if (kept === 2) await store.checkpoint()
    log.setCommitted(3)
    if (kept === 3) await store.close()
    const next =
      kept === 3
        ? disk
        : kept === 2
          ? disk.crash({ class: 'nothing-unsynced' })
          : disk.processCrash()
    const again = await replicated(next)
    expect([again.log.highWatermark, again.log.endOffset], stop).toEqual([kept, 4])
    expect(valuesIn(again.log)).toEqual(['a', 'b', 'c', 'd'].slice(0, kept))
    await again.store.close()
    // Once more, by a log that nobody opened.
    const third = await openOn(next)
    await third.close()
    expect((await replicated(next)).log.highWatermark).toBe(kept)
  })

  it('lies inside the log after a crash, whatever was lost or trimmed', async () => {
    const { disk, store, log } = await replicated()
    await log.append(['a', 'b'])
    await log.append('lost', { level: 'os' })
    log.setCommitted(3)
    // Written while records it counts are in the kernel only.
    const other = await store.log('other')
    await other.append('x')
    other.trim(1)
    const lost = await replicated(disk.crash({ class: 'nothing-unsynced' }))
    expect([lost.log.highWatermark, lost.log.endOffset]).toEqual([2, 2])
    log.trim(3)
    await store.close()
    const file = disk.open(checkpointPath, 'write')
    file.truncate(0)
    file.write(Buffer.from('0\n1\nt 0 1\n'), 0)
    file.close()
    expect((await replicated(disk)).log.highWatermark).toBe(3)
  })

  it('begins at the start when its file cannot be read', async () => {
    const { disk, store, log } = await replicated()
    await log.append('a')
    log.setCommitted(1)
    await store.close()
    const file = disk.open(checkpointPath, 'write')
    file.write(Buffer.from('nonsense'), 0)
    file.close()
    const again = await replicated(disk)
    expect([again.log.highWatermark, again.log.endOffset]).toEqual([0, 1])
  })

  it('costs a store without replicated logs no file', async () => {
    const disk = simDisk()
    const store = await openOn(disk)
    await (await store.log('plain')).append('a')
    await store.checkpoint()
    await store.close()
    expect(disk.stat(checkpointPath)).toBeUndefined()
  })
})
