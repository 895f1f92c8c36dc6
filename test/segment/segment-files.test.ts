/** Goal: names, sizes and bytes of segment files are Kafka's; scans stop where batches do. */
import { describe, expect, it } from 'vitest'
import {
  logSuffix,
  offsetOfFileName,
  segmentFileName,
} from '../../src/segment/segment-file-name.ts'
import { openOn, scanSegment, simDisk } from '../support/log-inspection.ts'

describe('segment file names', () => {
  it('have 20 digits', () => {
    expect(segmentFileName(1042, logSuffix)).toBe('00000000000000001042.log')
    expect(offsetOfFileName('00000000000000001042.log', logSuffix)).toBe(1042)
    const others = ['1042.log', '00000000000000001042.log.swap', '0000000000000000104x.log']
    for (const name of [...others, '99999999999999999999.log', '00000000000000001042.index']) {
      expect(offsetOfFileName(name, logSuffix)).toBeUndefined()
    }
  })
})

describe('a segment', () => {
  it('indexes the batch after the interval was passed, strictly, by its last offset', async () => {
    const disk = simDisk()
    const store = await openOn(disk, { config: {} })
    const probe = await store.log('probe')
    await probe.append(['a', 'b'])
    const size = probe.sizeBytes
    await store.createTopic('t', { config: { 'index.interval.bytes': String(size * 2) } })
    const log = await store.log('t')
    for (let i = 0; i < 9; i++) await log.append({ value: 'ab', timestamp: 1000 + i })
    const [first] = scanSegment(log.segments.active)
    await store.close()
    const path = '/data/t-0/00000000000000000000'
    const index = Buffer.alloc(disk.stat(`${path}.index`)?.sizeBytes ?? 0)
    disk.open(`${path}.index`, 'read').read(index, 0)
    const batchBytes = (disk.stat(`${path}.log`)?.sizeBytes as number) / 9
    const perEntry = Math.floor((size * 2) / batchBytes) + 1
    const expected: number[] = []
    for (let i = perEntry; i < 9; i += perEntry) expected.push(i, i * batchBytes)
    const found = Array.from({ length: index.length / 4 }, (_, i) => index.readUInt32BE(i * 4))
    expect(found).toEqual(expected)
    const times = Buffer.alloc(disk.stat(`${path}.timeindex`)?.sizeBytes ?? 0)
    disk.open(`${path}.timeindex`, 'read').read(times, 0)
    expect(Number(times.readBigInt64BE(times.length - 12))).toBe(1008)
    expect(times.readUInt32BE(times.length - 4)).toBe(8)
    expect(first?.position).toBe(0)
  })
})
