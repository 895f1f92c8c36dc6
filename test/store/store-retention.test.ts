/**
 * Goal: what topic settings let go is gone, durably, and nothing else; those who stand on it are told.
 * Method: a clock that tests move, a simulated disk, and once a real one.
 */
import { readdirSync, statSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { SimClock } from '../../crash/sim/sim-clock.ts'
import type { Log } from '../../src/log/log.ts'
import { nodeFileSystem } from '../../src/platform/node-file-system.ts'
import { crashClasses } from '../../src/platform/sim-crash-class.ts'
import type { SimFileSystem } from '../../src/platform/sim-file-system.ts'
import { openStore, type Store } from '../../src/store/store.ts'
import type { StoreOptions } from '../../src/store/store-options.ts'
import type { RetentionWarning } from '../../src/store/store-retention.ts'
import { clientBatch, openOn, simDisk, valuesIn } from '../support/log-inspection.ts'
import { RecordingLogger } from '../support/recording-logger.ts'
import { withTemporaryDirectory } from '../support/temporary-directory.ts'

type Opened = {
  disk: SimFileSystem
  clock: SimClock
  logger: RecordingLogger
  store: Store
  warnings: RetentionWarning[]
}

async function open(disk = simDisk(), options: StoreOptions = {}, nowMs?: number): Promise<Opened> {
  const clock = new SimClock(nowMs)
  const logger = new RecordingLogger()
  const warnings: RetentionWarning[] = []
  const store = await openOn(disk, {
    clock,
    logger,
    random: () => 0,
    onRetentionWarning: (warning) => warnings.push(warning),
    ...options,
  })
  return { disk, clock, logger, store, warnings }
}

async function topic(store: Store, config: Record<string, string>, name = 't'): Promise<Log> {
  const made = await store.createTopic(name, { config })
  return made.log(0)
}

/** Segments of one batch of two records each, a second apart; the active one is empty. */
async function addSegments({ clock }: Opened, log: Log, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    await log.append(['a', 'b'])
    log.roll()
    clock.advance(1_000)
  }
  await log.flush()
}

const segmentBytes = 77

function filesIn(disk: SimFileSystem, suffix: string, name = 't-0'): number {
  return disk.readDirectory(`/data/${name}`).filter((file) => file.endsWith(suffix)).length
}

async function turns(): Promise<void> {
  for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve))
}

describe('retention of a store', () => {
  it('removes what is too old, by the clock, at the interval', async () => {
    const opened = await open(simDisk(), { retentionIntervalMs: 10_000 })
    const { store, clock, disk, logger } = opened
    const log = await topic(store, { 'retention.ms': '5500', 'file.delete.delay.ms': '1000' })
    await addSegments(opened, log, 9)
    await turns()
    expect(log.startOffset).toBe(0)
    clock.advance(1_000)
    await turns()
    // At 10 s: the last record of the first five is 6 to 10 s old.
    expect([log.startOffset, log.endOffset]).toEqual([10, 18])
    expect([filesIn(disk, '.log'), filesIn(disk, '.deleted')]).toEqual([5, 15])
    expect(logger.at('info').at(-1)).toMatchObject({
      message: 'old segments were removed',
      fields: { log: 't-0', start: 10, segments: 5, bytes: 5 * segmentBytes },
    })
    clock.advance(1_000)
    await turns()
    expect(filesIn(disk, '.deleted')).toBe(0)
    clock.advance(9_000)
    await turns()
    // All is old now, and there is no record in the active segment.
    expect([log.startOffset, log.endOffset, filesIn(disk, '.log')]).toEqual([18, 18, 1])
    await log.append('new')
    expect(valuesIn(log)).toEqual(['new'])
  })

  it('removes what is too much, and says what it removed', async () => {
    const opened = await open()
    const log = await topic(opened.store, { 'retention.bytes': String(2 * segmentBytes) })
    await addSegments(opened, log, 5)
    expect(await opened.store.enforceRetention()).toEqual({ segments: 3, bytes: 3 * segmentBytes })
    expect([log.startOffset, log.sizeBytes]).toEqual([6, 2 * segmentBytes])
    expect(await opened.store.enforceRetention()).toEqual({ segments: 0, bytes: 0 })
  })

  it('rolls an active segment in which everything is too old, and removes it', async () => {
    const opened = await open()
    const log = await topic(opened.store, { 'retention.ms': '500' })
    await log.append(['a', 'b'], { level: 'os' })
    opened.clock.advance(501)
    expect(await opened.store.enforceRetention()).toEqual({ segments: 1, bytes: segmentBytes })
    expect([log.startOffset, log.endOffset]).toEqual([2, 2])
    expect((await log.append('c')).offset).toBe(2)
    const again = await open(opened.disk.crash({ class: 'nothing-unsynced' }))
    expect(valuesIn(again.store.topic('t')!.log(0))).toEqual(['c'])
  })

  it('goes by the age of the file where records have no timestamp', async () => {
    const opened = await open()
    const log = await topic(opened.store, { 'retention.ms': '1000' })
    const bytes = clientBatch(['a'], { timestamps: [-1] })
    log.appendBatch(bytes, 0, bytes.length, { allowZstd: true })
    log.roll()
    const modifiedMs = opened.disk.stat(log.segments.first.path)!.modifiedMs
    opened.clock.advance(modifiedMs + 1_000 - opened.clock.now())
    expect((await opened.store.enforceRetention()).segments).toBe(0)
    opened.clock.advance(1)
    expect((await opened.store.enforceRetention()).segments).toBe(1)
  })

  it('leaves tables, compacted topics and topics without limits alone', async () => {
    const opened = await open(simDisk(), {
      config: { 'retention.ms': '1', 'segment.bytes': '1024' },
    })
    const { store, clock } = opened
    const table = await store.table('table', { key: 'string', value: 'string' })
    await table.put('a', '1')
    const compacted = await topic(store, { 'cleanup.policy': 'compact' }, 'c')
    await compacted.append({ key: 'k', value: 'v' })
    const kept = await topic(store, { 'retention.ms': '-1' }, 'k')
    await kept.append('a')
    const both = await topic(store, { 'cleanup.policy': 'compact, delete' }, 'b')
    await both.append({ key: 'k', value: 'v' })
    clock.advance(1_000_000)
    await store.enforceRetention()
    const starts = [table.log, compacted, kept, both].map((log) => log.startOffset)
    expect(starts).toEqual([0, 0, 0, 1])
    expect(table.get('a')).toBe('1')
  })

  it('acts on logs that were not opened since a clean stop, and opens no other', async () => {
    const opened = await open()
    const old = await topic(opened.store, { 'retention.ms': '5000' }, 'old')
    await addSegments(opened, old, 3)
    const young = await topic(opened.store, {}, 'young')
    await young.append('a')
    await opened.store.close()
    const nowMs = opened.clock.now() + 3_000
    const again = await open(opened.disk, {}, nowMs)
    expect(await again.store.enforceRetention()).toEqual({ segments: 1, bytes: segmentBytes })
    expect(
      again.store
        .topic('old')!
        .openLogs()
        .map((log) => log.startOffset),
    ).toEqual([2])
    expect(again.store.topic('young')!.openLogs()).toEqual([])
  })

  it.each(crashClasses)('is durable when it returns: %s', async (kind) => {
    const opened = await open()
    const logs = [
      await topic(opened.store, { 'retention.bytes': '0' }, 'a'),
      await topic(opened.store, { 'retention.bytes': '80' }, 'b'),
    ]
    for (const log of logs) await addSegments(opened, log, 3)
    await opened.store.enforceRetention()
    const again = await open(opened.disk.crash({ class: kind }))
    const bounds = ['a', 'b'].map((name) => {
      const log = again.store.topic(name)!.log(0)
      return [log.startOffset, log.endOffset]
    })
    expect(bounds).toEqual([
      [6, 6],
      [2, 6],
    ])
  })

  it('keeps the promises of the log wherever a crash comes', async () => {
    const script = async (prepare: (disk: SimFileSystem) => void) => {
      const disk = simDisk(7)
      const opened = await open(disk)
      const log = await topic(opened.store, { 'retention.bytes': '160' })
      await addSegments(opened, log, 5)
      const first = disk.operationCount
      prepare(disk)
      await opened.store.enforceRetention().catch(() => {})
      return { disk, operations: disk.operationCount - first }
    }
    const { operations } = await script(() => {})
    expect(operations).toBeGreaterThan(10)
    for (let at = 1; at <= operations; at++) {
      const { disk } = await script((one) => one.stopAt(one.operationCount + at))
      for (const kind of crashClasses) {
        const again = await open(disk.crash({ class: kind }))
        const log = again.store.topic('t')!.log(0)
        expect(log.endOffset).toBe(10)
        expect([0, 4]).toContain(log.startOffset)
        expect(valuesIn(log)).toHaveLength(10 - log.startOffset)
      }
    }
  })

  it('goes on with the other logs when one cannot be trimmed, and reports it', async () => {
    const opened = await open()
    const bad = await topic(opened.store, { 'retention.bytes': '0' }, 'bad')
    const good = await topic(opened.store, { 'retention.bytes': '0' }, 'good')
    for (const log of [bad, good]) await addSegments(opened, log, 2)
    opened.disk.planFault = ({ kind, path }) => {
      return kind === 'rename' && path.includes('/bad-0/') ? { errno: 'EIO' } : undefined
    }
    await expect(opened.store.enforceRetention()).rejects.toMatchObject({ code: 'ERR_STORAGE' })
    expect([good.startOffset, good.segments.count, filesIn(opened.disk, '.log', 'good-0')]).toEqual(
      [4, 1, 1],
    )
    opened.disk.planFault = undefined
    await opened.store.enforceRetention()
    expect([bad.startOffset, bad.segments.count]).toEqual([4, 1])
  })

  it('removes nothing while the new start is not durable, and tries again', async () => {
    const opened = await open()
    const log = await topic(opened.store, { 'retention.bytes': '0' })
    await addSegments(opened, log, 2)
    opened.disk.planFault = ({ path }) => {
      return path.includes('checkpoint') ? { errno: 'ENOSPC' } : undefined
    }
    await expect(opened.store.enforceRetention()).rejects.toMatchObject({ errno: 'ENOSPC' })
    expect([log.startOffset, filesIn(opened.disk, '.log')]).toEqual([4, 3])
    opened.disk.planFault = undefined
    await opened.store.enforceRetention()
    expect([log.startOffset, filesIn(opened.disk, '.log')]).toEqual([4, 1])
  })

  it('waits for a run when the store is closed, and runs no more', async () => {
    const opened = await open(simDisk(), { retentionIntervalMs: 1_000 })
    const log = await topic(opened.store, { 'retention.bytes': '0' })
    await log.append('a')
    const running = opened.store.enforceRetention()
    await opened.store.close()
    await running
    const operations = opened.disk.operationCount
    opened.clock.advance(100_000)
    await turns()
    expect(opened.disk.operationCount).toBe(operations)
    await expect(opened.store.enforceRetention()).rejects.toMatchObject({ code: 'ERR_CLOSED' })
    const again = await open(opened.disk)
    expect(again.store.wasClean).toBe(true)
  })

  it('refuses options and settings that are none', async () => {
    const { store } = await open()
    const bad = { code: 'ERR_OPTION_INVALID' }
    await expect(open(simDisk(), { retentionIntervalMs: 0 })).rejects.toMatchObject(bad)
    for (const config of [
      { 'stratalog.retain.for': 'a b' },
      { 'stratalog.retain.for': 'a/b' },
      { 'stratalog.retain.max.bytes': '-1' },
    ]) {
      await expect(store.createTopic('x', { config })).rejects.toMatchObject(bad)
    }
  })

  it('gives space back to a real file system, and tells readers where the log begins', async () => {
    await withTemporaryDirectory(async (path) => {
      const store = await openStore(path, { fileSystem: nodeFileSystem, journalBytes: 0 })
      const config = {
        'segment.bytes': String(1024 * 1024),
        'retention.bytes': String(1024 * 1024),
        'file.delete.delay.ms': '0',
      }
      const log = await topic(store, config)
      for (let i = 0; i < 160; i++) await log.append('x'.repeat(50_000), { level: 'os' })
      await log.flush()
      const used = () => {
        const names = readdirSync(log.directory)
        return names.reduce(
          (sum, name) => sum + statSync(`${log.directory}/${name}`).blocks * 512,
          0,
        )
      }
      const cursor = log.cursor()
      cursor.next()
      const slice = log.readSlice(0, 1_000_000, { upTo: 160, minOneBatch: true })!
      const follower = log.follow({ from: 0 })
      await follower.next()
      expect(used()).toBeGreaterThan(7.5 * 1024 * 1024)
      const { bytes } = await store.enforceRetention()
      expect(bytes).toBeGreaterThan(5 * 1024 * 1024)
      expect(used()).toBeLessThan(2.3 * 1024 * 1024)
      const gone = { code: 'ERR_OFFSET_OUT_OF_RANGE', logStartOffset: log.startOffset }
      expect(() => cursor.next()).toThrow(expect.objectContaining(gone))
      await expect(follower.next()).rejects.toMatchObject(gone)
      const read = Buffer.alloc(slice.length)
      expect(slice.file.read(read, slice.position)).toBe(slice.length)
      slice.release()
      await store.close()
    })
  })
})

describe('retention for a consumer', () => {
  const config = {
    'retention.ms': '500',
    'stratalog.retain.for': 'billing, audit',
    'stratalog.retain.max.bytes': String(4 * segmentBytes),
    'file.delete.delay.ms': '0',
  }

  async function held(count: number) {
    const opened = await open()
    const log = await topic(opened.store, config)
    await addSegments(opened, log, count)
    const billing = await opened.store.consumer('billing', log)
    const audit = await opened.store.consumer('audit', log)
    return { ...opened, log, billing, audit }
  }

  it('holds the segments the slowest has not committed, and lets them go when it has', async () => {
    const { store, log, billing, audit } = await held(2)
    await store.enforceRetention()
    expect(log.startOffset).toBe(0)
    await billing.commit(4)
    await store.enforceRetention()
    expect(log.startOffset).toBe(0)
    await audit.commit(3)
    await store.enforceRetention()
    expect(log.startOffset).toBe(2)
    await audit.commit(4)
    await store.enforceRetention()
    expect(log.startOffset).toBe(4)
  })

  it('warns once as the cap comes near, before anything is cut, and again when it does again', async () => {
    const { store, clock, log, logger, warnings, billing, audit } = await held(2)
    const add = (count: number) => addSegments({ clock } as Opened, log, count)
    await billing.commit(1)
    await store.enforceRetention()
    expect(warnings).toEqual([])
    await add(1)
    await store.enforceRetention()
    const capBytes = 4 * segmentBytes
    const warning = { log: 't-0', consumer: 'audit', heldBytes: 3 * segmentBytes, capBytes }
    expect(warnings).toEqual([warning])
    expect(logger.at('warn')).toEqual([
      { level: 'warn', fields: warning, message: 'what is kept for a consumer comes near its cap' },
    ])
    await add(1)
    await store.enforceRetention()
    expect([log.startOffset, warnings.length]).toEqual([0, 1])
    await add(2)
    await store.enforceRetention()
    expect([log.startOffset, warnings.length]).toEqual([4, 1])
    expect(logger.at('warn').at(-1)).toMatchObject({
      message: 'records that a consumer has not read are removed: cap reached',
      fields: { log: 't-0', consumer: 'audit', from: 0, to: 4 },
    })
    await billing.commit(log.endOffset)
    await audit.commit(log.endOffset)
    await store.enforceRetention()
    expect([log.startOffset, warnings.length]).toEqual([12, 1])
    await add(3)
    await store.enforceRetention()
    expect(warnings.length).toBe(2)
  })

  it('warns before it cuts also when both are due at once, and heeds what the warning did', async () => {
    const starts: number[] = []
    let log: Log | undefined
    let commit: (() => Promise<void>) | undefined
    const opened = await open(simDisk(), {
      onRetentionWarning: () => {
        starts.push(log!.startOffset)
        void commit?.()
      },
    })
    log = await topic(opened.store, config)
    await addSegments(opened, log, 6)
    const billing = await opened.store.consumer('billing', log)
    const audit = await opened.store.consumer('audit', log)
    await billing.commit(12)
    commit = () => audit.commit(2)
    await opened.store.enforceRetention()
    // One segment was committed by then; one more had to go.
    expect([starts, log.startOffset]).toEqual([[0], 4])
    await expect(audit.commit(2)).rejects.toMatchObject({ code: 'ERR_OFFSET_OUT_OF_RANGE' })
  })

  it('holds everything for one that never committed, also after a restart', async () => {
    const { store, disk, clock } = await held(3)
    await store.close()
    const again = await open(disk, {}, clock.now() + 1_000)
    expect(await again.store.enforceRetention()).toEqual({ segments: 0, bytes: 0 })
    expect(again.warnings).toHaveLength(1)
    const log = await again.store.log('t')
    for (const name of ['billing', 'audit']) {
      await (await again.store.consumer(name, log)).commit(6)
    }
    await again.store.close()
    const third = await open(disk, {}, clock.now() + 1_000)
    expect((await third.store.enforceRetention()).segments).toBe(3)
  })
})
