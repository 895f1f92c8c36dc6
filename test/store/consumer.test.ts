/**
 * Goal: a named consumer reads every record once it is told of, goes on where it committed whatever
 * happened in between, and is told when what it stands on is gone.
 */
import { describe, expect, it } from 'vitest'
import {
  ClosedError,
  InvalidOptionError,
  InvalidTopicError,
  OffsetOutOfRangeError,
  StaleCommitError,
} from '../../src/base/errors.ts'
import type { Log } from '../../src/log/log.ts'
import { crashClasses } from '../../src/platform/sim-crash-class.ts'
import { BatchBuilder } from '../../src/record/batch-builder.ts'
import type { RecordFields } from '../../src/record/record.ts'
import { fill, open, take } from '../support/consumer-harness.ts'
import { openOn, simDisk } from '../support/log-inspection.ts'

function builderOf(records: readonly RecordFields[]): BatchBuilder {
  const builder = new BatchBuilder()
  builder.addAll(records, 0)
  return builder
}

describe('a named consumer', () => {
  it('reads on after a restart where it committed, not where it read', async () => {
    const { disk, store, log, consumer } = await open()
    await fill(log, 10)
    const first = await consumer()
    expect([first.committed, first.position]).toEqual([undefined, 0])
    expect(await take(first, 4)).toEqual(['0', '1', '2', '3'])
    await first.commit()
    expect(await take(first, 3)).toEqual(['4', '5', '6'])
    expect([first.committed, first.position]).toEqual([4, 7])
    await store.close()
    const again = await open(disk)
    const second = await again.consumer({ from: 'end' })
    expect([second.committed, second.position]).toEqual([4, 4])
    expect(await take(second, 2)).toEqual(['4', '5'])
  })

  it('waits for new records, until it is closed, its signal aborts or its log is closed', async () => {
    const { store, log, consumer } = await open()
    const waiting = await consumer()
    const next = take(waiting, 1)
    await log.append('a')
    expect(await next).toEqual(['a'])
    const ended = take(waiting, 1)
    waiting.close()
    expect(await ended).toEqual([])
    const stop = new AbortController()
    const stopped = take(await consumer({ from: 'end', signal: stop.signal }), 5)
    stop.abort()
    expect(await stopped).toEqual([])
    expect(await take(await consumer({ signal: stop.signal }), 5)).toEqual([])
    const closed = take(await consumer({ from: 'end' }), 5)
    await store.close()
    expect(await closed).toEqual([])
  })

  it.each([
    ['start', '0'],
    ['end', '5'],
    [3, '3'],
  ] as const)('begins at %s when nothing is committed', async (from, value) => {
    const { log, consumer } = await open()
    await fill(log, 5)
    const one = await consumer({ from })
    await log.append('5')
    expect(await take(one, 1)).toEqual([value])
  })

  it('shares what is committed with its other handles, and reads for itself', async () => {
    const { log, consumer } = await open()
    await fill(log, 10)
    const [a, b, other] = [await consumer(), await consumer(), await consumer({}, 'audit')]
    await take(a, 5)
    expect(await take(b, 2)).toEqual(['0', '1'])
    await a.commit()
    expect([b.committed, other.committed]).toEqual([5, undefined])
    const stale = { code: 'ERR_COMMIT_STALE', consumer: 'billing', offset: 2, committed: 5 }
    await expect(b.commit()).rejects.toMatchObject(stale)
    await expect(b.commit(4)).rejects.toThrow(StaleCommitError)
    expect(a.committed).toBe(5)
    b.seek(1)
    expect(await take(b, 1)).toEqual(['1'])
    await b.commit()
    expect(a.committed).toBe(2)
    await expect(b.commit(1)).rejects.toThrow(StaleCommitError)
    b.seek(7)
    await expect(b.commit(1)).rejects.toThrow(StaleCommitError)
  })

  it('goes back with a truncation, whatever stands there later and whatever a crash takes', async () => {
    const { disk, store, log, consumer } = await open()
    await fill(log, 8)
    const one = await consumer()
    await take(one, 8)
    await one.commit()
    log.truncate(5)
    expect([store.leaderEpoch, one.committed]).toEqual([1, 5])
    await fill(log, 10)
    expect(one.committed).toBe(5)
    expect([log.epochOf(4), log.epochOf(5)]).toEqual([0, 1])
    for (const crashClass of crashClasses) {
      const again = await open(disk.crash({ class: crashClass }))
      expect((await again.consumer()).committed).toBe(5)
      const epochs = [again.log.epochOf(4), again.log.epochOf(5), again.store.leaderEpoch]
      expect(epochs).toEqual([0, 1, 2])
    }
  })

  it('goes back with a truncation to below the log start too', async () => {
    const { log, consumer } = await open()
    await fill(log, 3)
    await log.append(['3', '4', '5'])
    log.trim(5)
    const one = await consumer()
    await one.commit(5)
    log.truncate(5)
    await fill(log, 4)
    expect([log.startOffset, one.committed, log.endOffset]).toEqual([3, 3, 7])
  })

  it('goes where it is sent, also while it waits', async () => {
    const { log, consumer } = await open()
    await fill(log, 3)
    const one = await consumer({ from: 'end' })
    const waiting = take(one, 2)
    await new Promise((resolve) => setImmediate(resolve))
    one.seek('start')
    expect(await waiting).toEqual(['0', '1'])
    one.seek('end')
    expect(one.position).toBe(3)
    one.seek(2)
    expect(await take(one, 1)).toEqual(['2'])
    expect(() => one.seek(4)).toThrow(OffsetOutOfRangeError)
    expect(() => one.seek(-1)).toThrow(InvalidOptionError)
    expect(one.position).toBe(3)
  })

  it('hands each record to one of two loops at the same time', async () => {
    const { log, consumer } = await open()
    await fill(log, 20)
    const one = await consumer()
    const [a, b] = await Promise.all([take(one, 10), take(one, 10)])
    const all = [...a, ...b].map(Number).sort((x, y) => x - y)
    expect(all).toEqual(Array.from({ length: 20 }, (_, i) => i))
  })

  it('shows nothing that is not durable, when asked so', async () => {
    const { log, consumer } = await open()
    await log.append('a', { level: 'os' })
    const next = take(await consumer({ level: 'disk' }), 1)
    let isRead = false
    void next.then(() => {
      isRead = true
    })
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
    expect([isRead, log.durableOffset]).toEqual([false, 0])
    await log.flush()
    expect(await next).toEqual(['a'])
  })
})

describe('a consumer whose place was trimmed away', () => {
  it('is told the new start, again and again, and reads on when it is sent there', async () => {
    const { log, consumer } = await open()
    await fill(log, 10)
    const one = await consumer()
    await take(one, 2)
    await one.commit()
    log.trim(6)
    const gone = { code: 'ERR_OFFSET_OUT_OF_RANGE', offset: 2, logStartOffset: 6, logEndOffset: 10 }
    await expect(take(one, 1)).rejects.toMatchObject(gone)
    await expect(take(one, 1)).rejects.toMatchObject(gone)
    await expect(take(await consumer(), 1)).rejects.toMatchObject(gone)
    one.seek('start')
    expect(await take(one, 1)).toEqual(['6'])
  })

  it('goes on at the new start by itself, with a word to the operator', async () => {
    const { log, logger, consumer } = await open()
    await fill(log, 10)
    const one = await consumer({ onOutOfRange: 'start' })
    await take(one, 2)
    log.trim(6)
    expect(await take(one, 2)).toEqual(['6', '7'])
    expect(logger.at('warn')).toEqual([
      {
        level: 'warn',
        fields: { consumer: 'billing', log: 't-0', from: 2, to: 6 },
        message: 'records that a consumer has not read are gone: it skips them',
      },
    ])
  })

  it('cannot commit there: nothing is written', async () => {
    const { disk, log, consumer } = await open()
    await fill(log, 10)
    const one = await consumer()
    await take(one, 2)
    log.trim(6)
    const { operationCount } = disk
    const end = one.encodeCommit(6).table.log.endOffset
    const gone = { code: 'ERR_OFFSET_OUT_OF_RANGE', logStartOffset: 6 }
    await expect(one.commit()).rejects.toMatchObject({ ...gone, offset: 2 })
    await expect(one.commit(5)).rejects.toMatchObject({ ...gone, offset: 5 })
    await expect(one.commit(11)).rejects.toMatchObject({ ...gone, offset: 11 })
    await expect(one.commit(1.5)).rejects.toThrow(InvalidOptionError)
    await expect(one.commit(7, { level: 'tape' as never })).rejects.toThrow(InvalidOptionError)
    await expect(one.commit(7, { levels: 'os' } as never)).rejects.toThrow(InvalidOptionError)
    expect(() => one.encodeCommit(5)).toThrow(OffsetOutOfRangeError)
    expect([disk.operationCount, one.encodeCommit(6).table.log.endOffset]).toEqual([
      operationCount,
      end,
    ])
    expect(one.committed).toBeUndefined()
    await one.commit(6)
    expect(one.committed).toBe(6)
  })
})

describe('what a consumer committed', () => {
  it.each(crashClasses)('at disk is there after a crash, its records too: %s', async (kind) => {
    const { disk, log, consumer } = await open()
    for (let i = 0; i < 10; i++) await log.append(`${i}`, { level: 'os' })
    const one = await consumer()
    await one.commit(3)
    await one.commit(7)
    const again = await open(disk.crash({ class: kind }))
    const found = await again.consumer()
    expect(found.committed).toBe(7)
    expect(again.log.endOffset).toBeGreaterThanOrEqual(7)
  })

  it('needs one sync more or less, not one for the log and one for the position', async () => {
    const { disk, log, consumer } = await open()
    const one = await consumer()
    for (let i = 0; i < 5; i++) {
      await log.append('x', { level: 'os' })
      await one.commit(log.endOffset)
    }
    let flushes = 0
    disk.onOperation = ({ kind }) => {
      if (kind === 'flush') flushes++
    }
    await log.append('x', { level: 'os' })
    await one.commit(log.endOffset)
    expect(flushes).toBe(1)
  })

  it('does not hide new records where a crash took those it had read', async () => {
    const { disk, log, consumer, store } = await open()
    await log.append(['a', 'b'])
    const one = await consumer()
    await one.commit(2)
    // The position becomes durable, the records before it do not.
    await log.append(['c', 'd'], { level: 'os' })
    const made = one.commit(4, { level: 'os' })
    await made
    await store.table('other', { key: 'string', value: 'string' })
    const { table } = one.encodeCommit(4)
    await table.log.flush()
    const again = await open(disk.crash({ class: 'nothing-unsynced' }))
    expect(again.log.endOffset).toBe(2)
    await again.log.append(['C', 'D', 'E'])
    const found = await again.consumer()
    expect([found.committed, found.position]).toEqual([2, 2])
    expect(await take(found, 3)).toEqual(['C', 'D', 'E'])
    expect(again.logger.at('warn').map(({ message }) => message)).toContain(
      'records a consumer had read are gone: it reads on before them',
    )
    await found.commit()
    expect(found.committed).toBe(5)
  })

  it('is not inherited by a topic made anew', async () => {
    const { store, log, consumer } = await open()
    await fill(log, 5)
    const one = await consumer()
    await one.commit(4)
    await store.deleteTopic('t')
    expect(await store.consumers()).toEqual([])
    const anew = await store.log('t')
    await anew.append(['a', 'b'])
    const two = await store.consumer('billing', anew)
    expect([two.committed, two.position]).toEqual([undefined, 0])
    await expect(one.commit(4)).rejects.toThrow(ClosedError)
  })

  it('can be made together with other changes, by whoever makes them', async () => {
    const { log, consumer } = await open()
    await fill(log, 5)
    const one = await consumer()
    await take(one, 3)
    const { table, key, value } = one.encodeCommit()
    const encoded = table.encode([{ key, value }])
    const { baseOffset } = table.log.appendBuilt(builderOf(encoded.records), 'disk')
    expect(one.committed).toBeUndefined()
    table.apply(encoded, baseOffset)
    expect(one.committed).toBe(3)
  })

  it('is forgotten when the consumer is deleted, and its handles are closed', async () => {
    const { disk, store, log, consumer } = await open()
    await fill(log, 5)
    const [one, other] = [await consumer(), await consumer({}, 'billing2')]
    await one.commit(3)
    await other.commit(2)
    const waiting = take(await consumer({ from: 'end' }), 9)
    await store.deleteConsumer('billing')
    expect((await waiting).length).toBeLessThan(9)
    await expect(one.commit(4)).rejects.toThrow(ClosedError)
    expect(() => one.seek(0)).toThrow(ClosedError)
    expect(() => one.lag()).toThrow(ClosedError)
    await store.deleteConsumer('nobody')
    const again = await open(disk.crash({ class: 'nothing-unsynced' }))
    expect((await again.store.consumers()).map(({ name }) => name)).toEqual(['billing2'])
    expect((await again.consumer()).committed).toBeUndefined()
  })
})

describe('wrong use of consumers', () => {
  it('is refused with a typed error, and nothing is made', async () => {
    const { disk, store, log, consumer } = await open()
    const bad = { code: 'ERR_OPTION_INVALID' }
    const names = disk.readDirectory('/data')
    for (const name of ['', 'a/b', 'a,b', 'a b', 'x'.repeat(250), 7, null]) {
      await expect(store.consumer(name as string, log)).rejects.toMatchObject(bad)
    }
    const other = await open()
    for (const it of [other.log, undefined, 't', {}]) {
      await expect(store.consumer('a', it as Log)).rejects.toMatchObject(bad)
    }
    await expect(store.deleteConsumer('a/b')).rejects.toMatchObject(bad)
    expect(disk.readDirectory('/data')).toEqual(names)
    expect(store.topic('__stratalog_positions')).toBeUndefined()
    for (const options of [
      { from: 'middle' },
      { onOutOfRange: 'end' },
      { level: 'tape' },
      { signal: 1 },
      { form: 0 },
    ]) {
      await expect(consumer(options as never)).rejects.toMatchObject(bad)
    }
    await expect(consumer({ from: 1 })).rejects.toThrow(OffsetOutOfRangeError)
    await store.close()
    await expect(consumer()).rejects.toThrow(ClosedError)
    await expect(store.consumers()).rejects.toThrow(ClosedError)
    await expect(store.deleteConsumer('a')).rejects.toThrow(ClosedError)
  })

  it('keeps the table of positions out of reach', async () => {
    const { store, consumer } = await open()
    await consumer()
    const name = '__stratalog_positions'
    const spec = { key: 'string', value: 'json' } as const
    await expect(store.table(name, spec)).rejects.toThrow(InvalidTopicError)
    await expect(store.deleteTable(name)).rejects.toThrow(InvalidTopicError)
    await expect(store.deleteTopic(name)).rejects.toThrow(InvalidTopicError)
    await expect(store.log(name)).rejects.toThrow(InvalidTopicError)
    expect(store.tables().size).toBe(0)
    expect(store.topic(name)?.isInternal).toBe(true)
    const fresh = await openOn(simDisk())
    await expect(fresh.createTopic(name)).rejects.toThrow(InvalidTopicError)
    await expect(fresh.table(name, spec)).rejects.toThrow(InvalidTopicError)
  })
})
