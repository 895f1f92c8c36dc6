/**
 * Goal: bytes that no checksum covers, the base offsets of batches and the entries of indexes,
 * never make a reader see a record under another offset, or pass one over.
 * Method: a closed log of several segments; one such field is damaged, and every offset is read.
 */
import { describe, expect, it } from 'vitest'
import { CorruptionError, LogError } from '../../src/base/errors.ts'
import type { Offset } from '../../src/base/types.ts'
import type { Log } from '../../src/log/log.ts'
import type { SimFileSystem } from '../../src/platform/sim-file-system.ts'
import { batchPositions, readFile, writeFile } from '../support/damaged-disk.ts'
import { expectIndexesEqualScan, openOn, simDisk, valuesIn } from '../support/log-inspection.ts'
import { rawBatch, rawRecord } from '../support/raw-batch.ts'

const directory = '/data/t-0'
const values = Array.from({ length: 30 }, (_, i) => `${i}-${'x'.repeat(60)}`)

/** 15 batches of two records, in several segments with several index entries each. */
async function closedLog(): Promise<SimFileSystem> {
  const disk = simDisk()
  const store = await openOn(disk)
  const log = await store.log('t')
  for (let i = 0; i < values.length; i += 2) {
    const pair = values.slice(i, i + 2)
    await log.append(pair.map((value, k) => ({ value, timestamp: 1000 + 10 * (i + k) })))
  }
  await store.close()
  return disk.processCrash()
}

function filesOf(disk: SimFileSystem, suffix: string): string[] {
  const names = disk.readDirectory(directory).filter((name) => name.endsWith(suffix))
  return names.map((name) => `${directory}/${name}`)
}

/** How many offsets answer with their own record; the others must be refused. */
function countServed(log: Log): number {
  let served = 0
  for (const [offset, value] of values.entries()) {
    try {
      const cursor = log.cursor({ from: offset })
      if (!cursor.next()) throw new Error(`offset ${offset} was passed over`)
      expect([cursor.offset, String(cursor.value())]).toEqual([offset, value])
      served++
    } catch (error) {
      if (!(error instanceof CorruptionError)) throw error
    }
  }
  return served
}

/** Opens the log; undefined when it is refused with file and position. */
async function opened(disk: SimFileSystem): Promise<Log | undefined> {
  const store = await openOn(disk)
  try {
    return await store.log('t')
  } catch (error) {
    if (!(error instanceof CorruptionError)) throw error
    expect(error.path).toContain(directory)
    return undefined
  }
}

describe('a damaged base offset', () => {
  it('is found whichever byte of it is wrong, by seeking and by walking', async () => {
    const clean = await closedLog()
    const logs = filesOf(clean, '.log')
    expect(logs.length).toBeGreaterThan(2)
    let refusedToOpen = 0
    for (const path of logs) {
      for (const position of batchPositions(readFile(clean, path))) {
        for (let byte = 0; byte < 8; byte++) {
          for (const mask of [1, 4, 0x80]) {
            const disk = clean.processCrash()
            disk.flipBits(path, position + byte, mask)
            const log = await opened(disk)
            if (log === undefined) refusedToOpen++
            else {
              expect(countServed(log)).toBeLessThan(values.length)
              expect(() => valuesIn(log)).toThrow(CorruptionError)
            }
          }
        }
      }
    }
    // Only damage behind the last index entry keeps the end of the log from being known.
    expect(refusedToOpen).toBeLessThan(100)
  })
})

describe('a damaged index', () => {
  it('is made anew when its offsets or positions are wrong', async () => {
    const clean = await closedLog()
    for (const path of filesOf(clean, '.index')) {
      const { length } = readFile(clean, path)
      for (let at = 0; at < length; at++) {
        for (const mask of [1, 2, 0x40, 0x80]) {
          const disk = clean.processCrash()
          disk.flipBits(path, at, mask)
          const log = (await opened(disk)) as Log
          expect(countServed(log), `byte ${at} of ${path}`).toBe(values.length)
          expect(valuesIn(log)).toEqual(values)
          expectIndexesEqualScan(log)
        }
      }
    }
  })

  it('does not change what a search by time finds', async () => {
    const clean = await closedLog()
    for (const path of filesOf(clean, '.timeindex')) {
      const whole = readFile(clean, path)
      for (let at = 0; at <= whole.length; at++) {
        for (const mask of at === whole.length ? [0] : [1, 2, 8, 0x80]) {
          const disk = clean.processCrash()
          if (mask === 0) writeFile(disk, path, whole.subarray(0, whole.length - 12))
          else disk.flipBits(path, at, mask)
          const log = (await opened(disk)) as Log
          for (const offset of values.keys()) {
            const found = log.offsetForTimestamp(1000 + 10 * offset - 5)
            expect(found, `byte ${at} of ${path}`).toMatchObject({ offset })
          }
          expect(log.offsetOfMaxTimestamp()).toMatchObject({ offset: values.length - 1 })
        }
      }
    }
  })

  it('is kept when it is the log that is damaged', async () => {
    const disk = await closedLog()
    const path = filesOf(disk, '.log')[0] as string
    const positions = batchPositions(readFile(disk, path))
    disk.flipBits(path, (positions[1] as number) + 7, 0x40)
    const index = readFile(disk, path.replace('.log', '.index'))
    const log = (await opened(disk)) as Log
    expect(countServed(log)).toBeGreaterThan(values.length - 4)
    expect(readFile(disk, path.replace('.log', '.index'))).toEqual(index)
  })
})

describe('a segment that was cut between two batches', () => {
  it('is reported where its records are missing', async () => {
    const disk = await closedLog()
    const path = filesOf(disk, '.log')[0] as string
    const positions = batchPositions(readFile(disk, path))
    disk.open(path, 'write').truncate(positions.at(-1) as number)
    const log = (await opened(disk)) as Log
    expect(countServed(log)).toBe(values.length - 2)
    expect(() => valuesIn(log)).toThrow(CorruptionError)
  })
})

describe('errors of a damaged log', () => {
  it('name file and position, also for an offset beyond all that can be', async () => {
    const disk = await closedLog()
    const path = filesOf(disk, '.log')[1] as string
    disk.flipBits(path, 0, 0x40)
    const log = (await opened(disk)) as Log
    const base = Number(path.slice(-24, -4)) as Offset
    let caught: unknown
    try {
      log.cursor({ from: base }).next()
    } catch (error) {
      caught = error
    }
    expect(caught).toBeInstanceOf(LogError)
    expect(caught).toMatchObject({ code: 'ERR_LOG_CORRUPT', path, position: 0 })
  })
})

describe('the last batch', () => {
  async function lastBatch(disk: SimFileSystem): Promise<{ path: string; position: number }> {
    const path = filesOf(disk, '.log').at(-1) as string
    return { path, position: batchPositions(readFile(disk, path)).at(-1) as number }
  }

  it('does not move the end of the log by a span that its checksum denies', async () => {
    const disk = await closedLog()
    const { path, position } = await lastBatch(disk)
    disk.flipBits(path, position + 24, 1)
    await expect((await openOn(disk)).log('t')).rejects.toMatchObject({ path, position })
  })

  it('may be damaged elsewhere: the recovery point says where the log ends', async () => {
    const disk = await closedLog()
    const { path, position } = await lastBatch(disk)
    disk.flipBits(path, position + 65, 1)
    const log = (await opened(disk)) as Log
    expect(log.endOffset).toBe(values.length)
    expect(countServed(log)).toBe(values.length - 2)
    expect((await log.append('next')).offset).toBe(values.length)
  })

  it.each([true, false])(
    'has a timestamp that can be, or is named (clean stop: %s)',
    async (isClean) => {
      const disk = await closedLog()
      const { path, position } = await lastBatch(disk)
      if (!isClean) disk.remove('/data/.kafka_cleanshutdown')
      disk.flipBits(path, position + 35, 0x20)
      const store = await openOn(disk)
      await expect(store.log('t')).rejects.toMatchObject({
        code: 'ERR_LOG_CORRUPT',
        path,
        position,
      })
    },
  )
})

describe('a log with holes', () => {
  it('goes on behind a segment of which nothing is left', async () => {
    const disk = simDisk()
    const store = await openOn(disk)
    await store.log('t')
    const batch = (base: number) =>
      rawBatch({
        baseOffset: BigInt(base),
        lastOffsetDelta: 0,
        recordCount: 1,
        records: rawRecord({ offsetDelta: 0, value: `${base}` }),
      })
    disk.makeDirectory('/data/u-0')
    for (const [base, bytes] of [
      [0, batch(0)],
      [3, Buffer.alloc(0)],
      [5, batch(5)],
    ] as const) {
      writeFile(disk, `/data/u-0/${String(base).padStart(20, '0')}.log`, bytes)
    }
    await store.close()
    const log = await (await openOn(disk)).log('u')
    expect(valuesIn(log)).toEqual(['0', '5'])
    const cursor = log.cursor({ from: 1 })
    expect([cursor.next(), cursor.offset]).toEqual([true, 5])
  })

  it('hands out a record that an earlier call had to stop before', async () => {
    const disk = simDisk()
    disk.makeDirectory('/data/t-0')
    const records = [
      rawRecord({ offsetDelta: 0, value: 'a' }),
      rawRecord({ offsetDelta: 4, value: 'b' }),
    ]
    const compacted = { lastOffsetDelta: 4, recordCount: 2, records: Buffer.concat(records) }
    writeFile(disk, `${directory}/${'0'.repeat(20)}.log`, rawBatch(compacted))
    const log = await (await openOn(disk)).log('t')
    const cursor = log.cursor()
    expect(cursor.next(2 as Offset)).toBe(true)
    expect(cursor.next(2 as Offset)).toBe(false)
    expect(cursor.next(4 as Offset)).toBe(false)
    expect(cursor.next()).toBe(true)
    expect([cursor.offset, String(cursor.value())]).toEqual([4, 'b'])
    expect(cursor.next()).toBe(false)
  })
})
