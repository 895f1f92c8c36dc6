/** Goal: one log as its callers see it: levels, failures, cursors, followers, times. */
import { describe, expect, it } from 'vitest'
import type { Log } from '../../src/log/log.ts'
import { SimFileSystem } from '../../src/platform/sim-file-system.ts'
import {
  appendClient,
  clientBatch,
  dataPath,
  expectDense,
  expectIndexesEqualScan,
  openOn,
  simDisk,
  valuesIn,
} from '../support/log-inspection.ts'

async function openLog(config: Record<string, string> = {}, disk = simDisk()) {
  const store = await openOn(disk)
  await store.createTopic('t', { config })
  return { disk, store, log: await store.log('t') }
}

function countFlushes(disk: SimFileSystem): () => number {
  let flushes = 0
  disk.onOperation = ({ kind }) => {
    if (kind === 'flush') flushes++
  }
  return () => flushes
}

describe('levels and group commit', () => {
  it('serves concurrent appends of many logs with few syncs', async () => {
    const disk = simDisk()
    const store = await openOn(disk, { config: {} })
    const logs = await Promise.all(['a', 'b', 'c', 'd'].map((name) => store.log(name)))
    await store.flush()
    for (const log of logs) await log.append('first')
    const flushes = countFlushes(disk)
    const acks = logs.flatMap((log) => Array.from({ length: 50 }, () => log.append('x')))
    for (const ack of await Promise.all(acks)) expect(ack.level).toBe('disk')
    // Two of the journal, and each log's segment and epochs once.
    expect(flushes()).toBeLessThanOrEqual(12)
  })

  it('fails for good when a flush fails, and acknowledges nothing more', async () => {
    const { disk, log } = await openLog()
    await log.append('durable')
    disk.failOperation(disk.operationCount + 3, { errno: 'EIO' })
    const failing = [log.append('lost'), log.append('lost too')]
    for (const append of failing) {
      await expect(append).rejects.toMatchObject({
        code: 'ERR_LOG_FAILED',
        cause: { errno: 'EIO' },
      })
    }
    await expect(log.append('later', { level: 'os' })).rejects.toMatchObject({
      code: 'ERR_LOG_FAILED',
    })
    expect([log.state, log.durableOffset]).toEqual(['failed', 1])
    expect(valuesIn(log)).toEqual(['durable', 'lost', 'lost too'])
    const again = await (await openOn(disk.crash({ class: 'nothing-unsynced' }))).log('t')
    expect(valuesIn(again)).toEqual(['durable'])
    await again.append('goes on')
  })

  it.each(['ENOSPC', 'EIO'])('cuts a short write back after %s and goes on', async (errno) => {
    const { disk, log } = await openLog()
    await log.append('a')
    disk.failOperation(disk.operationCount + 1, { errno, writtenBytes: 30 })
    await expect(log.append('b', { level: 'os' })).rejects.toMatchObject({
      code: 'ERR_STORAGE',
      errno,
    })
    expect((await log.append('c')).offset).toBe(1)
    expect(valuesIn(log)).toEqual(['a', 'c'])
    expectIndexesEqualScan(log)
  })

  it('fails for good when a short write cannot be cut back', async () => {
    const { disk, log } = await openLog()
    await log.append('a')
    disk.failOperation(disk.operationCount + 1, { errno: 'ENOSPC', writtenBytes: 30 })
    disk.failOperation(disk.operationCount + 2, { errno: 'EIO' })
    await expect(log.append('b', { level: 'os' })).rejects.toMatchObject({ errno: 'ENOSPC' })
    await expect(log.append('c')).rejects.toMatchObject({ code: 'ERR_LOG_FAILED' })
    expect(valuesIn(log)).toEqual(['a'])
    expect(valuesIn(await (await openOn(disk.processCrash())).log('t'))).toEqual(['a'])
  })

  it('has nothing called close: it is open as long as its store', async () => {
    const { store, log } = await openLog()
    const table = await store.table('table', { key: 'string', value: 'string' })
    for (const one of [log, table]) expect(one).not.toHaveProperty('close')
  })

  it('takes nothing more while it closes, so that the stop is clean', async () => {
    const { disk, store, log } = await openLog()
    await log.append('in time', { level: 'os' })
    const closing = log.closeWithStore()
    await expect(log.append('late', { level: 'os' })).rejects.toMatchObject({ code: 'ERR_CLOSED' })
    expect(await closing).toBe(true)
    await store.close()
    const again = await openOn(disk)
    expect(again.wasClean).toBe(true)
    expect(valuesIn(await again.log('t'))).toEqual(['in time'])
  })

  it('writes again what a sync under way may fail to write, when it cannot wait for it', async () => {
    let trim: (() => void) | undefined
    const disk = new SimFileSystem({
      seed: 1,
      directories: [dataPath],
      defer: (complete) =>
        setImmediate(() => {
          complete()
          // The pages count as written now, and nobody has heard of it yet.
          trim?.()
        }),
    })
    const store = await openOn(disk, { journalBytes: 0 })
    const log = await store.log('t')
    await log.append(['a', 'b'], { level: 'os' })
    disk.planFault = ({ kind, path }) => {
      if (kind !== 'flush' || !path.startsWith('/data/t-0/')) return undefined
      disk.planFault = undefined
      trim = () => {
        trim = undefined
        log.trim(1)
      }
      return { errno: 'EIO' }
    }
    await log.flush()
    const again = await (await openOn(disk.crash({ class: 'nothing-unsynced' }))).log('t')
    expect([again.startOffset, again.endOffset, valuesIn(again)]).toEqual([1, 2, ['b']])
  })

  it('flushes by count although nobody waits', async () => {
    const { log } = await openLog({ 'flush.messages': '3' })
    for (const value of ['a', 'b', 'c']) await log.append(value, { level: 'os' })
    await expect(log.reached('disk', 3)).resolves.toBeUndefined()
  })

  it('flushes what a waiter asked for before it was written', async () => {
    const { log } = await openLog()
    const reached = log.reached('disk', 2)
    await log.append(['a', 'b'], { level: 'os' })
    await reached
    expect(log.durableOffset).toBe(2)
  })

  it('rejects those who wait for records that are truncated', async () => {
    const { log } = await openLog()
    await log.append('a')
    const waiting = log.append('b')
    log.truncate(1)
    await expect(waiting).rejects.toMatchObject({ code: 'ERR_OFFSET_OUT_OF_RANGE' })
    expect((await log.append('c')).offset).toBe(1)
  })

  it('acknowledges what was trimmed before it was flushed', async () => {
    const { log } = await openLog()
    const waiting = log.append(['a', 'b'])
    log.trim(2)
    expect((await waiting).lastOffset).toBe(1)
    expect(log.startOffset).toBe(2)
  })
})

async function fill(log: Log, count: number): Promise<string[]> {
  const values = Array.from({ length: count }, (_, i) => `${i}-${'x'.repeat(100)}`)
  for (const value of values) await log.append(value, { level: 'os' })
  return values
}

describe('cursors', () => {
  it('read null keys and values, headers, and batches longer than a chunk', async () => {
    const { log } = await openLog({ 'segment.bytes': '10000000', 'max.message.bytes': '4000000' })
    await log.append({ key: null, value: null, headers: { a: 'b', c: null } })
    await log.append({ key: 'big', value: Buffer.alloc(2_500_000, 'z') })
    await log.append('last')
    const records = []
    for await (const record of log.read()) records.push(record)
    expect(records.map(({ value }) => value?.length)).toEqual([undefined, 2_500_000, 4])
    expect(records[0]?.headers.map(({ key, value }) => [key, value && String(value)])).toEqual([
      ['a', 'b'],
      ['c', null],
    ])
  })

  it('report a damaged batch with file and position, and never serve it', async () => {
    const { disk, log } = await openLog({ 'segment.bytes': '100000' })
    await fill(log, 5)
    const path = '/data/t-0/00000000000000000000.log'
    const size = (disk.stat(path)?.sizeBytes as number) / 5
    for (const byte of [size * 2 + 8, size * 2 + 16, size * 2 + 30, size * 3 - 1]) {
      disk.flipBits(path, byte, 0x40)
      const seen: number[] = []
      const cursor = log.cursor()
      let error: unknown
      try {
        while (cursor.next()) seen.push(cursor.offset)
      } catch (caught) {
        error = caught
      }
      expect(error).toMatchObject({ code: 'ERR_LOG_CORRUPT', path, position: size * 2 })
      expect(seen).toEqual([0, 1])
      disk.flipBits(path, byte, 0x40)
    }
  })

  it('report a damaged batch also when they search by time', async () => {
    const { disk, log } = await openLog()
    await fill(log, 1)
    const path = '/data/t-0/00000000000000000000.log'
    const lastByte = (disk.stat(path)?.sizeBytes as number) - 2
    disk.flipBits(path, lastByte, 0x40)
    const damage = expect.objectContaining({ code: 'ERR_LOG_CORRUPT', path, position: 0 })
    expect(() => log.offsetForTimestamp(0)).toThrow(damage)
    expect(() => log.offsetOfMaxTimestamp()).toThrow(damage)
  })

  it('get OffsetOutOfRangeError when their place is trimmed or truncated away', async () => {
    const { log } = await openLog()
    await fill(log, 40)
    const trimmed = log.cursor()
    const truncated = log.cursor({ from: 20 })
    expect([trimmed.next(), truncated.next()]).toEqual([true, true])
    log.trim(15)
    expect(() => trimmed.next()).toThrow('outside [15, 40]')
    log.truncate(18)
    expect(() => truncated.next(40 as never)).toThrow('outside [15, 18]')
  })

  it('are told that their place is gone before the log has grown past it again', async () => {
    const { log } = await openLog()
    await log.append(['a', 'b', 'c'])
    const cursor = log.cursor({ from: 'end' })
    log.truncate(0)
    expect(() => cursor.next()).toThrow(
      expect.objectContaining({ code: 'ERR_OFFSET_OUT_OF_RANGE', offset: 3, logEndOffset: 0 }),
    )
  })

  it('serve the new record after a truncation, not the one they had loaded', async () => {
    const { log } = await openLog()
    await log.append(['a', 'b', 'c'])
    const cursor = log.cursor()
    cursor.next()
    log.truncate(0)
    await log.append(['A', 'B', 'C'])
    cursor.next()
    expect(String(cursor.value())).toBe('B')
  })

  it('check their bounds', async () => {
    const { log } = await openLog()
    await log.append(['a', 'b'])
    expect(() => log.cursor({ from: 3 })).toThrow('offset 3 of t-0 is outside [0, 2]')
    expect(() => log.read({ from: -1 })).toThrow('from is -1')
    expect(() => log.read({ from: null as never })).toThrow('from is null')
    expect(() => log.follow({ from: null as never })).toThrow('from is null')
    const values: string[] = []
    for await (const { value } of log.read({ from: 1, to: 2 })) values.push(String(value))
    expect(values).toEqual(['b'])
  })
})

describe('following', () => {
  it('wakes on appends and ends when the log is closed, waiting or not', async () => {
    const { store, log } = await openLog()
    const waiting = log.follow({ from: 'start' })
    const reading = log.follow({ from: 'start' })
    const next = waiting.next()
    await log.append('a')
    expect(String((await next).value?.value)).toBe('a')
    await reading.next()
    const last = waiting.next()
    await log.append('b')
    await last
    const end = waiting.next()
    await store.close()
    expect((await end).done).toBe(true)
    expect((await reading.next()).done).toBe(true)
  })

  it('begins at the end also when that is left undefined', async () => {
    const { log } = await openLog()
    await log.append('before')
    const stream = log.follow({ from: undefined as never })
    const next = stream.next()
    await log.append('after')
    expect(String((await next).value?.value)).toBe('after')
  })

  it('ends when aborted', async () => {
    const { log } = await openLog()
    const abort = new AbortController()
    const next = log.follow({ signal: abort.signal }).next()
    abort.abort()
    expect((await next).done).toBe(true)
  })

  it('rejects when the place it waits at is truncated away', async () => {
    const { log } = await openLog()
    await log.append(['a', 'b'])
    const next = log.follow().next()
    log.truncate(0)
    await expect(next).rejects.toMatchObject({ code: 'ERR_OFFSET_OUT_OF_RANGE' })
  })
})

describe('time and slices', () => {
  it('finds the first record at or after a time, over segments and inside compressed batches', async () => {
    const { log } = await openLog()
    for (let i = 0; i < 30; i++) {
      const times = [1000 + i * 10, 1005 + i * 10, 1005 + i * 10]
      appendClient(
        log,
        clientBatch(
          ['a', 'b', 'c'].map((v) => v.repeat(60)),
          { timestamps: times, codec: 'lz4' },
        ),
      )
    }
    expect(log.offsetForTimestamp(0)?.offset).toBe(0)
    for (let i = 0; i < 30; i++) {
      expect(log.offsetForTimestamp(1000 + i * 10)).toMatchObject({ offset: i * 3 })
      expect(log.offsetForTimestamp(1001 + i * 10)).toMatchObject({ offset: i * 3 + 1 })
    }
    expect(log.offsetForTimestamp(1296)).toBeUndefined()
    expect(log.offsetOfMaxTimestamp()).toMatchObject({ offset: 88, timestamp: 1295 })
  })

  it('gives slices of whole batches, at least one, from the batch that holds the offset', async () => {
    const { log } = await openLog()
    for (let i = 0; i < 20; i++) await log.append(['a'.repeat(50), 'b'.repeat(50)], { level: 'os' })
    for (let from = 0; from < 40; from++) {
      for (const maxBytes of [1, 180, 400, 5000]) {
        const slice = log.readSlice(from, maxBytes, { upTo: 40, minOneBatch: true })
        expect(slice?.baseOffset).toBe(from - (from % 2))
        expect((slice?.length as number) % (slice?.firstBatchBytes as number)).toBe(0)
        expect(slice?.length).toBeLessThanOrEqual(
          Math.max(maxBytes, slice?.firstBatchBytes as number),
        )
        slice?.release()
      }
    }
    expect(log.readSlice(0, 1, { upTo: 40, minOneBatch: false })).toBeUndefined()
    expect(log.readSlice(40, 1, { upTo: 40, minOneBatch: true })).toBeUndefined()
    expect(() => log.readSlice(41, 1, { upTo: 40, minOneBatch: true })).toThrow('outside')
  })
})

describe('rolling', () => {
  it('rolls by size, and by record time only when strictly older', async () => {
    const { log } = await openLog({ 'segment.ms': '1000', 'segment.bytes': '100000' })
    for (const timestamp of [5000, 6000]) await log.append({ value: 'x', timestamp })
    expect(log.segments.count).toBe(1)
    await log.append({ value: 'x', timestamp: 6001 })
    expect(Array.from(log.segments, ({ baseOffset }) => baseOffset)).toEqual([0, 2])
  })

  it('rolls when an index is full', async () => {
    const { log } = await openLog({
      'segment.index.bytes': '24',
      'segment.bytes': '100000',
      'index.interval.bytes': '0',
    })
    await fill(log, 10)
    expect(log.segments.count).toBeGreaterThan(3)
    expectDense(log)
  })
})

describe('records that compress too well', () => {
  it('are refused where reading them back would be', async () => {
    const log = await (await openOn(simDisk())).log('t')
    const zeros = { value: Buffer.alloc(129 * 1024 * 1024) }
    await expect(log.append(zeros, { compression: 'zstd' })).rejects.toMatchObject({
      code: 'ERR_BATCH_TOO_LARGE',
      limit: 'decompressed',
    })
    expect(log.endOffset).toBe(0)
  })
})
