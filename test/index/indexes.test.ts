/** Goal: both sparse indexes hold Kafka's bytes and answer like a plain list would. */
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { FilePosition, Offset } from '../../src/base/types.ts'
import { EntryTable } from '../../src/index/entry-table.ts'
import { OffsetIndex, offsetIndexEntrySize } from '../../src/index/offset-index.ts'
import { TimeIndex, timeIndexEntrySize } from '../../src/index/time-index.ts'

const golden = JSON.parse(
  readFileSync(new URL('../fixtures/golden/small-files.json', import.meta.url), 'utf8'),
) as { name: string; hex: string }[]

function goldenHex(name: string): string {
  return golden.find((vector) => vector.name === name)?.hex ?? 'no such vector'
}

const at = (offset: number) => offset as Offset
const place = (position: number) => position as FilePosition

describe('offset index', () => {
  it('writes the bytes Kafka writes', () => {
    const index = new OffsetIndex(at(50))
    index.append(at(55), place(16384))
    expect(index.bytes.toString('hex')).toBe(goldenHex('offset_index_entry'))
  })

  it('finds the floor before the first entry, between two, at one and after the last', () => {
    const index = new OffsetIndex(at(50))
    index.append(at(55), place(100))
    index.append(at(60), place(200))
    expect([50, 54, 55, 59, 60, 1e15].map((offset) => index.lookup(at(offset)))).toEqual([
      0, 0, 100, 100, 200, 200,
    ])
    expect([0, 99, 100, 199, 200, 2 ** 40].map((one) => index.borderAtOrBelow(one))).toEqual([
      0, 0, 100, 100, 200, 200,
    ])
  })

  it('drops entries at and above the offset it is truncated to', () => {
    const index = new OffsetIndex(at(50))
    for (const offset of [55, 60, 65]) index.append(at(offset), place(offset * 10))
    index.truncate(at(61))
    expect([index.entryCount, index.lastOffset, index.lastPosition]).toEqual([2, 60, 600])
    index.truncate(at(60))
    expect(index.lastOffset).toBe(55)
    index.truncate(at(50))
    expect([index.entryCount, index.lastOffset, index.lastPosition]).toEqual([0, 50, 0])
  })

  it('asserts that both fields grow', () => {
    const index = new OffsetIndex(at(0))
    index.append(at(5), place(100))
    expect(() => index.append(at(5), place(200))).toThrow('invariant')
    expect(() => index.append(at(6), place(100))).toThrow('invariant')
  })

  it('copies a mapped table before it changes it', () => {
    const bytes = Buffer.from(goldenHex('offset_index_entry'), 'hex')
    const index = new OffsetIndex(at(50), new EntryTable(offsetIndexEntrySize, bytes))
    index.append(at(70), place(20000))
    expect(bytes.toString('hex')).toBe(goldenHex('offset_index_entry'))
    expect(index.entryCount).toBe(2)
  })

  it('tells entries of another segment, and a file that was only preallocated', () => {
    const entries = (...pairs: [number, number][]) => {
      const bytes = Buffer.alloc(pairs.length * 8)
      pairs.forEach(([offset, position], i) => {
        bytes.writeUInt32BE(offset, i * 8)
        bytes.writeUInt32BE(position, i * 8 + 4)
      })
      return new OffsetIndex(at(0), new EntryTable(offsetIndexEntrySize, bytes))
    }
    expect(entries([1, 100], [2, 200]).isPlausible(201)).toBe(true)
    expect(entries([1, 100], [2, 200]).isPlausible(200)).toBe(false)
    expect(entries([0, 0], [0, 0]).isPlausible(1000)).toBe(false)
    expect(entries([1, 100], [0, 0], [0, 0]).isPlausible(1000)).toBe(false)
    expect(entries([1, 100], [0, 0], [3, 300]).isConsistent()).toBe(false)
    expect(entries([1, 100], [2, 200], [3, 300]).isConsistent()).toBe(true)
  })

  it('answers like a plain list', () => {
    const steps = fc.array(
      fc.tuple(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 9 })),
    )
    fc.assert(
      fc.property(steps, fc.array(fc.nat(2000)), fc.nat(2000), (pairs, targets, cut) => {
        const index = new OffsetIndex(at(7))
        let list: { offset: number; position: number }[] = []
        let offset = 7
        let position = 0
        for (const [offsetStep, positionStep] of pairs) {
          offset += offsetStep
          position += positionStep
          index.append(at(offset), place(position))
          list.push({ offset, position })
        }
        const check = () => {
          for (const target of targets) {
            const floor = list.findLast((entry) => entry.offset <= target + 7)?.position ?? 0
            expect(index.lookup(at(target + 7))).toBe(floor)
          }
        }
        check()
        index.truncate(at(cut + 7))
        list = list.filter((entry) => entry.offset < cut + 7)
        check()
        expect(index.entryCount).toBe(list.length)
      }),
      { numRuns: 200 },
    )
  })
})

describe('time index', () => {
  it('writes the bytes Kafka writes', () => {
    const index = new TimeIndex(at(50))
    index.offer(1_700_000_000_000, at(55))
    expect(index.bytes.toString('hex')).toBe(goldenHex('time_index_entry'))
    const read = new TimeIndex(at(50), new EntryTable(timeIndexEntrySize, index.bytes))
    expect([read.lastTimestamp, read.lastOffset]).toEqual([1_700_000_000_000, 55])
  })

  it('drops offers that are not newer, and records without a time', () => {
    const index = new TimeIndex(at(0))
    index.offer(-1, at(1))
    expect([index.entryCount, index.lastTimestamp]).toEqual([0, -1])
    index.offer(100, at(2))
    index.offer(100, at(3))
    index.offer(99, at(4))
    expect([index.entryCount, index.lastOffset]).toEqual([1, 2])
    expect(() => index.offer(101, at(1))).toThrow('invariant')
  })

  it('finds the floor in time and truncates by offset', () => {
    const index = new TimeIndex(at(10))
    index.offer(100, at(12))
    index.offer(200, at(15))
    index.offer(300, at(15))
    expect([0, 99, 100, 199, 200, 300, 1e14].map((time) => index.lookup(time))).toEqual([
      10, 10, 12, 12, 15, 15, 15,
    ])
    index.truncate(at(15))
    expect([index.entryCount, index.lastTimestamp]).toEqual([1, 100])
  })

  it('tells entries beyond the log, and times that do not grow', () => {
    const index = new TimeIndex(at(0))
    index.offer(100, at(1))
    index.offer(200, at(5))
    expect([index.isPlausible(at(6)), index.isPlausible(at(5))]).toEqual([true, false])
    const zeros = new TimeIndex(at(0), new EntryTable(timeIndexEntrySize, Buffer.alloc(24)))
    expect([zeros.isPlausible(at(9)), zeros.isConsistent()]).toEqual([false, false])
  })
})
