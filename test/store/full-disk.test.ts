/**
 * Goal: a disk without a free byte can be emptied by the store itself: what makes room needs none.
 * Method: a simulated disk that others have filled to the last byte.
 */
import { describe, expect, it } from 'vitest'
import type { Log } from '../../src/log/log.ts'
import type { SimFileSystem } from '../../src/platform/sim-file-system.ts'
import { spareFileName } from '../../src/store/spare-space.ts'
import type { Store } from '../../src/store/store.ts'
import { openOn, simDisk, valuesIn } from '../support/log-inspection.ts'

const full = { code: 'ERR_STORAGE', errno: 'ENOSPC' }

async function openSmall(disk = simDisk()) {
  const store = await openOn(disk)
  if (store.topic('t') === undefined) {
    await store.createTopic('t', { config: { 'file.delete.delay.ms': '0' } })
  }
  return { disk, store, log: await store.log('t') }
}

/** Twenty segments of a record each, all of it checkpointed. */
async function written(store: Store, log: Log): Promise<string[]> {
  const values = Array.from({ length: 20 }, (_, i) => `${i}`.repeat(300))
  for (const value of values) {
    await log.append(value)
    log.roll()
  }
  await store.checkpoint()
  return values
}

/** Leaves no byte, whatever was freed since the last time. */
function fill(disk: SimFileSystem): void {
  disk.limitSpace(0)
}

describe('on a full disk', () => {
  it('a trim frees what it lets go', async () => {
    const { disk, store, log } = await openSmall()
    const values = await written(store, log)
    fill(disk)
    log.trim(10)
    expect(valuesIn(log)).toEqual(values.slice(10))
    fill(disk)
    log.trim(15)
    const again = await openSmall(disk.crash({ class: 'nothing-unsynced' }))
    expect(again.log.startOffset).toBe(15)
    expect(valuesIn(again.log)).toEqual(values.slice(15))
  })

  it('so does retention, also of a store that is opened on it', async () => {
    const { disk, store, log } = await openSmall()
    await written(store, log)
    await store.alterTopicConfig('t', (config) => ({ ...config, 'retention.bytes': '2000' }))
    for (const how of ['closed', 'killed'] as const) {
      const copy = disk.processCrash()
      if (how === 'closed') await (await openSmall(copy)).store.close()
      else fill(copy)
      const again = await openSmall(copy)
      fill(copy)
      const { segments } = await again.store.enforceRetention()
      expect(segments, how).toBeGreaterThan(10)
      expect(again.log.endOffset).toBe(20)
    }
  })

  it('a truncation cuts, and one that finds no room leaves all as it is', async () => {
    const { disk, store, log } = await openSmall()
    const values = await written(store, log)
    fill(disk)
    log.truncate(18)
    expect(valuesIn(log)).toEqual(values.slice(0, 18))
    // Now nothing is left that could be given up.
    if (disk.stat(`/data/${spareFileName}`) !== undefined) disk.remove(`/data/${spareFileName}`)
    fill(disk)
    expect(() => log.truncate(12)).toThrow(expect.objectContaining(full))
    expect([log.state, log.endOffset]).toEqual(['open', 18])
    expect(valuesIn(log)).toEqual(values.slice(0, 18))
    disk.limitSpace(undefined)
    log.truncate(12)
    expect((await log.append('next')).offset).toBe(12)
    const again = await openSmall(disk.crash({ class: 'nothing-unsynced' }))
    expect(valuesIn(again.log)).toEqual([...values.slice(0, 12), 'next'])
  })

  it('topics are deleted, and told to keep less', async () => {
    const { disk, store, log } = await openSmall()
    await written(store, log)
    const others = ['other', 'another', 'third']
    for (const name of others) await (await store.log(name)).append('x'.repeat(900))
    fill(disk)
    await store.alterTopicConfig('t', (config) => ({ ...config, 'retention.bytes': '2000' }))
    fill(disk)
    await Promise.all(others.map((name) => store.deleteTopic(name)))
    fill(disk)
    expect((await store.enforceRetention()).segments).toBeGreaterThan(10)
    const again = await openSmall(disk.crash({ class: 'nothing-unsynced' }))
    expect([...again.store.topics()].map(({ name }) => name)).toEqual(['t'])
    expect(again.store.topic('t')?.config.overrides['retention.bytes']).toBe('2000')
  })

  it.each([
    { what: 'a trim', cut: (log: Log) => log.trim(10), after: [10, 20] },
    { what: 'a truncation', cut: (log: Log) => log.truncate(12), after: [3, 12] },
  ])('$what is whole or absent wherever it is cut short', async ({ cut, after }) => {
    const { disk, store, log } = await openSmall()
    const values = await written(store, log)
    log.trim(3)
    fill(disk)
    const states: SimFileSystem[] = []
    const draw = () => {
      states.push(disk.processCrash())
      for (let seed = 0; seed < 4; seed++) states.push(disk.crash({ seed }))
    }
    disk.onOperation = draw
    cut(log)
    disk.onOperation = undefined
    expect([log.startOffset, log.endOffset]).toEqual(after)
    expect(states.length).toBeGreaterThan(5 * 10)
    for (const state of states) {
      const { log: found } = await openSmall(state)
      const [start, end] = [found.startOffset, found.endOffset]
      // A truncation may have come as far as some of its segments.
      expect([3, after[0]]).toContain(start)
      expect(end).toBeLessThanOrEqual(20)
      expect(end).toBeGreaterThanOrEqual(after[1]!)
      expect(valuesIn(found)).toEqual(values.slice(start, end))
    }
    draw()
    for (const state of states.slice(-5)) {
      const { log: found } = await openSmall(state)
      expect([found.startOffset, found.endOffset]).toEqual(after)
    }
  })

  it('nothing new is made', async () => {
    const { disk, store, log } = await openSmall()
    const values = await written(store, log)
    fill(disk)
    await expect(store.createTopic('new')).rejects.toMatchObject(full)
    await expect(store.addPartitions('t', 2)).rejects.toMatchObject(full)
    expect(disk.readDirectory('/data')).toContain(spareFileName)
    log.trim(19)
    expect(valuesIn(log)).toEqual(values.slice(19))
  })

  it('a store stops cleanly', async () => {
    const { disk, store, log } = await openSmall()
    await written(store, log)
    await log.append('last')
    fill(disk)
    await store.close()
    expect((await openSmall(disk)).store.wasClean).toBe(true)
  })
})

describe('the space set aside', () => {
  it('is there while the store is open, and gone after a clean stop', async () => {
    const { disk, store } = await openSmall()
    const isThere = (on: SimFileSystem) => on.readDirectory('/data').includes(spareFileName)
    expect(isThere(disk)).toBe(true)
    const killed = disk.processCrash()
    await store.close()
    expect(isThere(disk)).toBe(false)
    const again = await openSmall(killed)
    expect(isThere(killed)).toBe(true)
    await again.store.close()
    expect(isThere(killed)).toBe(false)
  })

  it('lasts for many times, and comes back once there is room', async () => {
    const { disk, store, log } = await openSmall()
    await written(store, log)
    const isThere = () => disk.readDirectory('/data').includes(spareFileName)
    for (let start = 1; start <= 15; start++) {
      fill(disk)
      log.trim(start)
      expect(isThere()).toBe(true)
    }
    disk.remove(`/data/${spareFileName}`)
    fill(disk)
    expect(() => log.trim(16)).toThrow(expect.objectContaining(full))
    expect(isThere()).toBe(false)
    disk.limitSpace(undefined)
    log.trim(16)
    expect(isThere()).toBe(true)
  })

  it.each(['create', 'reserve', 'write'])('is done without when its %s fails', async (kind) => {
    const { disk, store, log } = await openSmall()
    disk.planFault = (operation) => {
      const isSpare = operation.path.endsWith(spareFileName)
      return isSpare && operation.kind === kind ? { errno: 'EIO' } : undefined
    }
    const values = await written(store, log)
    log.trim(5)
    expect(valuesIn(log)).toEqual(values.slice(5))
    await store.close()
    expect(disk.readDirectory('/data')).not.toContain(spareFileName)
  })
})
