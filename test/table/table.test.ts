/** Goal: a table is an ordered map whose changes are as durable as was asked, each exactly once. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  BatchTooLargeError,
  ClosedError,
  ConflictError,
  InvalidOptionError,
  StoreFormatError,
  TableFullError,
  WatchOverflowError,
} from '../../src/base/errors.ts'
import type { Offset } from '../../src/base/types.ts'
import type { RangeOptions } from '../../src/table/key-range.ts'
import type { BatchChange } from '../../src/table/table.ts'
import { dataPath, openOn, simDisk } from '../support/log-inspection.ts'
import { bareTable, snapshotsOf } from '../support/table-harness.ts'

const text = { key: 'string', value: 'string' } as const

async function textTable(spec: { snapshotBytes?: number; maxBytes?: number } = {}) {
  const disk = simDisk()
  const store = await openOn(disk)
  return { disk, store, table: await store.table('t', { ...text, ...spec }) }
}

describe('a table', () => {
  it('keeps what was put and forgets what was deleted, over power cuts', async () => {
    const { disk, table } = await textTable()
    await Promise.all([table.put('a', '1'), table.put('a', '2'), table.put('b', '3')])
    await table.delete('b')
    expect([...table]).toEqual([['a', '2']])
    const store = await openOn(disk.crash({ class: 'nothing-unsynced' }))
    const again = await store.table('t', text)
    expect([again.size, again.get('a'), again.get('b'), again.has('b')]).toEqual([
      1,
      '2',
      undefined,
      false,
    ])
  })

  it('shows a change in the turn that makes it, and says which level it reached', async () => {
    const { disk, table } = await textTable()
    const durable = table.put('a', '1')
    expect(table.get('a')).toBe('1')
    expect(await table.put('b', '2', { level: 'memory' })).toEqual({
      offset: 1,
      lastOffset: 1,
      level: 'os',
    })
    expect(await durable).toEqual({ offset: 0, lastOffset: 0, level: 'disk' })
    expect(table.log.durableOffset).toBeGreaterThanOrEqual(1)
    const killed = await (await openOn(disk.processCrash())).table('t', text)
    expect(killed.get('b')).toBe('2')
  })

  it('makes several changes in one batch, all or none', async () => {
    const { table } = await textTable()
    await table.put('b', 'old')
    const ack = await table.batch([
      { key: 'a', value: '1' },
      { key: 'b', delete: true },
      { key: 'a', value: '2' },
    ])
    expect(ack).toMatchObject({ offset: 1, lastOffset: 3 })
    expect([...table]).toEqual([['a', '2']])
    const tooMuch = [
      { key: 'c', value: '3' },
      { key: 'd', value: 'x'.repeat(17_000_000) },
    ]
    await expect(table.batch(tooMuch)).rejects.toThrow(BatchTooLargeError)
    expect([table.size, table.log.endOffset]).toEqual([1, 4])
  })

  it('refuses a change whose key holds something else, and writes nothing', async () => {
    const { table } = await textTable()
    await table.put('a', '1', { expect: undefined })
    const refused = [
      table.put('a', '2', { expect: undefined }),
      table.put('a', '2', { expect: '0' }),
      table.put('b', '2', { expect: '0' }),
      table.delete('b', { expect: '0' }),
      table.batch([
        { key: 'c', value: '3' },
        { key: 'a', delete: true, expect: '2' },
      ]),
    ]
    for (const change of refused) await expect(change).rejects.toThrow(ConflictError)
    expect([[...table], table.log.endOffset]).toEqual([[['a', '1']], 1])
    await table.put('a', '2', { expect: '1' })
    await table.delete('a', { expect: '2' })
    expect(table.size).toBe(0)
    // Of many who expect the same, one is first.
    const counts = await Promise.allSettled(
      ['x', 'y', 'z'].map((value) => table.put('n', value, { expect: undefined })),
    )
    expect(counts.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected'])
  })

  it('changes nothing when the disk refuses the record', async () => {
    const { disk, table } = await textTable()
    await table.put('a', '1')
    disk.failOperation(disk.operationCount + 1, { errno: 'ENOSPC', writtenBytes: 3 })
    await expect(table.put('a', '2')).rejects.toMatchObject({ errno: 'ENOSPC' })
    expect([table.get('a'), table.log.endOffset]).toEqual(['1', 1])
    await table.put('a', '3')
    expect(table.get('a')).toBe('3')
  })

  it('takes what its codecs take', async () => {
    const { store } = await textTable()
    const date = {
      name: 'date',
      encode: (value: Date) => Buffer.from(value.toISOString()),
      decode: (bytes: Buffer) => new Date(String(bytes)),
    }
    const dates = await store.table('dates', { key: date, value: 'json' })
    await dates.put(new Date(5), { a: [1, null] })
    await dates.put(new Date(3), 'x')
    expect([...dates]).toEqual([
      [new Date(3), 'x'],
      [new Date(5), { a: [1, null] }],
    ])
    const numbers = await store.table('numbers', { key: 'uint64', value: 'bytes' })
    const value = Buffer.from('abc')
    await numbers.batch([300, 2, 2 ** 40].map((key) => ({ key, value })))
    expect([...numbers.keys()]).toEqual([2, 300, 2 ** 40])
    value[0] = 0
    const found = numbers.get(2) as Buffer
    found[1] = 0
    expect(String(numbers.get(2))).toBe('abc')
  })

  it('gives an error for what a codec cannot decode', async () => {
    const disk = simDisk()
    const store = await openOn(disk)
    await (await store.log('t')).append({ key: 'a', value: 'oops' })
    const { table: json } = await bareTable(disk, store, { key: 'string', value: 'json' })
    expect(() => json.get('a')).toThrow(StoreFormatError)
    expect(() => json.get('a')).toThrow(/codec json cannot decode a value/)
    await (await store.log('t')).append({ value: 'keyless' })
    await expect(bareTable(disk, store, text)).rejects.toThrow('record 1 has no key')
  })

  it('refuses what is no change, option or bound, and writes nothing', async () => {
    const { table } = await textTable()
    const wrong = [
      () => table.put('a', undefined as never),
      () => table.put(1 as never, 'a'),
      () => table.put('a', 'b', { level: 'tape' } as never),
      () => table.put('a', 'b', { expected: 'c' } as never),
      () => table.put('a', 'b', { expect: 7 as never }),
      () => table.batch([]),
      () => table.batch('a' as never),
      () => table.batch([null as never]),
      () => table.batch([{ key: 'a' } as never]),
      () => table.batch([{ key: 'a', value: 'b', delete: true } as never]),
      () => table.batch([{ key: 'a', delete: false } as never]),
      () => table.batch([{ key: 'a', value: 'b' }], { expect: 'c' } as never),
    ]
    for (const call of wrong) await expect(call()).rejects.toThrow(InvalidOptionError)
    const wrongReads = [
      () => table.get(1 as never),
      () => table.range({ from: 'a' } as never),
      () => table.range({ gte: 1 as never }),
      () => table.range({ limit: -1 }),
      () => table.range({ reverse: 'yes' as never }),
      () => table.range({ prefix: 1 as never }),
      () => table.watch({ maxBuffered: 0 }),
      () => table.watch({ limit: 1 } as never),
      () => table.watch({ signal: 'stop' as never }),
    ]
    for (const call of wrongReads) expect(call).toThrow(InvalidOptionError)
    expect([table.size, table.log.endOffset]).toEqual([0, 0])
  })

  it('refuses entries beyond its bound, but no deletions', async () => {
    const { table } = await textTable({ maxBytes: 400 })
    await table.put('a', 'x'.repeat(200))
    await expect(table.put('b', 'x'.repeat(200))).rejects.toThrow(TableFullError)
    expect(table.log.endOffset).toBe(1)
    await table.delete('a')
    await table.put('b', 'x'.repeat(200))
    expect([...table.keys()]).toEqual(['b'])
  })

  it('takes nothing after the store was closed', async () => {
    const { store, table } = await textTable()
    await table.put('a', '1')
    await store.close()
    await expect(table.put('a', '2')).rejects.toThrow(ClosedError)
    await expect(table.snapshot()).rejects.toThrow(ClosedError)
    for (const call of [() => table.get('a'), () => table.range(), () => table.watch()]) {
      expect(call).toThrow(ClosedError)
    }
  })
})

describe('a range', () => {
  const key = fc.string({ unit: fc.constantFrom('a', 'b', '\uffee', '\u{1f600}'), maxLength: 4 })
  const optional = fc.option(key, { nil: undefined })
  const options = fc.record({
    gte: optional,
    gt: optional,
    lte: optional,
    lt: optional,
    prefix: optional,
    reverse: fc.boolean(),
    limit: fc.option(fc.nat({ max: 10 }), { nil: undefined }),
  })

  it('gives what a sorted array gives, for all bounds in both directions', async () => {
    const { table } = await textTable()
    const keys = fc.array(key, { maxLength: 30 })
    await fc.assert(
      fc.asyncProperty(keys, options, async (list, found) => {
        const old = [...table.keys()].map((one) => ({ key: one, delete: true }) as const)
        if (old.length > 0) await table.batch(old, { level: 'os' })
        if (list.length > 0) await table.batch(list.map((one) => ({ key: one, value: one })))
        const wanted = model(list, found)
        const given = Object.entries(found).filter(([, value]) => value !== undefined)
        const range = Object.fromEntries(given) as RangeOptions<string>
        expect([...table.keys(range)]).toEqual(wanted)
        expect([...table.range(range)]).toEqual(wanted.map((one) => [one, one]))
      }),
      { numRuns: 300 },
    )
  })

  it('goes on from its last key when the table changes meanwhile', async () => {
    const { table } = await textTable()
    await table.batch(['b', 'd', 'f', 'h'].map((one) => ({ key: one, value: '1' })))
    for (const reverse of [false, true]) {
      const seen: string[] = []
      for (const [found, value] of table.range({ reverse })) {
        seen.push(found + value)
        if (seen.length !== 2) continue
        const ahead = reverse ? 'b' : 'h'
        const behind = reverse ? 'i' : 'a'
        await table.batch([
          { key: found, delete: true },
          { key: ahead, value: '2' },
          { key: behind, value: '2' },
          { key: 'e', value: '2' },
          { key: 'c', value: '2' },
        ])
      }
      const wanted = reverse
        ? ['i2', 'h2', 'f1', 'e2', 'c2', 'b2', 'a2']
        : ['b1', 'd1', 'e2', 'f1', 'h2']
      expect(seen).toEqual(wanted.filter((one) => reverse === false || one !== 'i2'))
    }
  })

  function model(list: readonly string[], found: Record<string, unknown>): string[] {
    const { gte, gt, lte, lt, prefix, reverse, limit } = found as RangeOptions<string>
    const compare = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b))
    const keys = [...new Set(list)]
      .sort(compare)
      .filter(
        (one) =>
          (gte === undefined || compare(one, gte) >= 0) &&
          (gt === undefined || compare(one, gt) > 0) &&
          (lte === undefined || compare(one, lte) <= 0) &&
          (lt === undefined || compare(one, lt) < 0) &&
          (prefix === undefined || one.startsWith(prefix as string)),
      )
    if (reverse === true) keys.reverse()
    return keys.slice(0, limit ?? keys.length)
  }

  it('ends a prefix of highest bytes at the end of the table', async () => {
    const { store } = await textTable()
    const table = await store.table('bytes', { key: 'bytes', value: 'bytes' })
    const keys = [[1], [255], [255, 255], [255, 255, 7], [254, 255], [254, 255, 255]].map((one) =>
      Buffer.from(one),
    )
    await table.batch(keys.map((one) => ({ key: one, value: one })))
    const found = (prefix: Uint8Array) =>
      [...table.keys({ prefix })].map((one) => one.toString('hex'))
    expect(found(Buffer.from([255, 255]))).toEqual(['ffff', 'ffff07'])
    expect(found(Buffer.from([254, 255]))).toEqual(['feff', 'feffff'])
    expect(found(Buffer.alloc(0))).toHaveLength(6)
  })
})

describe('a watcher', () => {
  it('is told of every change from now on, in order', async () => {
    const { table } = await textTable()
    await table.put('a', 'before')
    const all = table.watch()
    const some = table.watch({ prefix: 'b' })
    await table.put('a', '1')
    await table.batch([
      { key: 'b', value: '2' },
      { key: 'a', delete: true },
    ])
    const next = async (watcher: typeof all) => (await watcher.next()).value
    expect(await next(all)).toEqual({ key: 'a', value: '1', offset: 1 })
    expect(await next(all)).toEqual({ key: 'b', value: '2', offset: 2 })
    expect(await next(all)).toEqual({ key: 'a', value: undefined, offset: 3 })
    expect(await next(some)).toEqual({ key: 'b', value: '2', offset: 2 })
    const waiting = next(some)
    await table.put('bb', '3')
    expect(await waiting).toEqual({ key: 'bb', value: '3', offset: 4 })
  })

  it('ends when it is aborted, left, or the table closes', async () => {
    const { store, table } = await textTable()
    const controller = new AbortController()
    const aborted = table.watch({ signal: controller.signal })
    const waiting = aborted.next()
    controller.abort()
    expect(await waiting).toEqual({ done: true, value: undefined })
    expect((await table.watch({ signal: controller.signal }).next()).done).toBe(true)
    const left: string[] = []
    const watcher = table.watch()
    await table.put('a', '1')
    await table.put('b', '1')
    for await (const { key } of watcher) {
      left.push(key)
      break
    }
    expect([left, (await watcher.next()).done]).toEqual([['a'], true])
    const open = table.watch().next()
    await store.close()
    expect((await open).done).toBe(true)
  })

  it('ends with an error when it falls behind; the table goes on', async () => {
    const { table } = await textTable()
    const watcher = table.watch({ maxBuffered: 2 })
    for (const value of ['1', '2', '3']) await table.put('a', value)
    await expect(watcher.next()).rejects.toThrow(WatchOverflowError)
    expect(await watcher.next()).toEqual({ done: true, value: undefined })
    expect(table.get('a')).toBe('3')
  })

  it('sees values of large entries that replace each other', async () => {
    const { table } = await textTable()
    const watcher = table.watch({ maxBuffered: 1000 })
    for (let i = 0; i < 100; i++) await table.put('a', `${i}`.padEnd(100_000), { level: 'os' })
    for (let i = 0; i < 100; i++) expect((await watcher.next()).value?.value.trim()).toBe(`${i}`)
  })
})

describe('changes made with those of other logs', () => {
  it('are seen when they are applied, and others wait for them', async () => {
    const { table } = await textTable()
    await table.put('a', '0')
    const group = table.encode([
      { key: 'a', value: '1', expect: '0' },
      { key: 'b', delete: true },
    ])
    table.check(group)
    const { offset } = await table.log.append(group.records, { level: 'os' })
    const later = table.put('a', '2', { expect: '1' })
    const snapshot = table.snapshot()
    expect(table.get('a')).toBe('0')
    table.apply(group, offset)
    expect(table.get('a')).toBe('2')
    expect((await later).offset).toBe(3)
    await snapshot
    expect([...table]).toEqual([['a', '2']])
  })

  it('can be refused, dropped or passed over', async () => {
    const { table } = await textTable()
    await table.put('a', '0')
    const refused = table.encode([{ key: 'a', value: '1', expect: '9' }])
    expect(() => table.check(refused)).toThrow(ConflictError)
    table.discard(refused)
    const skipped = table.encode([{ key: 'a', value: '1' }])
    const { offset } = await table.log.append(skipped.records, { level: 'os' })
    const later = table.put('b', '2')
    table.skip(skipped, offset)
    expect((await later).offset).toBe(2)
    expect(table.get('a')).toBe('0')
    expect(() => table.apply(skipped, 3 as Offset)).toThrow('changes are applied once')
  })
})

describe('a table over many lives', () => {
  // Method: random changes beside a Map; snapshots at random, and by themselves; every kind of stop.
  const step = fc.oneof(
    { weight: 20, arbitrary: fc.record({ key: fc.nat({ max: 40 }), size: fc.nat({ max: 300 }) }) },
    { weight: 8, arbitrary: fc.record({ key: fc.nat({ max: 40 }), size: fc.constant(-1) }) },
    { weight: 2, arbitrary: fc.constantFrom('snapshot', 'close', 'kill', 'cut') },
  )

  it('holds what a Map holds', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 150 }), async (steps) => {
        let disk = simDisk()
        const spec = { key: 'uint64', value: 'string', snapshotBytes: 2000 } as const
        let store = await openOn(disk)
        let table = await store.table('t', spec)
        const model = new Map<number, string>()
        for (const [i, one] of steps.entries()) {
          if (one === 'snapshot') await table.snapshot()
          else if (typeof one === 'string') {
            if (one === 'close') await store.close()
            disk = one === 'cut' ? disk.crash() : disk.processCrash()
            store = await openOn(disk)
            table = await store.table('t', spec)
          } else if (one.size < 0) {
            await table.delete(one.key)
            model.delete(one.key)
          } else {
            const value = `${i}`.padEnd(one.size, '.')
            await table.put(one.key, value)
            model.set(one.key, value)
          }
        }
        expect([...table]).toEqual([...model].sort(([a], [b]) => a - b))
        expect(table.size).toBe(model.size)
      }),
      { numRuns: 60 },
    )
  })

  it('writes a snapshot of what came during the last one, and of what it reads when it opens', async () => {
    const { disk, store, table } = await textTable({ snapshotBytes: 5000 })
    const value = 'x'.repeat(1000)
    const [first] = await Promise.all([
      table.snapshot(),
      ...Array.from({ length: 40 }, (_, i) => table.put(`k${i % 2}`, value)),
    ])
    expect(first).toBe(undefined)
    // Nobody changes anything any more.
    while (table.log.sizeBytes > 5000) await new Promise((resolve) => setImmediate(resolve))
    await store.close()

    const other = await openOn(disk)
    const grown = await other.table('t', { ...text, snapshotBytes: 2 ** 20 })
    for (let i = 0; i < 40; i++) await grown.put(`k${i % 2}`, value)
    expect(grown.log.sizeBytes).toBeGreaterThan(40_000)
    await other.close()
    const last = await openOn(disk)
    const again = await last.table('t', { ...text, snapshotBytes: 5000 })
    while (again.log.sizeBytes > 5000) await new Promise((resolve) => setImmediate(resolve))
    expect([again.size, again.get('k1')]).toEqual([2, value])
    await last.close()
  })

  it('reads little and frees the log once a snapshot is there', async () => {
    const { disk, store, table } = await textTable({ snapshotBytes: 20_000 })
    const changes = (round: number): BatchChange<string, string>[] =>
      Array.from({ length: 50 }, (_, i) => ({ key: `k${i}`, value: `${round}`.padEnd(100) }))
    for (let round = 0; round < 20; round++) {
      await table.batch(changes(round))
      await new Promise((resolve) => setImmediate(resolve))
    }
    await table.snapshot()
    expect(snapshotsOf(disk, table)).toHaveLength(1)
    expect(table.log.startOffset).toBe(1000)
    expect(table.log.sizeBytes).toBe(0)
    await store.close()
    const again = await (await openOn(disk)).table('t', text)
    expect([again.size, again.get('k7')?.trim()]).toEqual([50, '19'])
    await again.put('k7', 'new')
    expect([again.get('k7'), again.log.endOffset]).toEqual(['new', 1001])
    expect(disk.readDirectory(dataPath)).toContain('t-0')
  })
})
