/**
 * Goal: what recovery reads depends on what was written since the last checkpoint, not on the size
 * of the log; and it finds the same as a scan of everything. Method: a log of 40 MiB in one segment,
 * a checkpoint, a little more, a kill; then the same with what the checkpoint kept damaged.
 */
import { describe, expect, it } from 'vitest'
import { indexCheckpointFileName } from '../../src/flush/index-checkpoint.ts'
import type { SimFileSystem } from '../../src/platform/sim-file-system.ts'
import { expectIndexesEqualScan, openOn, simDisk } from '../support/log-inspection.ts'

const config = { 'segment.bytes': '1073741824' }
const directory = '/data/t-0'
const index = `${directory}/00000000000000000000.index`
const timeIndex = `${directory}/00000000000000000000.timeindex`
const mebibyte = 1024 * 1024

async function killedAfterCheckpoint(): Promise<SimFileSystem> {
  const disk = simDisk()
  const store = await openOn(disk, { config })
  const log = await store.log('t')
  const value = Buffer.alloc(100_000)
  const append = (count: number, timestamp: number) =>
    log.append(
      Array.from({ length: count }, () => ({ value, timestamp })),
      { level: 'os' },
    )
  for (let i = 0; i < 41; i++) await append(10, 1000 + ((i * 7) % 41))
  await store.checkpoint()
  for (let i = 0; i < 2; i++) await append(3, 2000 + i)
  return disk.processCrash()
}

async function reopened(disk: SimFileSystem) {
  const store = await openOn(disk, { config })
  const log = await store.log('t')
  expect(log.endOffset).toBe(416)
  expectIndexesEqualScan(log)
  return store
}

describe('recovery after a checkpoint', () => {
  it('reads what was written since, and finds what a whole scan finds', async () => {
    const store = await reopened(await killedAfterCheckpoint())
    expect(store.recovery?.checkedBytes).toBeLessThan(3 * mebibyte)
  })

  it('is as short again when it is killed a second time, before another checkpoint', async () => {
    const disk = await killedAfterCheckpoint()
    await reopened(disk)
    const store = await reopened(disk.processCrash())
    expect(store.recovery?.checkedBytes).toBeLessThan(3 * mebibyte)
  })

  it.each([
    ['the offset index is damaged', (disk: SimFileSystem) => disk.flipBits(index, 100, 1)],
    ['the time index is damaged', (disk: SimFileSystem) => disk.flipBits(timeIndex, 9, 4)],
    ['the time index is torn', (disk: SimFileSystem) => disk.open(timeIndex, 'write').truncate(12)],
    ['an index is gone', (disk: SimFileSystem) => disk.remove(index)],
    [
      'the note of it is garbage',
      (disk: SimFileSystem) => disk.flipBits(`/data/${indexCheckpointFileName}`, 8, 0x20),
    ],
    [
      'the note of it is gone',
      (disk: SimFileSystem) => disk.remove(`/data/${indexCheckpointFileName}`),
    ],
  ])('reads the whole segment when %s', async (_, damage) => {
    const disk = await killedAfterCheckpoint()
    damage(disk)
    const store = await reopened(disk)
    expect(store.recovery?.checkedBytes).toBeGreaterThan(39 * mebibyte)
  })

  it('trusts no index that a truncation made stale', async () => {
    const disk = simDisk()
    const store = await openOn(disk, { config })
    const log = await store.log('t')
    const append = (bytes: number) => log.append(Buffer.alloc(bytes), { level: 'os' })
    for (let i = 0; i < 40; i++) await append(1_000_000)
    await store.checkpoint()
    log.truncate(5)
    for (let i = 0; i < 60; i++) await append(900_000 + i)
    await store.checkpoint()
    const again = await openOn(disk.processCrash(), { config })
    expect((await again.log('t')).endOffset).toBe(65)
    expectIndexesEqualScan(await again.log('t'))
  })
})
