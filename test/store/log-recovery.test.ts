/**
 * Goal: a log that cannot be recovered keeps nobody else from being served, and is all there, or all
 * of a group is not, once it can be. Method: damage and bad sectors that come and go between openings.
 */
import { describe, expect, it } from 'vitest'
import { crashClasses } from '../../src/platform/sim-crash-class.ts'
import type { SimFileSystem } from '../../src/platform/sim-file-system.ts'
import { magicAt } from '../../src/record/batch-format.ts'
import { repairStore } from '../../src/store/repair-store.ts'
import { openOn, simDisk, valuesIn } from '../support/log-inspection.ts'

const segmentOfA = '/data/a-0/00000000000000000000.log'
const framesFile = '/data/stratalog-whole-frames'

/** What makes log `a` impossible to recover, and takes it away again. */
const faults: Record<
  string,
  { code: string; set(disk: SimFileSystem): void; clear(disk: SimFileSystem): void }
> = {
  damage: {
    code: 'ERR_LOG_CORRUPT',
    set: (disk) => disk.flipBits(segmentOfA, magicAt, 1),
    clear: (disk) => disk.flipBits(segmentOfA, magicAt, 1),
  },
  'a bad sector': {
    code: 'ERR_STORAGE',
    set: (disk) => {
      disk.planReadFault = (path) => (path === segmentOfA ? { errno: 'EIO' } : undefined)
    },
    clear: (disk) => {
      disk.planReadFault = undefined
    },
  },
}

describe.each(Object.entries(faults))(
  'a log that %s keeps from being recovered',
  (_name, fault) => {
    it('is refused, the others are served, and all of it is there when it can be read', async () => {
      const disk = await diskWithTwoLogs()
      fault.set(disk)
      const store = await openOn(disk)
      await expect(store.log('a')).rejects.toMatchObject({ code: fault.code })
      const b = await store.log('b')
      await b.append('b1')
      expect(valuesIn(b)).toEqual(['b0', 'b1'])
      await store.close()
      fault.clear(disk)
      const again = await openOn(disk)
      expect(again.wasClean).toBe(false)
      expect(valuesIn(await again.log('a'))).toEqual(['a0'])
      await again.close()
      expect((await openOn(disk)).wasClean).toBe(true)
    })

    it('shows no group of which others have nothing', async () => {
      const before = await diskWithTwoLogs({ withGroup: true })
      let tornCount = 0
      for (let seed = 0; seed < 40; seed++) {
        const disk = before.crash({ class: 'random-sectors', seed })
        fault.set(disk)
        const store = await openOn(disk)
        await expect(store.log('a')).rejects.toMatchObject({ code: fault.code })
        const isWhole = valuesIn(await store.log('b')).includes('group')
        // Another journal is there then, and knows nothing of the group.
        await (await store.log('b')).append('later')
        await store.close()
        expect(disk.stat(framesFile)).toBeDefined()
        fault.clear(disk)
        const again = await openOn(disk)
        expect(valuesIn(await again.log('a'))).toEqual(isWhole ? ['a0', 'group'] : ['a0'])
        expect(disk.stat(framesFile)).toBeUndefined()
        if (!isWhole) tornCount++
      }
      expect(tornCount).toBeGreaterThan(0)
    })
  },
)

describe('a log that was damaged when the store opened', () => {
  it('shows no group of which others have nothing once it is repaired', async () => {
    const before = await diskWithTwoLogs({ withGroup: true })
    let tornCount = 0
    for (let seed = 0; seed < 40; seed++) {
      const disk = before.crash({ class: 'random-sectors', seed })
      disk.flipBits(segmentOfA, magicAt, 1)
      // Twice: what an earlier opening knew is not forgotten by a later one.
      for (let i = 0; i < 2; i++) {
        const store = await openOn(disk)
        await (await store.log('b')).append('later')
        await store.close()
      }
      const report = await repairStore('/data', { fileSystem: disk, apply: true })
      expect([report.remaining, report.lost]).toEqual([[], []])
      const store = await openOn(disk)
      const isWhole = valuesIn(await store.log('b')).includes('group')
      expect(valuesIn(await store.log('a'))).toEqual(isWhole ? ['a0', 'group'] : ['a0'])
      if (!isWhole) tornCount++
    }
    expect(tornCount).toBeGreaterThan(0)
  })
})

describe('an opening that refuses a log', () => {
  it('may be cut short by a crash at any operation, and no group is seen in part', async () => {
    let checks = 0
    // Each takes some seconds.
    for (const torn of (await tornDisks()).slice(0, 1)) {
      for (let stop = 1, isOver = false; !isOver; stop++) {
        const disk = torn.processCrash()
        disk.flipBits(segmentOfA, magicAt, 1)
        disk.stopAt(disk.operationCount + stop)
        await openOn(disk).catch(() => {})
        isOver = !disk.hasStopped
        for (const crashClass of crashClasses) {
          const found = disk.crash({ class: crashClass })
          // Once more with the damage, and then without.
          await (await openOn(found)).close()
          found.flipBits(segmentOfA, magicAt, 1)
          const store = await openOn(found)
          const logs = [await store.log('a'), await store.log('b')]
          expect(logs.map((log) => valuesIn(log).includes('group'))).toEqual([false, false])
          checks++
        }
      }
    }
    expect(checks).toBeGreaterThan(50)
  })
})

/** Disks after crashes that left the frame of the group torn. */
async function tornDisks(): Promise<SimFileSystem[]> {
  const before = await diskWithTwoLogs({ withGroup: true })
  // All at once: the store is open still, and may sync the frame.
  const disks = Array.from({ length: 40 }, (_, seed) => {
    return before.crash({ class: 'random-sectors', seed })
  })
  const torn: SimFileSystem[] = []
  for (const disk of disks) {
    const store = await openOn(disk.processCrash())
    if (!valuesIn(await store.log('b')).includes('group')) torn.push(disk)
  }
  return torn
}

/** Records below the recovery points, and not in the journal; then a group that no sync has seen. */
async function diskWithTwoLogs({ withGroup = false } = {}): Promise<SimFileSystem> {
  const disk = simDisk()
  const store = await openOn(disk)
  const a = await store.log('a')
  const b = await store.log('b')
  await a.append('a0', { level: 'os' })
  await b.append('b0', { level: 'os' })
  await store.checkpoint()
  if (!withGroup) return disk.processCrash()
  await store.atomic(
    (tx) => {
      tx.append(a, 'group')
      tx.append(b, 'group')
    },
    { level: 'os' },
  )
  // What a segment keeps in memory is written before it is sent.
  a.readSlice(1, 1000, { upTo: 2, minOneBatch: true })?.release()
  return disk
}
