/** Goal: how far a consumer is behind is known without reading a record, and told for all of them. */
import { describe, expect, it } from 'vitest'
import { magicAt } from '../../src/record/batch-format.ts'
import { fill, open, take } from '../support/consumer-harness.ts'
import { openOn } from '../support/log-inspection.ts'

describe('lag', () => {
  it('counts from the committed position, in records, bytes and time', async () => {
    const { clock, log, consumer } = await open()
    const one = await consumer()
    expect(one.lag()).toEqual({ records: 0, bytes: 0, ageMs: 0 })
    for (let i = 0; i < 40; i++) {
      await log.append('x'.repeat(100))
      clock.advance(1_000)
    }
    const { sizeBytes } = log
    expect(one.lag()).toEqual({ records: 40, bytes: sizeBytes, ageMs: 40_000 })
    await take(one, 30)
    expect(one.lag().records).toBe(40)
    await one.commit(30)
    const { records, bytes, ageMs } = one.lag()
    expect(records).toBe(10)
    // A batch takes 170 bytes; the index knows one of two.
    expect(bytes).toBeGreaterThanOrEqual(1_700)
    expect(bytes).toBeLessThanOrEqual(1_700 + 3 * 170)
    expect(ageMs).toBeGreaterThanOrEqual(10_000)
    expect(ageMs).toBeLessThanOrEqual(13_000)
    await one.commit(40)
    expect(one.lag()).toEqual({ records: 0, bytes: 0, ageMs: 0 })
    clock.advance(3_600_000)
    await log.append('y')
    clock.advance(5)
    // No older than the commit that left nothing to read.
    expect(one.lag()).toMatchObject({ records: 1, ageMs: 3_600_005 })
  })

  it('reads nothing but indexes', async () => {
    const { disk, log, consumer, clock } = await open()
    const one = await consumer()
    for (let i = 0; i < 60; i++) {
      await log.append('x'.repeat(100), { level: 'os' })
      clock.advance(10)
    }
    await log.flush()
    await one.commit(33)
    const read: string[] = []
    const { open: openFile } = disk
    disk.open = (path, mode) => {
      read.push(path.replace(/.*\./, '.'))
      return openFile.call(disk, path, mode)
    }
    const before = disk.readCount
    expect(one.lag().records).toBe(27)
    expect([...new Set(read)].sort()).toEqual(['.index', '.timeindex'])
    // Two mappings, and the headers of the two batches that their entries name.
    expect(disk.readCount - before).toBeLessThanOrEqual(4)
    one.lag()
    expect(disk.readCount - before).toBeLessThanOrEqual(4)
  })

  it('counts from the log start when the position is below it', async () => {
    const { log, consumer } = await open()
    await fill(log, 10)
    const one = await consumer()
    await one.commit(2)
    log.trim(7)
    expect([one.committed, one.lag().records]).toEqual([2, 3])
  })

  it("is listed when another consumer's log is damaged, and that one with the reason", async () => {
    const { disk, store, log, consumer } = await open()
    await fill(log, 5)
    await (await consumer({}, 'a')).commit(2)
    const other = await store.log('u')
    await fill(other, 5)
    await (await store.consumer('b', other)).commit(3)
    await store.close()
    const path = '/data/t-0/00000000000000000000.log'
    // The format version of the last of five batches, by which an open knows where the log ends.
    disk.flipBits(path, (disk.stat(path)!.sizeBytes / 5) * 4 + magicAt, 1)
    const again = await openOn(disk)
    const reports = await again.consumers()
    expect(reports).toMatchObject([
      { name: 'a', log: 't-0', committed: 2, lag: undefined, error: { code: 'ERR_LOG_CORRUPT' } },
      { name: 'b', log: 'u-0', committed: 3, lag: { records: 2 } },
    ])
  })

  it('is listed for an operator, for every consumer and log', async () => {
    const { disk, store, log, consumer, clock } = await open()
    expect(await store.consumers()).toEqual([])
    await store.createTopic('u', { partitions: 2 })
    await fill(log, 5)
    await (await consumer({}, 'b')).commit(2)
    await (await store.consumer('b', store.topic('u')!.log(1))).commit(0)
    await (await consumer({}, 'a')).commit(5)
    const nowMs = clock.now()
    await store.close()
    const again = await open(disk, nowMs)
    const reports = await again.store.consumers()
    const shown = reports.map(({ name, log: of, committed, lag }) => [
      name,
      of,
      committed,
      lag?.records,
    ])
    expect(shown).toEqual([
      ['a', 't-0', 5, 0],
      ['b', 't-0', 2, 3],
      ['b', 'u-1', 0, 0],
    ])
    expect(reports[0]?.committedMs).toBe(nowMs)
  })
})
