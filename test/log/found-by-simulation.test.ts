/**
 * Goal: what the random histories of crash/sim once found stays fixed. Method: the shortest way to
 * each, on the simulated disk.
 */
import { describe, expect, it } from 'vitest'
import { assertIndexesEqualScan } from '../../crash/sim/inspect.ts'
import { LogError } from '../../src/base/errors.ts'
import { SimFileSystem } from '../../src/platform/sim-file-system.ts'
import type { Store } from '../../src/store/store.ts'
import { openOn, simDisk, valuesIn } from '../support/log-inspection.ts'
import { SteppedClock } from '../support/stepped-clock.ts'

const firstSegment = '/data/t-0/00000000000000000000.log'

async function openLog(disk: SimFileSystem) {
  return (await openOn(disk)).log('t')
}

/** Appends to another log until the store has its journal. */
async function makeJournal(disk: SimFileSystem, store: Store): Promise<void> {
  const other = await store.log('other')
  while (disk.stat('/data/stratalog.journal') === undefined) await other.append('x')
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

  it.each(['.snapshot', '0.index', '0.timeindex'])(
    'goes on in its segment when a roll fails at %s and nothing can be read',
    async (file) => {
      const disk = simDisk()
      const log = await openLog(disk)
      const values = ['a'.repeat(400), 'b']
      // The first is larger than an index interval: the second has an entry.
      for (const [sequence, value] of values.entries()) {
        await log.append(value, { level: 'os', producer: { id: 7, epoch: 0, sequence } })
      }
      disk.planFault = ({ path }) => {
        if (!path.endsWith(file)) return undefined
        for (let next = 1; next <= 100; next++)
          disk.failRead(disk.readCount + next, { errno: 'EIO' })
        return { errno: 'EIO' }
      }
      expect(() => log.roll()).toThrow(file)
      disk.planFault = undefined
      await log.append('c', { level: 'os' })
      await log.append('d')
      for (const crashed of [disk.crash({ class: 'nothing-unsynced' }), disk.processCrash()]) {
        const again = await openLog(crashed)
        expect(valuesIn(again)).toEqual([...values, 'c', 'd'])
        assertIndexesEqualScan(again)
      }
    },
  )

  it('keeps its start although the files below it came back', async () => {
    const disk = simDisk()
    const log = await openLog(disk)
    await log.append(['a', 'b'])
    log.roll()
    await log.append('c')
    disk.onOperation = ({ kind, path, number }) => {
      if (kind === 'rename' && path === firstSegment) disk.stopAt(number + 1)
    }
    expect(() => log.trim(2)).toThrow('stopped')
    const back = disk.crash({ class: 'nothing-unsynced' })
    expect(back.stat(firstSegment)).toBeDefined()
    const store = await openOn(back)
    // Writes the checkpoints, where a start that is the first segment's own is not noted.
    await store.createTopic('other')
    const again = await openLog(back.crash({ class: 'nothing-unsynced' }))
    expect([again.startOffset, again.endOffset]).toEqual([2, 3])
  })

  it.each(['0', '60000'])(
    'keeps its start over a clean stop although a file below it stayed (file.delete.delay.ms=%s)',
    async (delay) => {
      const disk = simDisk()
      const store = await openOn(disk)
      await store.createTopic('t', { config: { 'file.delete.delay.ms': delay } })
      const log = await store.log('t')
      for (const value of ['a', 'b', 'c', 'd']) {
        await log.append(value)
        log.roll()
      }
      disk.planFault = ({ kind, path }) => {
        const isRemoval = kind === 'rename' || kind === 'remove'
        return isRemoval && path.endsWith('1.index') ? { errno: 'EIO' } : undefined
      }
      expect(() => log.trim(2)).toThrow('EIO')
      log.trim(3)
      disk.planFault = undefined
      await store.close()
      expect(disk.stat('/data/t-0/00000000000000000001.log')).toBeDefined()
      const again = await openLog(disk)
      expect([again.startOffset, valuesIn(again)]).toEqual([3, ['d']])
    },
  )

  it('loses nothing above its start, whichever of the files below it came back', async () => {
    let states = 0
    for (let seed = 0; seed < 20; seed++) {
      const disk = simDisk(seed)
      const log = await openLog(disk)
      await log.append('a')
      // Acknowledged by the journal, while their segments are being synced.
      for (let i = 0; i < 4; i++) {
        log.roll()
        await log.append(['b', 'c'])
      }
      const found: SimFileSystem[] = []
      disk.onOperation = ({ kind, path }) => {
        if (kind !== 'sync-directory' || path !== '/data/t-0') return
        if (disk.stat(firstSegment) !== undefined) return
        for (let i = 0; i < 5; i++) found.push(disk.crash({ class: 'random-sectors', seed: i }))
      }
      log.trim(8)
      for (const state of found) {
        const again = await openLog(state)
        expect([again.startOffset, valuesIn(again)]).toEqual([8, ['c']])
        states++
      }
    }
    expect(states).toBeGreaterThanOrEqual(100)
  })

  it('knows where an epoch began although a truncation came after the file was written', async () => {
    const disk = simDisk()
    const log = await openLog(disk)
    await log.append(['a', 'b', 'c'])
    log.truncate(0)
    await log.append('d', { level: 'os' })
    const killed = disk.processCrash()
    // As Kafka leaves it, which goes on in one epoch: begun at 3 before, and at 0 since.
    const path = `${log.directory}/leader-epoch-checkpoint`
    const file = killed.open(path, 'open-or-create')
    file.truncate(0)
    file.write(Buffer.from('0\n1\n1 3\n'), 0)
    const again = await openLog(killed)
    expect(valuesIn(again)).toEqual(['d'])
    expect(again.epochOf(0)).toBe(1)
  })

  it('knows the epochs of records that a trim which failed, and a crash, left', async () => {
    const disk = simDisk()
    const store = await openOn(disk)
    const log = await store.log('t')
    for (const value of ['a', 'b', 'c']) await log.append(value)
    log.truncate(2)
    for (const value of ['d', 'e']) {
      await log.append(value)
      log.roll()
    }
    await store.checkpoint()
    disk.planFault = ({ kind, path }) => {
      const isStart = path.includes('log-start-offset-checkpoint')
      return kind === 'write' && isStart ? { errno: 'ENOSPC' } : undefined
    }
    expect(() => log.trim(4)).toThrow('ENOSPC')
    await log.append('f')
    await store.checkpoint().catch(() => {})
    const again = await openLog(disk.processCrash())
    expect(valuesIn(again)).toEqual(['a', 'b', 'd', 'e', 'f'])
    expect([0, 1, 2, 3, 4].map((offset) => again.epochOf(offset))).toEqual([0, 0, 1, 1, 1])
  })

  it('calls nothing durable that a truncation which failed may have taken', async () => {
    const disk = simDisk()
    const store = await openOn(disk)
    const log = await store.log('t')
    await makeJournal(disk, store)
    await log.append('a')
    await log.append(['b', 'c'])
    disk.planFault = ({ kind, path }) => {
      return kind === 'flush' && path.endsWith('.journal') ? { errno: 'EIO' } : undefined
    }
    expect(() => log.truncate(1)).toThrow('EIO')
    await expect(log.reached('disk', 3)).rejects.toMatchObject({ code: 'ERR_LOG_FAILED' })
    expect([log.durableOffset, log.endOffset]).toEqual([1, 1])
    expect(valuesIn(log)).toEqual(['a'])
  })

  it.each([false, true])(
    'opens again wherever a truncation below its start is cut short, checkpointed: %s',
    async (isCheckpointed) => {
      const disk = simDisk()
      const store = await openOn(disk)
      const log = await store.log('t')
      await makeJournal(disk, store)
      await log.append(['a', 'b', 'c'])
      await log.append(['d', 'e', 'f'])
      if (isCheckpointed) await store.checkpoint()
      log.trim(4)
      const states: SimFileSystem[] = []
      const draw = () => {
        states.push(disk.processCrash())
        for (let seed = 0; seed < 8; seed++) states.push(disk.crash({ seed }))
      }
      disk.onOperation = draw
      log.truncate(5)
      disk.onOperation = undefined
      draw()
      expect(log.endOffset).toBe(3)
      expect(states.length).toBeGreaterThan(9 * 10)
      for (const state of states) {
        const again = await openLog(state)
        expect([
          [3, 3],
          [4, 6],
          [3, 6],
        ]).toContainEqual([again.startOffset, again.endOffset])
      }
    },
  )

  it.each([1, 2])(
    'opens again wherever a trim to its end is cut short, %d rolls before',
    async (rolls) => {
      let isHolding = false
      const disk = new SimFileSystem({
        seed: 1,
        directories: ['/data'],
        defer: (complete) => {
          if (!isHolding) queueMicrotask(complete)
        },
      })
      // By its clock every sync is a fast one.
      const store = await openOn(disk, { clock: new SteppedClock() })
      const log = await store.log('t')
      await makeJournal(disk, store)
      await log.append(['a', 'b'])
      await store.checkpoint()
      // The pool does not come to the sync of the new names; the journal is synced on this thread.
      isHolding = true
      for (let i = 0; i < rolls; i++) {
        log.roll()
        await log.append(['c', 'd'])
      }
      const states: SimFileSystem[] = []
      disk.onOperation = () => {
        for (let seed = 0; seed < 12; seed++) states.push(disk.crash({ seed }))
      }
      const end = log.endOffset
      log.trim(end)
      disk.onOperation = undefined
      isHolding = false
      for (const state of states) {
        const again = await openLog(state)
        expect([0, end]).toContain(again.startOffset)
        expect(again.endOffset).toBe(end)
      }
      expect(states.length).toBeGreaterThan(100)
    },
  )

  it('knows its largest timestamp although a truncation could not read what it keeps', async () => {
    const disk = simDisk()
    const log = await openLog(disk)
    for (let offset = 0; offset < 10; offset++) {
      await log.append([{ value: 'x'.repeat(40), timestamp: 1000 + offset }])
    }
    const outcomes = new Set<string>()
    for (let ahead = 1; ahead <= 40; ahead++) {
      const state = disk.processCrash()
      const one = await openLog(state)
      const fails = state.readCount + ahead
      state.failRead(fails, { errno: 'EIO' })
      try {
        one.truncate(4)
        outcomes.add('truncated')
      } catch (error) {
        expect(error).toBeInstanceOf(LogError)
        outcomes.add('failed')
      }
      // A fault that is still to come is for nobody.
      const file = state.open(firstSegment, 'read')
      while (state.readCount < fails - 1) file.read(Buffer.alloc(1), 0)
      if (state.readCount < fails) expect(() => file.read(Buffer.alloc(1), 0)).toThrow('EIO')
      assertIndexesEqualScan(one)
    }
    expect([...outcomes].sort()).toEqual(['failed', 'truncated'])
  })

  it('fails when a segment made in vain cannot be removed, for it would look like a hole', async () => {
    const disk = simDisk()
    const log = await openLog(disk)
    await log.append('a')
    disk.planFault = ({ kind, path }) => {
      const isSealing = path.endsWith('.timeindex') && kind === 'write'
      return isSealing || kind === 'remove' ? { errno: 'EIO' } : undefined
    }
    expect(() => log.roll()).toThrow('EIO')
    disk.planFault = undefined
    await expect(log.append('b')).rejects.toMatchObject({ code: 'ERR_LOG_FAILED' })
    const again = await openLog(disk.processCrash())
    await again.append('b')
    expect(valuesIn(await openLog(disk.crash({ class: 'everything' })))).toEqual(['a'])
    expect(valuesIn(again)).toEqual(['a', 'b'])
  })

  it('keeps what follows a roll that failed, although the name of its segment comes back', async () => {
    const disk = simDisk()
    const log = await openLog(disk)
    await log.append(['a', 'b', 'c'])
    log.trim(3)
    disk.planFault = ({ kind, path }) => {
      return kind === 'write' && path.endsWith('.timeindex') ? { errno: 'EIO' } : undefined
    }
    expect(() => log.roll()).toThrow('EIO')
    disk.planFault = undefined
    await log.append('d')
    for (let seed = 0; seed < 40; seed++) {
      const again = await openLog(disk.crash({ class: 'random-sectors', seed }))
      expect([again.startOffset, valuesIn(again)]).toEqual([3, ['d']])
    }
  })

  it('goes on when a segment is trimmed away in the middle of its flush', async () => {
    const disk = simDisk()
    // Through a journal the acknowledgement would not wait for the index.
    const store = await openOn(disk, { journalBytes: 0 })
    const log = await store.log('t')
    await log.append('a')
    disk.onOperation = ({ kind, path }) => {
      if (kind === 'flush' && path.endsWith('.index')) queueMicrotask(() => log.trim(1))
    }
    log.roll()
    await log.append('b')
    expect([log.state, log.startOffset]).toEqual(['open', 1])
    expect(disk.stat(firstSegment)).toBeUndefined()
  })

  it('passes over no index file that another flush has under way', async () => {
    const disk = simDisk()
    const log = await openLog(disk)
    await log.append(['a', 'b', 'c'], { level: 'os' })
    const times = '/data/t-0/00000000000000000000.timeindex'
    let found: SimFileSystem | undefined
    disk.onOperation = ({ kind, path }) => {
      if (kind !== 'flush' || !path.endsWith('.index') || found !== undefined) return
      queueMicrotask(() => {
        if (found !== undefined) return
        log.trim(2)
        found = disk.crash({ class: 'nothing-unsynced' })
      })
    }
    log.roll()
    await log.flush()
    expect(found?.stat(times)?.sizeBytes).toBe(12)
  })

  it('is closed durably although a flush was under way', async () => {
    const disk = simDisk()
    // Without a journal, which would make the record durable by itself.
    const log = await (await openOn(disk, { journalBytes: 0 })).log('t')
    await log.append('a', { level: 'os' })
    let closed: Promise<boolean> | undefined
    disk.onOperation = ({ kind, path }) => {
      if (kind !== 'flush' || !path.endsWith('.log') || closed !== undefined) return
      closed = Promise.resolve().then(() => log.closeWithStore())
    }
    await log.flush()
    expect(await closed).toBe(true)
    const found = disk.crash({ class: 'nothing-unsynced' })
    for (const name of disk.readDirectory('/data/t-0')) {
      const path = `/data/t-0/${name}`
      expect([name, found.stat(path)?.sizeBytes]).toEqual([name, disk.stat(path)?.sizeBytes])
    }
  })

  it('can be read after a truncation whose flush failed', async () => {
    const disk = simDisk()
    const log = await openLog(disk)
    await log.append('a')
    await log.append('b')
    disk.planFault = ({ kind, path }) => {
      return kind === 'flush' && path === firstSegment ? { errno: 'EIO' } : undefined
    }
    expect(() => log.truncate(1)).toThrow('EIO')
    expect([log.state, log.endOffset]).toEqual(['failed', 1])
    expect(valuesIn(log)).toEqual(['a'])
  })

  it('never finds what a full disk refused', async () => {
    const disk = simDisk()
    const log = await openLog(disk)
    await log.append('a')
    // The first batch of the run fits, the second does not.
    let writtenBytes: number | undefined
    disk.planFault = ({ kind, path, lengthBytes }) => {
      if (path !== firstSegment || writtenBytes !== undefined) return undefined
      if (kind === 'reserve') return { errno: 'ENOSPC' }
      if (kind !== 'write') return undefined
      writtenBytes = lengthBytes / 2
      return { errno: 'ENOSPC', writtenBytes }
    }
    const refused = await Promise.allSettled([log.append('b'), log.append('c')])
    expect(refused.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    for (let seed = 0; seed < 60; seed++) {
      const found = await openLog(disk.crash({ class: 'random-sectors', seed }))
      expect(valuesIn(found)).toEqual(['a'])
    }
  })

  it('reports a header that is damaged, instead of passing over its batch', async () => {
    const disk = simDisk()
    const store = await openOn(disk)
    const log = await store.log('t')
    for (const batch of [['a', 'b'], ['c'], ['d', 'e'], ['f']]) await log.append(batch)
    await store.close()
    const clean = disk.processCrash()
    const length = Buffer.alloc(4)
    clean.open(firstSegment, 'read').read(length, 8)
    const second = 12 + length.readInt32BE(0)
    let reported = 0
    for (let bit = 0; bit < 8 * 61; bit++) {
      const damaged = clean.processCrash()
      damaged.flipBits(firstSegment, second + (bit >> 3), 1 << (bit & 7))
      try {
        const values = valuesIn(await openLog(damaged))
        // The leader epoch alone, four bytes, is neither under the checksum nor what is read.
        expect(bit >> 5).toBe(3)
        expect(values).toEqual(['a', 'b', 'c', 'd', 'e', 'f'])
      } catch (error) {
        if (!(error instanceof LogError)) throw error
        reported++
      }
    }
    expect(reported).toBe(8 * 57)
  })
})

describe('a store', () => {
  it('is not taken for cleanly stopped because a removed marker came back', async () => {
    const disk = simDisk()
    await (await openOn(disk)).close()
    const opening = disk.processCrash()
    opening.stopAt(opening.operationCount + 3)
    await expect(openOn(opening)).rejects.toThrow('stopped')
    const killed = opening.processCrash()
    expect((await openOn(killed)).wasClean).toBe(false)
    const again = await openOn(killed.crash({ class: 'nothing-unsynced' }))
    expect(again.wasClean).toBe(false)
  })
})
