/**
 * Goal: ranges of batches come out as they stand in the log, or with an error that says where to go
 * on. Method: small segments on a simulated disk, against what a scan of the files finds.
 */
import { describe, expect, it } from 'vitest'
import { OffsetOutOfRangeError } from '../../src/base/errors.ts'
import type { Log } from '../../src/log/log.ts'
import type { RawBatches } from '../../src/log/raw-read.ts'
import { BatchView } from '../../src/record/batch-view.ts'
import { openOn, scanSegment, simDisk } from '../support/log-inspection.ts'

async function filledLog(batches = 60) {
  const disk = simDisk()
  const store = await openOn(disk)
  const log = await store.log('t')
  for (let i = 0; i < batches; i++) {
    const values = Array.from({ length: 1 + (i % 3) }, (_, k) => `value ${i}.${k}`)
    await log.append(values, { level: 'os' })
  }
  return { disk, store, log }
}

/** All bytes of the log's segments, one after the other. */
function wholeLog(log: Log): Buffer {
  const parts = Array.from(log.segments, (segment) => {
    const bytes = Buffer.alloc(segment.sizeBytes)
    segment.readInto(bytes, 0)
    return bytes
  })
  return Buffer.concat(parts)
}

function present(found: RawBatches | undefined): RawBatches {
  if (found === undefined) throw new Error('no batches where some were expected')
  return found
}

describe('a raw read by offset', () => {
  it.each([1, 100, 300, 1_000_000])('gives every byte once, in ranges of %i', async (maxBytes) => {
    const { log } = await filledLog()
    expect(log.segments.count).toBeGreaterThan(4)
    const parts: Buffer[] = []
    let from = 0
    for (let at = log.readRaw({ from, maxBytes }); at; at = log.readRaw({ from, maxBytes })) {
      expect([at.baseOffset, at.segment]).toEqual([
        from,
        log.segments.floor(at.baseOffset)?.baseOffset,
      ])
      const batches = scanSegment(log.segments.floor(at.baseOffset)!)
      const inRange = batches.filter(
        ({ position }) => position >= at!.position && position < at!.position + at!.bytes.length,
      )
      expect([inRange[0]?.position, inRange.at(-1)?.lastOffset]).toEqual([
        at.position,
        at.nextOffset - 1,
      ])
      if (inRange.length > 1) expect(at.bytes.length).toBeLessThanOrEqual(maxBytes)
      parts.push(at.bytes)
      from = at.nextOffset
    }
    expect(from).toBe(log.endOffset)
    expect(Buffer.concat(parts).equals(wholeLog(log))).toBe(true)
  })

  it('begins with the batch that holds the offset, and ends before one that reaches its bound', async () => {
    const { log } = await filledLog()
    // Offsets 3 to 5 are one batch.
    expect(log.readRaw({ from: 4, maxBytes: 1 })).toMatchObject({ baseOffset: 3, nextOffset: 6 })
    expect(log.readRaw({ from: 3, upTo: 5 })).toBeUndefined()
    expect(log.readRaw({ from: 3, upTo: 6 })).toMatchObject({ nextOffset: 6 })
    expect(log.readRaw({ from: 0, upTo: 5 })).toMatchObject({ baseOffset: 0, nextOffset: 3 })
    expect(log.readRaw({ from: log.endOffset })).toBeUndefined()
  })

  it('gives bytes that are the callers own', async () => {
    const { log } = await filledLog()
    const first = present(log.readRaw({ from: 0 }))
    first.bytes.fill(0)
    const again = present(log.readRaw({ from: 0 }))
    expect(new BatchView().at(again.bytes, 0).hasValidCrc()).toBe(true)
  })

  it('reports a damaged batch with file and place, unless told not to look', async () => {
    const { disk, log } = await filledLog()
    const second = scanSegment(log.segments.first)[1]!
    disk.flipBits(log.segments.first.path, second.position + 70, 1)
    expect(() => log.readRaw({ from: 0 })).toThrow(
      expect.objectContaining({ code: 'ERR_LOG_CORRUPT', position: second.position }),
    )
    expect(log.readRaw({ from: 0, verify: false })).toMatchObject({ baseOffset: 0 })
    // Offsets are under no checksum.
    disk.flipBits(log.segments.first.path, second.position + 7, 1)
    expect(() => log.readRaw({ from: 0, verify: false })).toThrow(
      expect.objectContaining({ code: 'ERR_LOG_CORRUPT', position: second.position }),
    )
  })

  it.each([
    {},
    { from: -1 },
    { from: 0, maxBytes: 0 },
    { from: 0, upTo: -1 },
    { from: 0, verify: 1 },
    { from: 0, bytes: 1 },
  ])('refuses %j', async (options) => {
    const { log } = await filledLog(3)
    expect(() => log.readRaw(options as never)).toThrow(
      expect.objectContaining({ code: 'ERR_OPTION_INVALID' }),
    )
  })
})

describe('a raw read by place', () => {
  it.each([1, 300, 1_000_000])(
    'goes on where the range before ended, by %i bytes',
    async (maxBytes) => {
      const { log } = await filledLog()
      const parts: Buffer[] = []
      let place = { segment: 0, position: 0 }
      for (;;) {
        const at = log.readRawAt({ ...place, maxBytes })
        if (at === undefined) break
        parts.push(at.bytes)
        place = { segment: at.segment, position: at.position + at.bytes.length }
      }
      expect(Buffer.concat(parts).equals(wholeLog(log))).toBe(true)
      await log.append('more', { level: 'os' })
      expect(log.readRawAt(place)).toMatchObject({ nextOffset: log.endOffset })
    },
  )

  it('refuses places where no segment or no batch begins', async () => {
    const { log } = await filledLog()
    const size = log.segments.first.sizeBytes
    const batch = scanSegment(log.segments.first)[1]!.position
    for (const place of [
      { segment: 1, position: 0 },
      { segment: 0, position: batch + 1 },
      { segment: 0, position: size + 1 },
      { segment: 0, position: -1 },
      { segment: 0 },
    ]) {
      expect(() => log.readRawAt(place as never), JSON.stringify(place)).toThrow(
        expect.objectContaining({ code: 'ERR_OPTION_INVALID' }),
      )
    }
    expect(log.readRawAt({ segment: 0, position: batch })).toMatchObject({ position: batch })
  })
})

describe('a reader whose place is gone', () => {
  /** A log whose first segments are gone, and readers of every kind that stood there. */
  async function trimmed() {
    const { disk, store, log } = await filledLog()
    const loaded = log.cursor()
    loaded.next()
    const fresh = log.cursor()
    const followed = log.follow({ from: 0 })
    await followed.next()
    const waiting = log.read({ from: 0 })
    const slice = log.readSlice(0, 200, { upTo: log.endOffset, minOneBatch: true })!
    const bytes = Buffer.alloc(slice.length)
    slice.file.read(bytes, slice.position)
    const gone = log.segments.first
    log.trim(50)
    expect(gone.state).toBe('closed')
    return { disk, store, log, loaded, fresh, followed, waiting, slice, bytes }
  }

  const says = (start: number, end: number) =>
    expect.objectContaining({
      name: 'OffsetOutOfRangeError',
      code: 'ERR_OFFSET_OUT_OF_RANGE',
      logStartOffset: start,
      logEndOffset: end,
    })

  it('is told the new start, whichever way it reads', async () => {
    const { log, loaded, fresh, followed, waiting } = await trimmed()
    const error = says(50, log.endOffset)
    expect(() => loaded.next()).toThrow(error)
    expect(() => fresh.next()).toThrow(error)
    await expect(followed.next()).rejects.toEqual(error)
    await expect(waiting.next()).rejects.toEqual(error)
    expect(() => log.readRaw({ from: 49 })).toThrow(error)
    expect(() => log.readRawAt({ segment: 0, position: 0 })).toThrow(error)
    const bounds = { upTo: log.endOffset, minOneBatch: true }
    expect(() => log.readSlice(0, 200, bounds)).toThrow(error)
    expect(() => log.availableBytes(0, log.endOffset)).toThrow(error)
    expect(() => log.cursor({ from: 0 })).toThrow(error)
  })

  it('is not given what was trimmed of a segment that is still there', async () => {
    const { log } = await trimmed()
    const { first } = log.segments
    const batches = scanSegment(first)
    const kept = batches.find(({ lastOffset }) => lastOffset >= 50)!
    expect(batches[0]?.lastOffset).toBeLessThan(50)
    expect(() => log.readRawAt({ segment: first.baseOffset, position: 0 })).toThrow(
      OffsetOutOfRangeError,
    )
    const place = { segment: first.baseOffset, position: kept.position }
    expect(log.readRawAt(place)).toMatchObject({ baseOffset: kept.baseOffset })
  })

  it('can still send the slice it was given', async () => {
    const { slice, bytes } = await trimmed()
    const again = Buffer.alloc(slice.length)
    expect(slice.file.read(again, slice.position)).toBe(slice.length)
    expect(again.equals(bytes)).toBe(true)
    slice.release()
  })

  it('is told so after a truncation too', async () => {
    const { log } = await filledLog()
    const cursor = log.cursor({ from: log.endOffset - 1 })
    const last = log.segments.active.baseOffset
    const raw = present(log.readRaw({ from: last }))
    log.truncate(50)
    const error = says(0, log.endOffset)
    expect(() => cursor.next()).toThrow(error)
    expect(() => log.readRaw({ from: raw.nextOffset })).toThrow(error)
    expect(() => log.readRawAt({ segment: last, position: 0 })).toThrow(error)
  })

  it('is told that the log was closed', async () => {
    const { store, log } = await filledLog(3)
    await store.close()
    expect(() => log.readRaw({ from: 0 })).toThrow(expect.objectContaining({ code: 'ERR_CLOSED' }))
    expect(() => log.readRawAt({ segment: 0, position: 0 })).toThrow(
      expect.objectContaining({ code: 'ERR_CLOSED' }),
    )
  })
})
