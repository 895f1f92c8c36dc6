/**
 * Goal: whatever part of a segment stands in memory only, it reads as if all of it were in the file,
 * finds room there later, and the file has exactly its bytes when it was flushed.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Offset } from '../../src/base/types.ts'
import type { SimFileSystem } from '../../src/platform/sim-file-system.ts'
import { BatchBuilder } from '../../src/record/batch-builder.ts'
import { assignOffset } from '../../src/record/batch-view.ts'
import { Segment, type SegmentEnvironment } from '../../src/segment/segment.ts'
import { SegmentFiles } from '../../src/segment/segment-files.ts'
import { maxKeptBytes } from '../../src/segment/segment-tail.ts'
import { simDisk } from '../support/log-inspection.ts'

const path = '/data/00000000000000000000.log'

const segmentBytes = 8 << 20

function environmentOn(disk: SimFileSystem): SegmentEnvironment {
  return {
    fileSystem: disk,
    files: new SegmentFiles(disk, 100),
    directory: '/data',
    clock: { now: () => 0, elapsedMs: () => 0, after: () => ({ cancel: () => {} }) },
    settings: { indexIntervalBytes: 300, indexBytes: 1 << 20, segmentBytes },
  }
}

function makeSegment(disk: SimFileSystem): Segment {
  return Segment.create(environmentOn(disk), 0 as Offset)
}

/** One batch of one record of `valueBytes`, at `offset`. */
function batchAt(offset: number, valueBytes: number): Buffer {
  const builder = new BatchBuilder({ codec: 'none' })
  builder.add({ value: Buffer.alloc(valueBytes, offset), timestamp: 1000 + offset }, 0)
  const batch = Buffer.from(builder.finish())
  assignOffset(batch, 0, offset as Offset, 0)
  return batch
}

function contentOf(disk: SimFileSystem): Buffer {
  const file = disk.open(path, 'read')
  const bytes = Buffer.alloc(file.size())
  file.read(bytes, 0)
  file.close()
  return bytes
}

const step = fc.oneof(
  fc.record({
    kind: fc.constantFrom('append', 'journaled', 'waiting', 'waiting in the frame'),
    valueBytes: fc.oneof(
      { arbitrary: fc.nat(400), weight: 6 },
      { arbitrary: fc.constant(maxKeptBytes - 100), weight: 6 },
      // Few of them make a segment that is reserved ahead of every write.
      { arbitrary: fc.constant(2_000_000), weight: 1 },
    ),
    count: fc.integer({ min: 1, max: 3 }),
  }),
  fc.record({ kind: fc.constantFrom('flush', 'flush now', 'write kept', 'slice', 'drop waiting') }),
  fc.record({ kind: fc.constant('truncate'), keep: fc.double({ min: 0, max: 1, noNaN: true }) }),
)

describe('a segment whose end stands in memory', () => {
  it('reads, is found in and is flushed like one that was written at once', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const disk = simDisk()
        const segment = makeSegment(disk)
        let batches: Buffer[] = []
        for (const one of steps) {
          if ('valueBytes' in one) {
            const added = Array.from({ length: one.count }, (_, i) =>
              batchAt(batches.length + i, one.valueBytes),
            )
            if (one.kind.startsWith('waiting')) appendWaiting(segment, added, batches.length, one)
            else {
              added.forEach((batch, i) => {
                const offset = (batches.length + i) as Offset
                const times = 1000 + offset
                if (one.kind === 'append') segment.append(batch, 0, batch.length, offset, times)
                else segment.appendJournaled(batch, 0, batch.length, offset, times)
              })
            }
            batches.push(...added)
          } else if ('keep' in one) {
            batches = batches.slice(0, Math.floor(one.keep * batches.length))
            segment.truncate(Buffer.concat(batches).length, batches.length as Offset)
          } else await use(segment, one.kind, batches)
          const model = Buffer.concat(batches)
          expect(segment.sizeBytes).toBe(model.length)
          const bytes = Buffer.alloc(model.length)
          segment.readInto(bytes, 0)
          expect(bytes.equals(model)).toBe(true)
          const from = Math.floor(model.length / 3)
          const part = Buffer.alloc(model.length - from)
          segment.readInto(part, from)
          expect(part.equals(model.subarray(from))).toBe(true)
          for (const [offset] of batches.entries()) {
            expect(segment.locate(offset as Offset)?.baseOffset).toBe(offset)
          }
        }
        segment.seal()
        expect(contentOf(disk).equals(Buffer.concat(batches))).toBe(true)
        // What was reserved ahead is free again: of the disk there are files only.
        const sizes = disk
          .readDirectory('/data')
          .map((name) => disk.stat(`/data/${name}`)!.sizeBytes)
        expect(disk.usedBytes).toBe(sizes.reduce((sum, size) => sum + size, 0))
      }),
      { numRuns: 150 },
    )
  })

  function appendWaiting(
    segment: Segment,
    added: readonly Buffer[],
    offset: number,
    { kind }: { readonly kind: string },
  ): void {
    let at = 0
    const run = added.map((batch, i) => {
      segment.wait(batch, 0, batch.length)
      const lastOffset = (offset + i) as Offset
      const one = { at, sizeBytes: batch.length, lastOffset, maxTimestamp: 1000 + offset + i }
      at += batch.length
      return one
    })
    const bytes = segment.waiting
    segment.appendWaiting(run, kind.endsWith('frame') && segment.canKeepWaiting())
    // The journal's frame gets them now.
    expect(bytes.equals(Buffer.concat(added))).toBe(true)
  }

  async function use(segment: Segment, kind: string, batches: readonly Buffer[]): Promise<void> {
    if (kind === 'flush') await segment.flush()
    else if (kind === 'flush now') segment.flushSync()
    else if (kind === 'write kept') segment.writeKept()
    else if (kind === 'drop waiting') {
      segment.wait(Buffer.from('not wanted'), 0, 5)
      segment.writeKept()
      segment.dropWaiting()
    } else if (segment.sizeBytes > 0) {
      // A socket reads the file itself.
      const slice = segment.slice(0, segment.sizeBytes)
      const bytes = Buffer.alloc(segment.sizeBytes)
      expect(slice.file.read(bytes, 0)).toBe(bytes.length)
      expect(bytes.equals(Buffer.concat(batches))).toBe(true)
      slice.release()
    }
  }

  it('keeps nothing that the disk may have no room for', () => {
    const disk = simDisk(1, 30_000)
    const segment = makeSegment(disk)
    const batch = batchAt(0, 1000)
    segment.appendJournaled(batch, 0, batch.length, 0 as Offset, 1000)
    expect(contentOf(disk)).toHaveLength(0)
    // Somebody takes all the room there is: what is kept has its blocks.
    const other = disk.open('/data/other', 'create')
    other.write(Buffer.alloc(disk.space('/data').freeBytes), 0)
    segment.writeKept()
    expect(contentOf(disk).equals(batch)).toBe(true)
    // The next ones fill the blocks that are left, and one that finds none is not taken.
    const next = batchAt(1, 20_000)
    expect(() => segment.appendJournaled(next, 0, next.length, 1 as Offset, 1001)).toThrow(
      expect.objectContaining({ errno: 'ENOSPC' }),
    )
    expect(segment.sizeBytes).toBe(batch.length)
    expect(contentOf(disk).equals(batch)).toBe(true)
  })

  it('keeps what has blocks, and knows which it has, when an append finds no room', () => {
    const disk = simDisk(1, 40_000)
    const segment = makeSegment(disk)
    const other = disk.open('/data/other', 'create')
    const fill = () => {
      const { freeBytes } = disk.space('/data')
      if (freeBytes > 0) other.write(Buffer.alloc(freeBytes), other.size())
    }
    const keep = (offset: number, valueBytes: number) => {
      const batch = batchAt(offset, valueBytes)
      segment.appendJournaled(batch, 0, batch.length, offset as Offset, 1000 + offset)
      return batch
    }
    const full = expect.objectContaining({ errno: 'ENOSPC' })
    const batches = [keep(0, 1000)]
    fill()
    // Beyond what is reserved: by itself, and as a run behind what is kept.
    const large = batchAt(1, 38_000)
    expect(() => segment.append(large, 0, large.length, 1 as Offset, 1001)).toThrow(full)
    fill()
    expect(() => keep(1, 1000)).toThrow(full)
    other.truncate(20_000)
    batches.push(keep(1, 1000))
    fill()
    segment.wait(large, 0, large.length)
    const run = [{ at: 0, sizeBytes: large.length, lastOffset: 2 as Offset, maxTimestamp: 1002 }]
    expect(() => segment.appendWaiting(run, false)).toThrow(full)
    fill()
    segment.writeKept()
    expect(segment.isTorn).toBe(false)
    expect(contentOf(disk).equals(Buffer.concat(batches))).toBe(true)
  })

  it('has blocks ahead of its writes once it grows, and none beyond its limit', () => {
    const disk = simDisk()
    const segment = makeSegment(disk)
    const reservedAhead = () => disk.usedBytes - segment.sizeBytes
    for (let offset = 0; segment.sizeBytes < segmentBytes - 600_000; offset++) {
      const batch = batchAt(offset, 500_000)
      segment.append(batch, 0, batch.length, offset as Offset, 1000 + offset)
      const isReserved = segment.sizeBytes >= 4 << 20
      expect(reservedAhead() > 0).toBe(isReserved)
    }
    expect(disk.usedBytes).toBe(segmentBytes)
    segment.releaseReserved()
    expect(reservedAhead()).toBe(0)
  })

  it('gives back at recovery what a crash has left reserved', () => {
    const disk = simDisk()
    const segment = makeSegment(disk)
    const batch = batchAt(0, 5_000_000)
    segment.append(batch, 0, batch.length, 0 as Offset, 1000)
    segment.close()
    expect(disk.usedBytes).toBeGreaterThan(batch.length)
    const reopened = Segment.open(environmentOn(disk), 0 as Offset)
    reopened.rewrite(batch.length)
    expect(disk.usedBytes).toBe(batch.length)
    expect(contentOf(disk).equals(batch)).toBe(true)
  })

  it('asks a full disk for blocks again only when more was written', () => {
    const disk = simDisk(1, 5_000_000)
    const open = disk.open.bind(disk)
    let asked = 0
    disk.open = (...args) => {
      const file = open(...args)
      const reserve = file.reserve.bind(file)
      return Object.assign(file, {
        reserve(position: number, length: number) {
          asked++
          return reserve(position, length)
        },
      })
    }
    const segment = makeSegment(disk)
    for (let offset = 0; offset < 8; offset++) {
      const batch = batchAt(offset, 600_000)
      segment.append(batch, 0, batch.length, offset as Offset, 1000 + offset)
    }
    expect(asked).toBe(1)
    expect(disk.usedBytes).toBe(segment.sizeBytes)
  })

  it('writes where the file system cannot reserve', () => {
    const disk = simDisk()
    const open = disk.open.bind(disk)
    disk.open = (...args) => Object.assign(open(...args), { reserve: () => false })
    const segment = makeSegment(disk)
    const batch = batchAt(0, 1000)
    segment.appendJournaled(batch, 0, batch.length, 0 as Offset, 1000)
    expect(contentOf(disk).equals(batch)).toBe(true)
  })
})
