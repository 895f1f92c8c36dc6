/**
 * Goal: an append that says where it must land, or which batch of its producer it is, lands there
 * once or not at all, whatever was restarted or killed in between.
 * Method: the library's own append, and the wire's beside it, on a simulated disk.
 */
import { describe, expect, it } from 'vitest'
import { ConflictError } from '../../src/base/errors.ts'
import type { SimFileSystem } from '../../src/platform/sim-file-system.ts'
import type { Store } from '../../src/store/store.ts'
import { appendClient, clientBatch, openOn, simDisk, valuesIn } from '../support/log-inspection.ts'

async function opened(disk: SimFileSystem = simDisk()) {
  const store = await openOn(disk)
  return { disk, store, log: await store.log('t') }
}

describe('an append with an expected offset', () => {
  it('lands where it says, or rejects and writes nothing', async () => {
    const { log } = await opened()
    expect(await log.append(['a', 'b'], { expect: 0 })).toMatchObject({ offset: 0 })
    const late = log.append('late', { expect: 1 })
    await expect(late).rejects.toThrow(ConflictError)
    await expect(late).rejects.toMatchObject({
      code: 'ERR_CONFLICT',
      log: 't-0',
      expected: 1,
      found: 2,
    })
    await expect(log.append('early', { expect: 3 })).rejects.toMatchObject({ found: 2 })
    expect(await log.append('c', { expect: 2 })).toMatchObject({ offset: 2 })
    expect(valuesIn(log)).toEqual(['a', 'b', 'c'])
  })

  it('lets one of two that race win', async () => {
    const { log } = await opened()
    const [first, second] = await Promise.allSettled([
      log.append('first', { expect: 0 }),
      log.append('second', { expect: 0 }),
    ])
    expect([first.status, second.status]).toEqual(['fulfilled', 'rejected'])
    expect(valuesIn(log)).toEqual(['first'])
  })

  it('works for batches of clients too, and also where they are checked again', async () => {
    const { store, log } = await opened()
    const batch = clientBatch(['x'])
    const options = { allowZstd: true, expect: 1 }
    expect(() => log.appendBatch(Buffer.from(batch), 0, batch.length, options)).toThrow(
      ConflictError,
    )
    expect(log.endOffset).toBe(0)
    await log.append('a')
    expect(log.appendBatch(batch, 0, batch.length, options).baseOffset).toBe(1)
    await store.createTopic('stamped', { config: { 'message.timestamp.type': 'LogAppendTime' } })
    const stamped = await store.log('stamped')
    await expect(stamped.append('a', { expect: 1 })).rejects.toThrow(ConflictError)
    expect(stamped.endOffset).toBe(0)
  })

  it.each([-1, 1.5, Number.NaN, '0'])('refuses %s as an offset', async (offset) => {
    const { log } = await opened()
    const append = log.append('a', { expect: offset as number })
    await expect(append).rejects.toMatchObject({ code: 'ERR_OPTION_INVALID' })
  })

  it('counts from where the log ends after a crash', async () => {
    const { disk, log } = await opened()
    await log.append(['a', 'b'])
    await log.append('lost', { level: 'os' })
    const again = await opened(disk.crash({ class: 'nothing-unsynced' }))
    await expect(again.log.append('c', { expect: 3 })).rejects.toMatchObject({ found: 2 })
    expect((await again.log.append('c', { expect: 2 })).offset).toBe(2)
  })
})

describe('an append of an idempotent producer', () => {
  const stops: [string, (disk: SimFileSystem, store: Store) => Promise<SimFileSystem>][] = [
    ['nothing', async (disk) => disk],
    ['a clean stop', async (disk, store) => store.close().then(() => disk)],
    ['a kill', async (disk) => disk.processCrash()],
    ['a power loss', async (disk) => disk.crash({ class: 'nothing-unsynced' })],
    [
      'a checkpoint and a power loss',
      async (disk, store) =>
        store.checkpoint().then(() => disk.crash({ class: 'nothing-unsynced' })),
    ],
  ]

  it.each(stops)('is answered with its first offset when sent again after %s', async (_, stop) => {
    const first = await opened()
    const id = await first.store.allocateProducerId()
    const send = (log: typeof first.log, sequence: number, values: string[]) =>
      log.append(values, { producer: { id, epoch: 0, sequence } })
    expect(await send(first.log, 0, ['a', 'b'])).toEqual({
      offset: 0,
      lastOffset: 1,
      level: 'disk',
      isDuplicate: false,
    })
    await first.log.append('of another')
    expect(await send(first.log, 2, ['c'])).toMatchObject({ offset: 3, isDuplicate: false })

    const disk = await stop(first.disk, first.store)
    const { store, log } = disk === first.disk && first.log.isOpen ? first : await opened(disk)
    expect(await send(log, 0, ['a', 'b'])).toEqual({
      offset: 0,
      lastOffset: 1,
      level: 'disk',
      isDuplicate: true,
    })
    expect(await send(log, 2, ['c'])).toMatchObject({ offset: 3, isDuplicate: true })
    await expect(send(log, 4, ['gap'])).rejects.toMatchObject({ code: 'ERR_SEQUENCE_OUT_OF_ORDER' })
    expect(await send(log, 3, ['d'])).toMatchObject({ offset: 4, isDuplicate: false })
    expect(valuesIn(log)).toEqual(['a', 'b', 'of another', 'c', 'd'])
    expect(await store.allocateProducerId()).toBeGreaterThan(id)
  })

  it('is fenced by a higher epoch, which begins at 0', async () => {
    const { log } = await opened()
    const producer = { id: 7, epoch: 1, sequence: 0 }
    await log.append('a', { producer })
    await expect(
      log.append('b', { producer: { ...producer, epoch: 2, sequence: 1 } }),
    ).rejects.toMatchObject({ code: 'ERR_SEQUENCE_OUT_OF_ORDER' })
    await log.append('b', { producer: { ...producer, epoch: 2 } })
    await expect(log.append('c', { producer: { ...producer, sequence: 1 } })).rejects.toMatchObject(
      { code: 'ERR_PRODUCER_FENCED' },
    )
    expect(valuesIn(log)).toEqual(['a', 'b'])
  })

  it('shares its window with the wire', async () => {
    const { log } = await opened()
    const fields = { producerId: 7, producerEpoch: 0, baseSequence: 0 }
    expect(appendClient(log, clientBatch(['a'], { producer: fields })).isDuplicate).toBe(false)
    const producer = { id: 7, epoch: 0, sequence: 0 }
    expect(await log.append('a', { producer })).toMatchObject({ offset: 0, isDuplicate: true })
    await log.append('b', { producer: { ...producer, sequence: 1 } })
    const second = clientBatch(['b'], { producer: { ...fields, baseSequence: 1 } })
    expect(appendClient(log, second)).toMatchObject({ baseOffset: 1, isDuplicate: true })
  })

  it('is a duplicate before it is a conflict', async () => {
    const { log } = await opened()
    const options = { expect: 0, producer: { id: 7, epoch: 0, sequence: 0 } }
    await log.append('a', options)
    expect(await log.append('a', options)).toMatchObject({ offset: 0, isDuplicate: true })
    const next = { expect: 0, producer: { id: 7, epoch: 0, sequence: 1 } }
    await expect(log.append('b', next)).rejects.toThrow(ConflictError)
    // A conflict leaves the window as it was.
    expect(await log.append('b', { ...next, expect: 1 })).toMatchObject({ isDuplicate: false })
  })

  it('leaves nothing of itself to the next append', async () => {
    const { log } = await opened()
    await log.append('a', { producer: { id: 7, epoch: 0, sequence: 0 } })
    await log.append('b')
    expect(await log.append('b')).toMatchObject({ offset: 2, isDuplicate: false })
  })

  it.each([
    { id: -1, epoch: 0, sequence: 0 },
    { id: 1, epoch: 32_768, sequence: 0 },
    { id: 1, epoch: 0, sequence: 2 ** 31 },
    { id: 1, epoch: 0 },
    { id: 1, epoch: 0, sequence: 0, seq: 1 },
    7,
  ])('is refused as %j', async (producer) => {
    const { log } = await opened()
    const append = log.append('a', { producer: producer as never })
    await expect(append).rejects.toMatchObject({ code: 'ERR_OPTION_INVALID' })
    expect(log.endOffset).toBe(0)
  })
})
