/**
 * Goal: what the opening of a log reads depends on what was written since its state was last kept, not
 * on its size: a terabyte whose every batch header is read from a cold disk is hours.
 * Method: logs of clients without producer ids, and the reads of their segments counted.
 */
import { afterEach, describe, expect, it, vi } from 'vitest'
import { SimFile } from '../../src/platform/sim-file.ts'
import type { SimFileSystem } from '../../src/platform/sim-file-system.ts'
import { openOn, simDisk } from '../support/log-inspection.ts'

const mebibyte = 1024 * 1024
const batchBytes = 100_000
const batches = 400
const shapes = [
  ['in one segment', {}],
  ['in twenty', { 'segment.bytes': String(2 * mebibyte) }],
] as const

async function written(
  disk: SimFileSystem,
  config: Record<string, string> = {},
): Promise<Awaited<ReturnType<typeof openOn>>> {
  const store = await openOn(disk, { config })
  const log = await store.log('t')
  // Times of our own: how many batches share one decides what is read, and a clock's would be the
  // machine's speed.
  const value = Buffer.alloc(batchBytes)
  for (let i = 0; i < batches; i++) await log.append({ value, timestamp: i + 1 }, { level: 'os' })
  return store
}

/** How often segments are read while the log is opened. */
async function readsOfOpening(disk: SimFileSystem): Promise<number> {
  const reads = vi.spyOn(SimFile.prototype, 'read')
  const store = await openOn(disk)
  const log = await store.log('t')
  const files = reads.mock.contexts as readonly SimFile[]
  const count = files.filter(({ path }) => path.endsWith('.log')).length
  reads.mockRestore()
  expect(log.endOffset).toBe(batches)
  await store.close()
  return count
}

afterEach(() => {
  vi.restoreAllMocks()
})

describe('opening a log that had no producer ids', () => {
  it.each(shapes)('reads a few headers after a clean stop, %s', async (_, config) => {
    const disk = simDisk()
    const store = await written(disk, config)
    await store.close()
    expect(await readsOfOpening(disk)).toBeLessThan(20)
    expect(await readsOfOpening(disk)).toBeLessThan(20)
  })

  it.each(shapes)(
    'reads what was written since the last checkpoint after a kill, %s',
    async (_, config) => {
      const disk = simDisk()
      const store = await written(disk, config)
      await store.checkpoint()
      expect(await readsOfOpening(disk.processCrash())).toBeLessThan(50)
    },
  )

  it('reads all headers of one that has no snapshot, once', async () => {
    const disk = simDisk()
    const store = await written(disk)
    await store.close()
    for (const name of disk.readDirectory('/data/t-0')) {
      if (name.endsWith('.snapshot')) disk.remove(`/data/t-0/${name}`)
    }
    expect(await readsOfOpening(disk)).toBeGreaterThanOrEqual(batches)
    expect(await readsOfOpening(disk)).toBeLessThan(20)
  })

  it('writes no snapshot of a short one: there may be many', async () => {
    const disk = simDisk()
    const store = await openOn(disk)
    await (await store.log('t')).append('a', { level: 'os' })
    await store.close()
    const names = disk.readDirectory('/data/t-0')
    expect(names.filter((name) => name.endsWith('.snapshot'))).toEqual([])
  })
})
