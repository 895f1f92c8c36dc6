/**
 * Goal: what the journal took comes back after a crash, in order and once, and nothing that was
 * truncated or is not whole does. Method: frames are written to a journal on the simulated disk,
 * the file is damaged or the machine stopped, and the replay is compared with what was written.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Journal } from '../../src/flush/journal.ts'
import {
  encodeRegionHeader,
  frameHeaderSize,
  journalPageBytes,
  recordHeaderSize,
} from '../../src/flush/journal-format.ts'
import { JournalFrame } from '../../src/flush/journal-frame.ts'
import { JournalReplay } from '../../src/flush/journal-replay.ts'
import type { SimFileSystem } from '../../src/platform/sim-file-system.ts'
import {
  a,
  b,
  cut,
  journalId,
  journalPath as path,
  recordsOf,
  regionBytes,
  write,
} from '../support/journal-frames.ts'
import { simDisk } from '../support/log-inspection.ts'
import { RecordingLogger } from '../support/recording-logger.ts'

function segmentText(disk: SimFileSystem, log: string): string {
  const file = disk.open(`/data/${log}/00000000000000000000.log`, 'read')
  const bytes = Buffer.alloc(file.size())
  file.read(bytes, 0)
  file.close()
  return bytes.toString().replaceAll('\0', '.')
}

async function replayAll(
  disk: SimFileSystem,
  topicIds: Record<string, string | undefined>,
): Promise<void> {
  const replay = new JournalReplay(disk, '/data')
  await replay.replayAll((log) => ({ topicId: topicIds[log], logStart: 0 as never }))
  replay.finish(new RecordingLogger())
}

describe('a journal frame', () => {
  it('writes again what a flush under way may fail to write, when it cannot wait for it', async () => {
    const disk = simDisk()
    const journal = await Journal.create(disk, '/data', regionBytes, journalId)
    write(journal, [a, 0, 'durable'])
    await journal.flush()
    write(journal, [a, 7, 'in doubt'])
    let flushes = 0
    disk.planFault = ({ kind }) =>
      kind === 'flush' && ++flushes === 1 ? { errno: 'EIO' } : undefined
    const failing = journal.flush()
    write(journal, [b, 0, 'next'])
    const waiting = journal.flush()
    journal.flushSync()
    await expect(failing).rejects.toThrow('EIO')
    await expect(waiting).rejects.toThrow('EIO')
    expect(flushes).toBe(2)
    expect(recordsOf(disk.crash({ class: 'nothing-unsynced' }))).toEqual([
      'a-0/id-of-a@0 durable',
      'a-0/id-of-a@7 in doubt',
      'b-0/@0 next',
    ])
  })

  it('is the bytes that docs/file-format.md shows', () => {
    const frame = new JournalFrame(journalPageBytes)
    frame.addWrite(a, 5 as never, 258, 9 as never, Buffer.from('data'), 0, 4)
    const bytes = frame.finish(7)
    expect(bytes.length).toBe(journalPageBytes)
    expect(
      bytes
        .subarray(0, 66)
        .toString('hex')
        .match(/.{1,8}/g)
        ?.join(' '),
    ).toBe(
      '534c4a46 00000042 5ee40fd1 00000001 00000000 00000007 ' +
        '01030700 00000102 00000000 00000005 00000000 00000009 00000004 ' +
        '612d3069 642d6f66 2d616461 7461',
    )
    expect(
      encodeRegionHeader(1, {
        regionBytes: 16_777_216,
        journalId,
        firstSequence: 7,
        isFree: false,
      })
        .subarray(0, 28)
        .toString('hex'),
    ).toBe('534c4a52000100010100000001020304000000000000000779d67ce0')
  })

  it('takes bytes that follow the last ones into the same record', () => {
    const frame = new JournalFrame(journalPageBytes)
    const add = (prefix: typeof a, position: number) =>
      frame.addWrite(prefix, 0 as never, position, 1 as never, Buffer.from('xy'), 0, 2)
    for (const [prefix, position] of [
      [a, 0],
      [a, 2],
      [b, 4],
      [a, 4],
      [a, 7],
    ] as const) {
      expect(add(prefix, position)).toBe(true)
    }
    expect(frame.finish(1).readUInt32BE(12)).toBe(4)
  })

  it('refuses what does not fit, and keeps what it has', () => {
    const frame = new JournalFrame(journalPageBytes)
    const room = journalPageBytes - frameHeaderSize - recordHeaderSize - a.bytes.length
    const add = (bytes: Buffer) =>
      frame.addWrite(a, 0 as never, 0, 1 as never, bytes, 0, bytes.length)
    expect(add(Buffer.alloc(room + 1))).toBe(false)
    expect(frame.isEmpty).toBe(true)
    expect(add(Buffer.alloc(room))).toBe(true)
    expect(add(Buffer.alloc(1))).toBe(false)
    expect(frame.paddedBytes).toBe(journalPageBytes)
  })

  it('takes nothing of a read that fails', () => {
    const frame = new JournalFrame(journalPageBytes)
    const place = { baseOffset: 0 as never, position: 0, endOffset: 1 as never }
    const failing = () => {
      throw new Error('EIO')
    }
    expect(() => frame.addRead(a, place, 10, failing)).toThrow('EIO')
    expect(frame.isEmpty).toBe(true)
    expect(frame.addRead(a, place, 10, (target) => target.fill('z'))).toBe(true)
    expect(frame.finish(1).readUInt32BE(12)).toBe(1)
  })
})

describe('a journal', () => {
  it('gives back what it took, in order, over both regions', async () => {
    const disk = simDisk()
    const journal = await Journal.create(disk, '/data', regionBytes, journalId)
    write(journal, [a, 0, 'one'], [b, 0, 'two'])
    write(journal, [a, 3, 'three'])
    expect(journal.turn()).toBe(0)
    write(journal, [a, 8, 'four'])
    const expected = [
      'a-0/id-of-a@0 one',
      'b-0/@0 two',
      'a-0/id-of-a@3 three',
      'a-0/id-of-a@8 four',
    ]
    expect(recordsOf(disk)).toEqual(expected)
    // The first region holds what was not written back: it is not used again before that.
    expect(journal.turn()).toBeUndefined()
    await journal.free(0)
    expect(journal.turn()).toBe(1)
    write(journal, [a, 12, 'five'])
    expect(recordsOf(disk)).toEqual(['a-0/id-of-a@8 four', 'a-0/id-of-a@12 five'])
  })

  it('loses nothing of one region while the other is written again', async () => {
    const disk = simDisk()
    const journal = await Journal.create(disk, '/data', regionBytes, journalId)
    write(journal, [a, 0, 'written back'])
    await journal.flush()
    journal.turn()
    write(journal, [a, 12, 'durable'])
    await journal.flush()
    await journal.free(0)
    journal.turn()
    write(journal, [a, 19, 'not durable'])
    for (let seed = 0; seed < 40; seed++) {
      const found = recordsOf(disk.crash({ class: 'random-pages', seed }))
      expect(found).toContain('a-0/id-of-a@12 durable')
    }
  })

  // Found by the exhaustive search of groups: one region had just become free, the header of the
  // other was not durable yet, and nothing told that its groups were of this journal.
  it('knows its last whole frame whatever becomes of the header of the region in use', async () => {
    const disk = simDisk()
    const journal = await Journal.create(disk, '/data', regionBytes, journalId)
    const lastFrame = (found: SimFileSystem) => new JournalReplay(found, '/data').lastFrame
    expect(lastFrame(disk)).toEqual({ journalId, sequence: 0, takenBack: [] })
    for (let use = 1; use <= 4; use++) {
      write(journal, [a, 0, 'written back'])
      await journal.flush()
      const left = journal.turn() as number
      write(journal, [a, 12, 'not durable'])
      const isLost = disk.crash({ class: 'nothing-unsynced' })
      expect(lastFrame(isLost)).toEqual({ journalId, sequence: 2 * use - 1, takenBack: [] })
      const freed = journal.free(left)
      // Its header alone reaches the disk.
      const torn = disk.processCrash()
      zeroPages(torn, journal.activeRegion, 2)
      expect(lastFrame(torn)).toEqual({ journalId, sequence: 2 * use - 1, takenBack: [] })
      await freed
      expect(lastFrame(disk)).toEqual({ journalId, sequence: 2 * use, takenBack: [] })
    }
  })

  function zeroPages(disk: SimFileSystem, region: number, count: number): void {
    const file = disk.open(path, 'write')
    file.write(Buffer.alloc(count * journalPageBytes), region * regionBytes)
    file.close()
  }

  it('says how much room is left', async () => {
    const journal = await Journal.create(simDisk(), '/data', regionBytes, journalId)
    expect(journal.hasRoom(journal.maxFrameBytes)).toBe(true)
    expect(journal.hasRoom(journal.maxFrameBytes + journalPageBytes)).toBe(false)
    for (let i = 0; i < 7; i++) write(journal, [a, 0, 'x'])
    expect(journal.hasRoom(journalPageBytes)).toBe(false)
  })

  it('is known to be durable after a flush, whatever a crash keeps of the rest', async () => {
    for (let seed = 1; seed <= 200; seed++) {
      const disk = simDisk(seed)
      const journal = await Journal.create(disk, '/data', regionBytes, journalId)
      write(journal, [a, 0, 'kept'])
      await journal.flush()
      if (seed % 3 === 0) journal.turn()
      write(journal, [a, 4, 'perhaps'])
      write(journal, [b, 0, 'perhaps too'])
      const found = recordsOf(disk.crash({ seed }))
      const all = ['a-0/id-of-a@0 kept', 'a-0/id-of-a@4 perhaps', 'b-0/@0 perhaps too']
      expect(found).toEqual(all.slice(0, Math.max(found.length, 1)))
    }
  })

  it('leaves no file behind when it cannot be made', async () => {
    const disk = simDisk(1, 10_000)
    await expect(Journal.create(disk, '/data', regionBytes, journalId)).rejects.toMatchObject({
      errno: 'ENOSPC',
    })
    expect(disk.stat(path)).toBeUndefined()
  })

  it('ends at the first frame with a wrong byte', async () => {
    const disk = simDisk()
    const journal = await Journal.create(disk, '/data', regionBytes, journalId)
    for (const text of ['one', 'two', 'three']) write(journal, [a, 0, text])
    for (let at = 0; at < frameHeaderSize + recordHeaderSize + 13; at++) {
      const damaged = disk.processCrash()
      damaged.flipBits(path, 2 * journalPageBytes + at, 1 << (at % 8))
      expect(recordsOf(damaged)).toEqual(['a-0/id-of-a@0 one'])
    }
  })

  it('of a later version is refused, and of no version is empty', async () => {
    const disk = simDisk()
    const file = disk.open(path, 'create')
    expect(recordsOf(disk)).toEqual([])
    file.write(Buffer.alloc(3 * journalPageBytes, 0x5a), 0)
    expect(recordsOf(disk)).toEqual([])
    const header = encodeRegionHeader(0, {
      regionBytes,
      journalId,
      firstSequence: 1,
      isFree: false,
    })
    header.writeUInt16BE(2, 4)
    const { crc32c } = await import('../../src/platform/crc32c.ts')
    header.writeUInt32BE(crc32c(header, 0, 24), 24)
    file.write(header, 0)
    expect(() => recordsOf(disk)).toThrow('journal version is 2: expected 1')
  })
})

describe('a replay', () => {
  const ids = { 'a-0': 'id-of-a', 'b-0': '' }

  it('writes back what topics that are still there lack', async () => {
    const disk = simDisk()
    const journal = await Journal.create(disk, '/data', regionBytes, journalId)
    write(journal, [a, 0, 'one'], [b, 2, 'two'])
    write(journal, [a, 3, 'more'])
    const killed = disk.processCrash()
    await replayAll(killed, ids)
    expect([segmentText(killed, 'a-0'), segmentText(killed, 'b-0')]).toEqual(['onemore', '..two'])
    expect(killed.crash({ class: 'nothing-unsynced' }).stat(path)).toBeUndefined()
    expect(segmentText(killed.crash({ class: 'nothing-unsynced' }), 'a-0')).toBe('onemore')
  })

  it('leaves alone a topic of the same name with another id, and one that is gone', async () => {
    const disk = simDisk()
    const journal = await Journal.create(disk, '/data', regionBytes, journalId)
    write(journal, [a, 0, 'one'], [b, 0, 'two'])
    await replayAll(disk, { 'a-0': 'another id' })
    expect(disk.stat('/data/a-0')).toBeUndefined()
    expect(disk.stat('/data/b-0')).toBeUndefined()
  })

  it('brings nothing back that was truncated', async () => {
    const disk = simDisk()
    const journal = await Journal.create(disk, '/data', regionBytes, journalId)
    write(journal, [a, 0, 'abcdef'], [b, 0, 'kept'])
    write(journal, [a, 6, 'ghi'])
    cut(journal, a, 4)
    write(journal, [a, 4, 'X'])
    await replayAll(disk, ids)
    expect([segmentText(disk, 'a-0'), segmentText(disk, 'b-0')]).toEqual(['abcdX', 'kept'])
  })

  it('replays a segment whole or, once it was trimmed away, not at all', async () => {
    const disk = simDisk()
    const journal = await Journal.create(disk, '/data', regionBytes, journalId)
    write(journal, [a, 0, 'abc'])
    write(journal, [b, 0, 'abc'])
    write(journal, [b, 3, 'def'])
    const replay = new JournalReplay(disk, '/data')
    await replay.replayAll((log) => {
      return { topicId: log === 'a-0' ? 'id-of-a' : '', logStart: 4 as never }
    })
    expect(disk.readDirectory('/data/a-0')).toEqual([])
    expect(segmentText(disk, 'b-0')).toBe('abcdef')
  })

  it('gives the same twice as once, whatever was written and cut', async () => {
    const step = fc.record({
      isCut: fc.boolean(),
      log: fc.constantFrom('a-0', 'b-0'),
      position: fc.nat(40),
      text: fc.string({ minLength: 1, maxLength: 20, unit: fc.constantFrom('x', 'y', 'z') }),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 7 }), async (steps) => {
        const disk = simDisk()
        const journal = await Journal.create(disk, '/data', regionBytes, journalId)
        const model: Record<string, string> = { 'a-0': '', 'b-0': '' }
        for (const { isCut, log, position, text } of steps) {
          const known = model[log] as string
          const prefix = log === 'a-0' ? a : b
          // A log has no holes: what is written follows, and what is cut was there.
          const at = Math.min(position, known.length)
          if (isCut) {
            cut(journal, prefix, at)
            model[log] = known.slice(0, at)
          } else {
            write(journal, [prefix, known.length, text])
            model[log] = known + text
          }
        }
        const once = disk.processCrash()
        await replayAll(once, ids)
        const interrupted = disk.processCrash()
        const half = new JournalReplay(interrupted, '/data')
        await half.replay('a-0', { topicId: 'id-of-a', logStart: 0 as never })
        await replayAll(interrupted, ids)
        for (const found of [once, interrupted]) {
          for (const [log, text] of Object.entries(model)) {
            const isThere = found.stat(`/data/${log}/00000000000000000000.log`) !== undefined
            expect(isThere ? segmentText(found, log) : '').toBe(text)
          }
        }
      }),
    )
  })
})
