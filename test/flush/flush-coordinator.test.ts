/**
 * Goal: one sync serves all who ask, nobody is told too early, and what fails stays failed.
 * Method: a store on the simulated disk with a small journal; flushes are counted, held and failed.
 */
import { describe, expect, it } from 'vitest'
import { journalFileName } from '../../src/flush/journal.ts'
import type { SimOperation } from '../../src/platform/sim-file-system.ts'
import { SimFileSystem } from '../../src/platform/sim-file-system.ts'
import type { Store } from '../../src/store/store.ts'
import { openStore } from '../../src/store/store.ts'
import { dataPath, openOn, simDisk, valuesIn } from '../support/log-inspection.ts'
import { RecordingLogger } from '../support/recording-logger.ts'

const journalPath = `${dataPath}/${journalFileName}`
const wide = { 'segment.bytes': '1073741824' }

/** A store whose journal has been made. */
async function withJournal(disk: SimFileSystem, options = {}): Promise<Store> {
  const store = await openOn(disk, { config: wide, ...options })
  const log = await store.log('first')
  do await log.append('x')
  while (disk.stat(journalPath) === undefined)
  await log.append('y')
  return store
}

function countFlushes(disk: SimFileSystem): { readonly journal: number; readonly others: number } {
  const counts = { journal: 0, others: 0 }
  disk.onOperation = ({ kind, path }: SimOperation) => {
    if (kind !== 'flush') return
    if (path === journalPath) counts.journal++
    else counts.others++
  }
  return counts
}

async function manyLogs(store: Store, count: number) {
  const names = Array.from({ length: count }, (_, i) => `log-${i}`)
  const logs = await Promise.all(names.map((name) => store.log(name)))
  await Promise.all(logs.map((log) => log.append('opened')))
  return logs
}

describe('the flush coordinator', () => {
  it('makes many logs durable with one sync of the journal', async () => {
    const disk = simDisk()
    const store = await withJournal(disk)
    const logs = await manyLogs(store, 20)
    const flushes = countFlushes(disk)
    const acks = await Promise.all(logs.map((log) => log.append(['a', 'b'])))
    expect(acks.every(({ level }) => level === 'disk')).toBe(true)
    expect(flushes).toEqual({ journal: 1, others: 0 })
    const found = await openOn(disk.crash({ class: 'nothing-unsynced' }), { config: wide })
    for (let i = 0; i < 20; i++) {
      expect(valuesIn(await found.log(`log-${i}`))).toEqual(['opened', 'a', 'b'])
    }
  })

  it('takes what was written for level os before into the same frame', async () => {
    const disk = simDisk()
    const store = await withJournal(disk)
    const log = await store.log('first')
    await log.append('for os', { level: 'os' })
    const flushes = countFlushes(disk)
    await log.append('for disk')
    expect(flushes).toEqual({ journal: 1, others: 0 })
    const found = await openOn(disk.crash({ class: 'nothing-unsynced' }), { config: wide })
    expect(valuesIn(await found.log('first')).slice(-2)).toEqual(['for os', 'for disk'])
  })

  it('syncs a segment directly when much of it is dirty', async () => {
    const disk = simDisk()
    const store = await withJournal(disk, { journalBytes: 4 * 1024 * 1024 })
    const log = await store.log('first')
    for (let i = 0; i < 4; i++) await log.append(Buffer.alloc(60_000), { level: 'os' })
    const flushes = countFlushes(disk)
    await log.append('last')
    expect(flushes.journal).toBe(0)
    expect(flushes.others).toBeGreaterThan(0)
  })

  it('forms the next round while a sync runs: each caller waits for two at most', async () => {
    const held: (() => void)[] = []
    let isHolding = false
    const disk = new SimFileSystem({
      seed: 1,
      directories: [dataPath],
      defer: (complete) => {
        if (isHolding) held.push(complete)
        else queueMicrotask(complete)
      },
    })
    const store = await withJournal(disk)
    const log = await store.log('first')
    // Two of them, or the sync would run on this thread.
    const other = await store.log('second')
    const turn = () => new Promise((resolve) => setImmediate(resolve))
    isHolding = true
    const flushes = countFlushes(disk)
    const first = Promise.all([log.append('1'), other.append('1')])
    while (flushes.journal === 0) await turn()
    const later = Array.from({ length: 30 }, (_, i) => {
      return (i % 2 === 0 ? log : other).append(`later ${i}`)
    })
    await turn()
    expect(flushes.journal).toBe(1)
    held.shift()?.()
    await first
    while (flushes.journal < 2) await turn()
    held.shift()?.()
    await Promise.all(later)
    expect(flushes.journal).toBe(2)
  })

  it('gives timers their turn although a lone appender never waits for the disk', async () => {
    const store = await withJournal(simDisk())
    const log = await store.log('first')
    // By now the syncs are known to be fast.
    for (let i = 0; i < 200; i++) await log.append('x')
    let hasFired = false
    setTimeout(() => {
      hasFired = true
    }, 1)
    while (!hasFired) await log.append('x')
    expect(hasFired).toBe(true)
  })

  it('writes a full region back to the segments and goes on, over and over', async () => {
    const disk = simDisk()
    const store = await withJournal(disk)
    const logs = await manyLogs(store, 3)
    for (let i = 0; i < 100; i++) await Promise.all(logs.map((log) => log.append(`value ${i}`)))
    const { sizeBytes } = disk.stat(journalPath) as { sizeBytes: number }
    expect(sizeBytes).toBe(64 * 1024)
    const found = await openOn(disk.crash({ class: 'nothing-unsynced' }), { config: wide })
    for (let i = 0; i < 3; i++) expect((await found.log(`log-${i}`)).endOffset).toBe(101)
    // Most had been written back: what is replayed fits the file.
    expect(found.recovery?.replayedBytes).toBeLessThan(64 * 1024)
  })

  it('leaves no journal behind a clean stop', async () => {
    const disk = simDisk()
    const store = await withJournal(disk)
    expect(disk.stat(journalPath)).toBeDefined()
    await store.close()
    const names = disk.crash({ class: 'nothing-unsynced' }).readDirectory(dataPath)
    expect(names.filter((name) => name.startsWith('stratalog'))).toEqual([])
    const again = await openOn(disk)
    expect([again.wasClean, again.recovery]).toEqual([true, undefined])
  })

  it('does not replay a journal that a clean stop of another program outlived', async () => {
    const disk = simDisk()
    const store = await withJournal(disk)
    const log = await store.log('first')
    await log.append('journaled')
    const killed = disk.processCrash()
    // Somebody else recovers the directory, cuts the log and stops properly.
    killed.open(`${dataPath}/first-0/00000000000000000000.log`, 'write').truncate(0)
    killed.open(`${dataPath}/.kafka_cleanshutdown`, 'create').close()
    const again = await openOn(killed, { config: wide })
    expect((await again.log('first')).endOffset).toBe(0)
  })

  it.each([
    { freeMib: 1024, logs: 2200, sizeMib: 69 },
    { freeMib: 100, logs: 2200, sizeMib: 32 },
    { freeMib: 1024, logs: 100, sizeMib: 32 },
  ])('makes a journal of $sizeMib MiB for $logs logs and $freeMib MiB of room', async (given) => {
    const mebibyte = 1024 * 1024
    const disk = simDisk(1, given.freeMib * mebibyte)
    const store = await openStore(dataPath, { fileSystem: disk })
    await store.createTopic('many', { partitions: given.logs })
    const [one, other] = [await store.log('many'), await store.log('many', { partition: 1 })]
    await store.atomic((tx) => {
      tx.append(one, 'a')
      tx.append(other, 'b')
    })
    const found = disk.stat(journalPath)?.sizeBytes ?? 0
    expect(Math.round(found / mebibyte)).toBe(given.sizeMib)
    await store.close()
  })

  it('goes on without a journal when there is no room for one', async () => {
    const logger = new RecordingLogger()
    // Room for the file, but little beside it: that is for appends.
    const disk = simDisk(1, 110_000)
    const made: string[] = []
    disk.onOperation = ({ kind, path }) => {
      if (kind === 'create') made.push(path)
    }
    const store = await openOn(disk, { config: wide, logger })
    const log = await store.log('first')
    for (let i = 0; i < 5; i++) expect((await log.append('x')).level).toBe('disk')
    expect(made).not.toContain(journalPath)
    // It is asked for again and again, and said once.
    for (let i = 0; i < 30; i++) await log.append('y')
    expect(logger.at('warn').filter(({ message }) => message.includes('journal'))).toHaveLength(1)
    await store.close()
    expect(logger.at('warn').map(({ message }) => message)).toContain(
      'the journal could not be made',
    )
  })

  it('fails the store for good when the journal cannot be synced', async () => {
    const disk = simDisk()
    const store = await withJournal(disk)
    const logs = await manyLogs(store, 2)
    const [one, other] = logs as [(typeof logs)[0], (typeof logs)[0]]
    disk.planFault = ({ kind, path }) =>
      kind === 'flush' && path === journalPath ? { errno: 'EIO' } : undefined
    const appends = logs.map((log) => log.append('lost'))
    for (const append of appends) {
      await expect(append).rejects.toMatchObject({
        code: 'ERR_LOG_FAILED',
        cause: { errno: 'EIO' },
      })
    }
    disk.planFault = undefined
    // Also those that had no part in it, and those that open later.
    expect((await store.log('first')).state).toBe('failed')
    await expect(store.log('never-opened-before')).rejects.toMatchObject({ code: 'ERR_LOG_FAILED' })
    await expect(one.append('later', { level: 'os' })).rejects.toMatchObject({
      code: 'ERR_LOG_FAILED',
    })
    expect(valuesIn(other)).toEqual(['opened', 'lost'])
    const found = await openOn(disk.crash({ class: 'nothing-unsynced' }), { config: wide })
    const again = await found.log('log-0')
    expect(valuesIn(again)).toEqual(['opened'])
    expect((await again.append('goes on')).level).toBe('disk')
  })

  it('keeps the frames of a log whose segment cannot be synced', async () => {
    const disk = simDisk()
    const store = await withJournal(disk)
    const log = await store.log('ill')
    const healthy = await store.log('healthy')
    await Promise.all([log.append('opened'), healthy.append('opened')])
    await log.append('journaled')
    disk.planFault = ({ kind, path }) =>
      kind === 'flush' && path.includes('/ill-0/') ? { errno: 'EIO' } : undefined
    await store.checkpoint()
    expect([log.state, healthy.state]).toEqual(['failed', 'open'])
    // Enough for the other log to turn the regions many times, if they were free.
    for (let i = 0; i < 60; i++) await healthy.append(`value ${i}`)
    const found = await openOn(disk.crash({ class: 'nothing-unsynced' }), { config: wide })
    expect(valuesIn(await found.log('ill'))).toEqual(['opened', 'journaled'])
    expect((await found.log('healthy')).endOffset).toBe(61)
  })

  it('undoes no truncation by replay, whichever way the crash comes', async () => {
    for (let seed = 1; seed <= 100; seed++) {
      const disk = simDisk(seed)
      const store = await withJournal(disk)
      const log = await store.log('t')
      for (const value of ['a', 'b', 'c', 'd']) await log.append(value)
      const isWaiting = seed % 2 === 0 ? log.append('e').catch(() => {}) : undefined
      log.truncate(2)
      await log.append('X')
      await isWaiting
      const found = await openOn(disk.crash({ seed }), { config: wide })
      expect(valuesIn(await found.log('t')), `seed ${seed}`).toEqual(['a', 'b', 'X'])
    }
  })

  it('notes a truncation also when the journal has no room left', async () => {
    const disk = simDisk()
    const store = await withJournal(disk)
    const log = await store.log('t')
    for (const value of ['a', 'b', 'c']) await log.append(value)
    // Both regions fill while no segment can be written back.
    disk.planFault = ({ kind, path }) =>
      kind === 'flush' && path.includes('/first-0/') ? { errno: 'EIO' } : undefined
    const first = await store.log('first')
    await first.append('stays in the journal')
    for (let i = 0; i < 40 && log.isOpen; i++) await log.append(`${i}`)
    let failure: unknown
    try {
      log.truncate(1)
    } catch (error) {
      failure = error
    }
    const found = await openOn(disk.crash({ class: 'nothing-unsynced' }), { config: wide })
    const values = valuesIn(await found.log('t'))
    // Either it happened for good, or it was refused and the log failed.
    if (failure === undefined) expect(values).toEqual(['a'])
    else expect(values.slice(0, 3)).toEqual(['a', 'b', 'c'])
    expect(valuesIn(await found.log('first')).at(-1)).toBe('stays in the journal')
  })

  it('lets a topic of the same name begin anew after a deletion', async () => {
    for (let seed = 1; seed <= 50; seed++) {
      const disk = simDisk(seed)
      const store = await withJournal(disk)
      const log = await store.log('t')
      for (const value of ['old', 'older']) await log.append(value)
      await store.deleteTopic('t')
      const again = await store.log('t')
      await again.append('new')
      const found = await openOn(disk.crash({ seed }), { config: wide })
      expect(valuesIn(await found.log('t')), `seed ${seed}`).toEqual(['new'])
    }
  })
})

describe('levels seen by readers', () => {
  it('hide from a reader at disk what is not durable yet', async () => {
    const disk = simDisk()
    const store = await openOn(disk)
    const log = await store.log('t')
    await log.append('durable')
    await log.append('not yet', { level: 'os' })
    const seen: string[] = []
    for await (const { value } of log.read({ level: 'disk' })) seen.push(String(value))
    expect(seen).toEqual(['durable'])
    const stop = new AbortController()
    const followed = log.follow({ from: 1, level: 'disk', signal: stop.signal })
    const next = followed.next()
    await log.flush()
    expect(String((await next).value?.value)).toBe('not yet')
    stop.abort()
  })
})
