/**
 * Goal: what the random histories of crash/sim once found stays fixed. Method: the shortest way to
 * each, on the simulated disk.
 */
import { describe, expect, it } from 'vitest'
import type { SimFileSystem } from '../../src/platform/sim-file-system.ts'
import { openOn, simDisk } from '../support/log-inspection.ts'

const firstSegment = '/data/t-0/00000000000000000000.log'

async function openLog(disk: SimFileSystem) {
  return (await openOn(disk)).log('t')
}

describe('a log', () => {
  it('never begins behind a first segment whose name was lost', async () => {
    const disk = simDisk()
    const log = await openLog(disk)
    await log.append('a', { level: 'os' })
    log.roll()
    await log.append('b', { level: 'os' })
    // All before the first wait, in which the directory would be synced.
    const states = Array.from({ length: 40 }, (_, seed) => {
      return disk.crash({ class: 'random-sectors', seed })
    })
    for (const state of states) expect((await openLog(state)).startOffset).toBe(0)
  })
})
