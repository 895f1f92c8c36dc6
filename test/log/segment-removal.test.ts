/**
 * Goal: a trim that returned never comes back, whatever is deleted when. Names of segments go at
 * once, their space after `file.delete.delay.ms`; transfers under way finish.
 */
import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { SimClock } from '../../crash/sim/sim-clock.ts'
import { OffsetOutOfRangeError, StorageError } from '../../src/base/errors.ts'
import { crashClasses } from '../../src/platform/sim-crash-class.ts'
import type { SimFileSystem } from '../../src/platform/sim-file-system.ts'
import { appendClient, clientBatch, openOn, simDisk, valuesIn } from '../support/log-inspection.ts'
import { RecordingLogger } from '../support/recording-logger.ts'

const directory = '/data/t-0'

async function openLog(disk = simDisk(), config: Record<string, string> = {}) {
  const clock = new SimClock()
  const logger = new RecordingLogger()
  const store = await openOn(disk, { clock, logger, random: () => 0 })
  if (store.topic('t') === undefined) await store.createTopic('t', { config })
  return { disk, clock, logger, store, log: await store.log('t') }
}

/** Three segments of two records each, and an active one with the record at offset 6. */
async function filled(disk = simDisk(), config: Record<string, string> = {}) {
  const opened = await openLog(disk, config)
  for (let segment = 0; segment < 3; segment++) {
    await opened.log.append(['a', 'b'])
    opened.log.roll()
  }
  await opened.log.append('last')
  await opened.log.flush()
  return opened
}

/** So many segments of one record each, and an empty active one. */
async function manySegments(count: number, config: Record<string, string> = {}) {
  const opened = await openLog(simDisk(), config)
  for (let i = 0; i < count; i++) {
    await opened.log.append(`${i}`, { level: 'os' })
    opened.log.roll()
  }
  await opened.log.flush()
  return opened
}

function filesOf(disk: SimFileSystem, suffix: string): string[] {
  return disk.readDirectory(directory).filter((name) => name.endsWith(suffix))
}

/** Lets what began off the loop's thread end. */
async function turns(): Promise<void> {
  for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve))
}

describe('segments that left their log', () => {
  it('lose their names at once and give back their space when the delay is over', async () => {
    const { disk, clock, log } = await filled()
    log.trim(4)
    expect(filesOf(disk, '.log')).toHaveLength(2)
    expect(filesOf(disk, '.deleted')).toHaveLength(6)
    clock.advance(59_999)
    await turns()
    expect(filesOf(disk, '.deleted')).toHaveLength(6)
    clock.advance(1)
    await turns()
    expect(filesOf(disk, '.deleted')).toEqual([])
    expect(valuesIn(log)).toEqual(['a', 'b', 'last'])
  })

  it('go at once without a delay', async () => {
    const { disk, log } = await filled(simDisk(), { 'file.delete.delay.ms': '0' })
    log.trim(4)
    expect(filesOf(disk, '.deleted')).toEqual([])
    expect(filesOf(disk, '.log')).toHaveLength(2)
  })

  it.each(['60000', '0'])('go a few a turn where others wait (delay %s)', async (delay) => {
    const { disk, log } = await manySegments(100, { 'file.delete.delay.ms': delay })
    const counts = [filesOf(disk, '.log').length]
    const trimming = log.trimGently(90)
    expect(log.startOffset).toBe(90)
    counts.push(filesOf(disk, '.log').length)
    for (let isOver = false; !isOver; counts.push(filesOf(disk, '.log').length)) {
      isOver = await Promise.race([trimming.then(() => true), turn().then(() => false)])
    }
    const most = Math.max(...counts.slice(1).map((count, i) => counts[i]! - count))
    expect(most).toBeLessThanOrEqual(delay === '0' ? 1 : 32)
    expect([counts[0], counts.at(-1)]).toEqual([101, 11])
    // Durable: no loss of power brings a name back.
    const found = disk.crash({ class: 'nothing-unsynced' })
    expect(filesOf(found, '.log')).toEqual(filesOf(disk, '.log'))
  })

  it('that are going do not take what a truncation let in meanwhile', async () => {
    const { log } = await manySegments(100)
    const trimming = log.trimGently(90)
    log.truncate(50)
    for (let i = 0; i < 60; i++) {
      await log.append(`new ${i}`)
      log.roll()
    }
    await trimming
    expect([log.startOffset, log.endOffset]).toEqual([50, 110])
    expect(valuesIn(log)).toEqual(Array.from({ length: 60 }, (_, i) => `new ${i}`))
  })

  it('and whose log is closed in the middle do not come back after the clean stop', async () => {
    const { disk, store, log } = await manySegments(100)
    const trimming = log.trimGently(90)
    await store.close()
    await trimming
    const found = disk.crash({ class: 'nothing-unsynced' })
    const again = await openOn(found)
    expect([again.wasClean, (await again.log('t')).startOffset]).toEqual([true, 90])
  })

  it('are gone when the store is closed, and when it is opened after a crash', async () => {
    const { disk, store, log } = await filled()
    log.trim(4)
    const crashed = disk.processCrash()
    await store.close()
    expect(filesOf(disk, '.deleted')).toEqual([])
    await openOn(crashed)
    expect(filesOf(crashed, '.deleted')).toEqual([])
  })

  it('do not stand in the way of deleting their topic', async () => {
    const { disk, clock, store, logger, log } = await filled()
    log.trim(4)
    await store.deleteTopic('t')
    clock.advance(60_000)
    await turns()
    expect(logger.at('warn')).toEqual([])
    await store.close()
    expect(disk.readDirectory('/data').filter((name) => name.includes('t-0'))).toEqual([])
  })

  it('are read to their end by whoever has a slice of them, and by nobody else', async () => {
    const { disk, clock, log } = await filled()
    const slice = log.readSlice(0, 1000, { upTo: 2, minOneBatch: true })!
    const cursor = log.cursor()
    expect(cursor.next()).toBe(true)
    const following = log.follow({ from: 0 })
    await following.next()
    log.trim(4)
    clock.advance(60_000)
    await turns()
    const bytes = Buffer.alloc(slice.length)
    expect(slice.file.read(bytes, slice.position)).toBe(slice.length)
    slice.release()
    const outOfRange = { code: 'ERR_OFFSET_OUT_OF_RANGE', logStartOffset: 4, logEndOffset: 7 }
    expect(() => cursor.next()).toThrow(expect.objectContaining(outOfRange))
    await expect(following.next()).rejects.toMatchObject(outOfRange)
    expect(() => log.readSlice(1, 1000, { upTo: 2, minOneBatch: true })).toThrow(
      OffsetOutOfRangeError,
    )
    expect(filesOf(disk, '.deleted')).toEqual([])
  })

  it('stay, with a warning, when the disk does not remove them', async () => {
    const { disk, clock, logger, log } = await filled()
    log.trim(2)
    disk.planFault = ({ kind }) => (kind === 'remove' ? { errno: 'EIO' } : undefined)
    clock.advance(60_000)
    expect((await logger.first('warn')).message).toBe('a removed segment stays on disk')
    expect([log.state, valuesIn(log).length]).toEqual(['open', 5])
  })

  it('take their producer snapshots with them', async () => {
    const { disk, log } = await openLog(simDisk(), {})
    for (let i = 0; i < 4; i++) {
      const producer = { producerId: 1, producerEpoch: 0, baseSequence: i }
      appendClient(log, clientBatch(['x'], { producer, timestamps: [1] }))
      log.roll()
    }
    await log.flush()
    expect(filesOf(disk, '.snapshot')).toHaveLength(4)
    log.trim(3)
    await turns()
    expect(filesOf(disk, '.snapshot')).toHaveLength(2)
  })

  it('do without those that somebody else removed, and so does a clean stop', async () => {
    const { disk, log, logger, store } = await openLog(simDisk(), {})
    for (let i = 0; i < 6; i++) {
      const producer = { producerId: 1, producerEpoch: 0, baseSequence: i }
      appendClient(log, clientBatch(['x'], { producer, timestamps: [1] }))
      log.roll()
    }
    await log.flush()
    for (const name of filesOf(disk, '.snapshot').slice(0, 4)) disk.remove(`${directory}/${name}`)
    log.trim(2)
    await turns()
    log.truncate(3)
    await store.close()
    expect(logger.at('warn')).toEqual([])
    expect(filesOf(disk, '.snapshot').length).toBeLessThanOrEqual(1)
  })
})

describe('a trim', () => {
  it.each(crashClasses)('does not come back after %s, within a segment either', async (kind) => {
    for (const to of [1, 3, 6]) {
      const { disk, log } = await filled()
      log.trim(to)
      const again = await (await openOn(disk.crash({ class: kind }))).log('t')
      expect([again.startOffset, again.endOffset]).toEqual([to, 7])
    }
  })

  it('that failed is made durable when it is tried again', async () => {
    const { disk, log } = await filled()
    disk.planFault = ({ path }) => (path.includes('checkpoint') ? { errno: 'EIO' } : undefined)
    expect(() => log.trim(5)).toThrow(StorageError)
    expect(filesOf(disk, '.log')).toHaveLength(4)
    disk.planFault = undefined
    log.trim(5)
    expect(filesOf(disk, '.log')).toHaveLength(2)
    const again = await (await openOn(disk.crash({ class: 'nothing-unsynced' }))).log('t')
    expect([again.startOffset, valuesIn(again)]).toEqual([5, ['b', 'last']])
  })
})
