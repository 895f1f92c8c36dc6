/**
 * Goal: appends for the disk that go to the kernel together look like appends that go one by one,
 * and when their bytes cannot be written none of them is there.
 */
import { describe, expect, it } from 'vitest'
import type { CrashClass } from '../../src/platform/sim-crash-class.ts'
import type { SimFileSystem } from '../../src/platform/sim-file-system.ts'
import { leaderEpochAt } from '../../src/record/batch-format.ts'
import {
  expectDense,
  expectIndexesEqualScan,
  openOn,
  simDisk,
  valuesIn,
} from '../support/log-inspection.ts'

const values = Array.from({ length: 20 }, (_, i) => `value ${i}`)

async function openLog(disk = simDisk(), config: Record<string, string> = {}) {
  const store = await openOn(disk, { config: {} })
  if (store.topic('t') === undefined) await store.createTopic('t', { config })
  const log = await store.log('t')
  // A group makes the journal, without which every flush syncs segments.
  const [one, two] = [await store.log('one'), await store.log('two')]
  await store.atomic((tx) => {
    tx.append(one, 'x')
    tx.append(two, 'x')
  })
  return {
    disk,
    store,
    log,
    appendAll: () => values.map((value) => log.append(value, { level: 'disk' })),
  }
}

function countWrites(disk: SimFileSystem): () => number {
  let writes = 0
  disk.onOperation = ({ kind, path }) => {
    if (kind === 'write' && path.startsWith('/data/t-0/') && path.endsWith('.log')) writes++
  }
  return () => writes
}

describe('appends of one turn', () => {
  it('cost no write of the segment, are acknowledged in order and survive', async () => {
    const { disk, log, appendAll } = await openLog()
    await log.append('before')
    const writes = countWrites(disk)
    const acks = await Promise.all(appendAll())
    expect(writes()).toBe(0)
    expect(acks).toEqual(
      values.map((_, i) => ({
        offset: i + 1,
        lastOffset: i + 1,
        level: 'disk',
        isDuplicate: false,
      })),
    )
    expectDense(log)
    expectIndexesEqualScan(log)
    const again = await openLog(disk.crash({ class: 'nothing-unsynced' }))
    expect(valuesIn(again.log)).toEqual(['before', ...values])
    await again.store.close()
  })

  describe('of more than a little', () => {
    const large = Array.from({ length: 10 }, (_, i) => `${i}`.repeat(680))
    async function openLarge() {
      const opened = await openLog()
      await opened.log.append('before')
      const appendLarge = () => Promise.all(large.map((value) => opened.log.append(value)))
      return { ...opened, appendLarge }
    }
    const failsOn = (...kinds: string[]) =>
      ((operation: { kind: string; path: string }) => {
        const { kind, path } = operation
        const isSegment = path.startsWith('/data/t-0/') && path.endsWith('.log')
        return isSegment && kinds.includes(kind) ? { errno: 'EIO' } : undefined
      }) as NonNullable<SimFileSystem['planFault']>

    it('go to the segment while the device has their frame', async () => {
      const { disk, appendLarge } = await openLarge()
      const written: string[] = []
      disk.onOperation = ({ kind, path }) => {
        if (kind === 'write') written.push(path)
      }
      await appendLarge()
      expect(written).toEqual(['/data/stratalog.journal', '/data/t-0/00000000000000000000.log'])
    })

    it('stay in memory when the segment cannot be written, and lose nothing', async () => {
      const { disk, log, appendLarge } = await openLarge()
      disk.planFault = failsOn('write')
      await appendLarge()
      expect(log.state).toBe('open')
      expect(valuesIn(log)).toEqual(['before', ...large])
      const killed = await openLog(disk.processCrash())
      expect(valuesIn(killed.log)).toEqual(['before', ...large])
      disk.planFault = undefined
      await appendLarge()
      const again = await openLog(disk.crash({ class: 'nothing-unsynced' }))
      expect(valuesIn(again.log)).toEqual(['before', ...large, ...large])
    })

    it('fail their log when its file cannot be cut back either, and are found by the next open', async () => {
      const { disk, log, appendLarge } = await openLarge()
      disk.planFault = failsOn('write', 'truncate')
      await expect(appendLarge()).rejects.toMatchObject({ code: 'ERR_LOG_FAILED' })
      expect(log.state).toBe('failed')
      const again = await openLog(disk.processCrash())
      expect(valuesIn(again.log)).toEqual(['before', ...large])
    })
  })

  it('are there for whoever looks, also before the disk has them', async () => {
    const { log, appendAll } = await openLog()
    await log.append('before')
    const looks: (() => unknown)[] = [
      () => log.endOffset,
      () => log.highWatermark,
      () => valuesIn(log).length,
    ]
    for (const look of looks) {
      const before = log.endOffset
      const acks = appendAll()
      expect(look()).toBe(before + values.length)
      await Promise.all(acks)
    }
  })

  it('keep their order among appends of other levels', async () => {
    const { log } = await openLog()
    const acks = [
      log.append('a', { level: 'disk' }),
      log.append('b', { level: 'disk' }),
      log.append('c', { level: 'os' }),
      log.append('d', { level: 'disk' }),
      log.append('e', { level: 'disk', expect: 4 }),
      log.append(['f', 'g'], { level: 'disk' }),
    ]
    expect((await Promise.all(acks)).map(({ offset }) => offset)).toEqual([0, 1, 2, 3, 4, 5])
    expect(valuesIn(log)).toEqual(['a', 'b', 'c', 'd', 'e', 'f', 'g'])
  })

  it('wake those who follow', async () => {
    const { log, appendAll } = await openLog()
    const seen: string[] = []
    const following = (async () => {
      for await (const { value } of log.follow({ from: 'start' })) {
        if (seen.push(String(value)) === values.length) break
      }
    })()
    await Promise.all([...appendAll(), following])
    expect(seen).toEqual(values)
  })

  it('go over the ends of segments and beyond what waits at most', async () => {
    const { disk, log } = await openLog(simDisk(), { 'segment.bytes': '100000' })
    const large = Array.from(
      { length: 40 },
      (_, i) => `${i}-${'x'.repeat(i % 7 === 0 ? 70_000 : 9_000)}`,
    )
    await Promise.all(large.map((value) => log.append(value, { level: 'disk' })))
    expect(valuesIn(log)).toEqual(large)
    expect(log.segments.count).toBeGreaterThan(3)
    expectIndexesEqualScan(log)
    const again = await openLog(disk.crash({ class: 'nothing-unsynced' }))
    expect(valuesIn(again.log)).toEqual(large)
  })

  it('reject when their bytes find no room, leave nothing, and work again after that', async () => {
    const { disk, log, appendAll } = await openLog()
    await log.append('before')
    disk.planFault = ({ kind, path }) => {
      const isLog = path === '/data/t-0/00000000000000000000.log'
      return isLog && (kind === 'write' || kind === 'reserve') ? { errno: 'ENOSPC' } : undefined
    }
    for (const answer of await Promise.allSettled(appendAll())) {
      expect(answer).toMatchObject({ reason: { code: 'ERR_STORAGE', errno: 'ENOSPC' } })
    }
    disk.planFault = undefined
    expect(valuesIn(log)).toEqual(['before'])
    expect((await log.append('after')).offset).toBe(1)
    expectIndexesEqualScan(log)
  })

  it('end with the log: closed, failed or deleted', async () => {
    const closing = await openLog()
    await closing.log.append('before')
    const acks = closing.appendAll()
    await closing.store.close()
    for (const ack of await Promise.allSettled(acks)) {
      if (ack.status === 'rejected') expect(ack.reason).toMatchObject({ code: 'ERR_CLOSED' })
    }
    const again = await openLog(closing.disk)
    expect([again.store.wasClean, valuesIn(again.log)]).toEqual([true, ['before', ...values]])

    const deleted = again.appendAll()
    await again.store.deleteTopic('t')
    for (const ack of await Promise.allSettled(deleted)) {
      if (ack.status === 'rejected') expect(ack.reason).toMatchObject({ code: 'ERR_CLOSED' })
    }

    const failing = await openLog()
    await failing.log.append('before')
    failing.disk.planFault = ({ kind, path }) =>
      kind === 'flush' && path.endsWith('stratalog.journal') ? { errno: 'EIO' } : undefined
    for (const ack of await Promise.allSettled(failing.appendAll())) {
      expect(ack).toMatchObject({ status: 'rejected', reason: { code: 'ERR_LOG_FAILED' } })
    }
    failing.disk.planFault = undefined
    await expect(failing.log.append('x')).rejects.toMatchObject({ code: 'ERR_LOG_FAILED' })
  })

  it('stand before a group, a truncation and a trim of the same turn', async () => {
    const { store, log, appendAll } = await openLog()
    const other = await store.log('other')
    await log.append('before')
    const acks = appendAll()
    const group = store.atomic((tx) => {
      tx.append(log, 'group')
      tx.append(other, 'group')
    })
    await Promise.all([...acks, group])
    expect(valuesIn(log).at(-1)).toBe('group')
    const cut = appendAll()
    log.truncate(2)
    for (const ack of await Promise.allSettled(cut)) {
      expect(ack).toMatchObject({ reason: { code: 'ERR_OFFSET_OUT_OF_RANGE' } })
    }
    expect(valuesIn(log)).toEqual(['before', values[0]])
    await Promise.all(appendAll())
    const more = appendAll()
    log.trim(log.endOffset)
    await Promise.all(more)
    expect(log.startOffset).toBe(2 + 2 * values.length)
  })

  it('have one leader epoch, the one known for their offsets, when a truncation elsewhere begins another', async () => {
    const { store, log, appendAll } = await openLog()
    const other = await store.log('other')
    await Promise.all([log.append('before'), other.append('before')])
    const before = appendAll()
    other.truncate(0)
    const after = appendAll()
    await Promise.all([...before, ...after])
    expect(store.leaderEpoch).toBe(1)
    await log.append('behind')
    const lastOffset = log.endOffset - 1
    for (const offset of [1, values.length + 1, lastOffset]) {
      const found = log.readRaw({ from: offset, maxBytes: 1 })
      expect(found?.bytes.readInt32BE(leaderEpochAt)).toBe(log.epochOf(offset))
    }
    expect([log.epochOf(1), log.epochOf(lastOffset)]).toEqual([0, 1])
  })

  it('are refused when no offsets are left, one by one or together', async () => {
    const disk = simDisk()
    await (await openLog(disk)).store.close()
    const path = '/data/log-start-offset-checkpoint'
    const file = disk.open(path, 'open-or-create')
    file.truncate(0)
    file.write(Buffer.from(`0\n1\nt 0 ${Number.MAX_SAFE_INTEGER - 4}\n`), 0)
    file.close()
    const { log } = await openLog(disk.processCrash())
    const answers = await Promise.allSettled(
      ['a', 'b', 'c', 'd', 'e', 'f'].map((value) => log.append(value, { level: 'disk' })),
    )
    const isDone = answers.map(({ status }) => status === 'fulfilled')
    const { length } = valuesIn(log)
    expect(isDone.filter(Boolean)).toHaveLength(length)
    expect(length).toBe(4)
    for (const answer of answers.slice(length)) {
      expect(answer).toMatchObject({ reason: { code: 'ERR_OFFSET_EXHAUSTED' } })
    }
  })

  it('keep to the size of segments, also right after one has begun', async () => {
    const { log } = await openLog(simDisk(), { 'segment.bytes': '1024' })
    await log.append('x'.repeat(500))
    const acks = Array.from({ length: 12 }, () => log.append('y'.repeat(500), { level: 'disk' }))
    await expect(log.append('z'.repeat(1100), { level: 'disk' })).rejects.toMatchObject({
      code: 'ERR_BATCH_TOO_LARGE',
    })
    // The first of these rolls, and what it left captured belongs to the segment before.
    log.roll()
    const more = Array.from({ length: 6 }, () => log.append('w'.repeat(500), { level: 'disk' }))
    const late = log.append('z'.repeat(1100), { level: 'disk' })
    await expect(late).rejects.toMatchObject({ code: 'ERR_BATCH_TOO_LARGE' })
    await Promise.all([...acks, ...more])
    for (const segment of log.segments) expect(segment.sizeBytes).toBeLessThanOrEqual(1024)
  })

  it('are there as far as they were acknowledged, whatever happens at which operation', async () => {
    const crashes: readonly CrashClass[] = ['nothing-unsynced', 'random-sectors', 'data-not-names']
    for (const how of ['stop', 'EIO', 'ENOSPC'] as const) {
      for (let at = 1, isPast = false; !isPast; at++) {
        const { disk, log } = await openLog()
        await log.append('before')
        const number = disk.operationCount + at
        if (how === 'stop') disk.stopAt(number)
        else disk.failOperation(number, { errno: how })
        // Two bursts: the second is made while the first one's frame is on its way.
        const first = values.slice(0, 8).map((value) => log.append(value, { level: 'disk' }))
        for (const ack of first) ack.catch(() => {})
        await new Promise((resolve) => setImmediate(resolve))
        const second = values.slice(8).map((value) => log.append(value, { level: 'disk' }))
        const answers = await Promise.allSettled([...first, ...second])
        isPast = disk.operationCount < number
        // How many operations there are is a matter of how fast the first frame is answered.
        if (isPast) expect(at, how).toBeGreaterThan(2)
        const acked = values.filter((_, i) => answers[i]?.status === 'fulfilled')
        for (const crash of crashes) {
          const again = await openLog(disk.crash({ class: crash }))
          const found = valuesIn(again.log).slice(1)
          expectDense(again.log)
          expectIndexesEqualScan(again.log)
          const place = `${how} at ${at}, ${crash}`
          expect(found, place).toEqual(values.filter((value) => found.includes(value)))
          for (const value of acked) expect(found, place).toContain(value)
        }
      }
    }
  })
})
