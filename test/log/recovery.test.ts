/**
 * Goal: after an unclean stop a log is the longest whole prefix of what was written, whatever
 * happened to the bytes past the recovery point and to derived files.
 * Method: one small log, killed; its files are damaged in every place that matters and opened.
 */
import { describe, expect, it } from 'vitest'
import type { Log } from '../../src/log/log.ts'
import type { SimFileSystem } from '../../src/platform/sim-file-system.ts'
import { verifyStore } from '../../src/store/verify-store.ts'
import { filesBelow } from '../support/damaged-disk.ts'
import {
  appendClient,
  clientBatch,
  dataPath,
  expectDense,
  expectIndexesEqualScan,
  openOn,
  simDisk,
  valuesIn,
} from '../support/log-inspection.ts'
import { RecordingLogger } from '../support/recording-logger.ts'

const directory = '/data/t-0'
const firstSegment = `${directory}/00000000000000000000.log`

/** A killed store with one log of these batches, nothing of it known to be durable. */
async function killedLog(batches: readonly (readonly string[])[]): Promise<SimFileSystem> {
  const disk = simDisk()
  // A journal would repair the damage.
  const store = await openOn(disk, { journalBytes: 0 })
  const log = await store.log('t')
  for (const batch of batches) await log.append(batch, { level: 'disk' })
  return disk.processCrash()
}

function read(disk: SimFileSystem, path: string): Buffer {
  const file = disk.open(path, 'read')
  const bytes = Buffer.alloc(file.size())
  file.read(bytes, 0)
  file.close()
  return bytes
}

function write(disk: SimFileSystem, path: string, bytes: Buffer): void {
  const file = disk.open(path, 'open-or-create')
  file.truncate(0)
  file.write(bytes, 0)
  file.close()
}

async function recovered(disk: SimFileSystem): Promise<string[]> {
  const store = await openOn(disk)
  const log = await store.log('t')
  expectDense(log)
  expectIndexesEqualScan(log)
  const values = valuesIn(log)
  await log.append('more', { level: 'os' })
  expect(valuesIn(log)).toEqual([...values, 'more'])
  return values
}

describe('recovery of a torn tail', () => {
  const batches = [['a', 'b'], ['c'], ['d', 'e', 'f']]
  const ends = [0, 2, 3, 6]

  it('keeps whole batches for every length the file may have been cut to', async () => {
    const killed = await killedLog(batches)
    const whole = read(killed, firstSegment)
    const borders = [0]
    while ((borders.at(-1) as number) < whole.length) {
      const last = borders.at(-1) as number
      borders.push(last + 12 + whole.readInt32BE(last + 8))
    }
    for (let length = 0; length <= whole.length; length++) {
      const disk = killed.processCrash()
      disk.open(firstSegment, 'write').truncate(length)
      const kept = borders.filter((border) => border <= length).length - 1
      expect(await recovered(disk), `cut to ${length}`).toEqual(batches.flat().slice(0, ends[kept]))
    }
  })

  it('drops the last batch whichever bit of it is wrong', async () => {
    const killed = await killedLog(batches)
    const whole = read(killed, firstSegment)
    const start = 12 + whole.readInt32BE(8) + 12 + whole.readInt32BE(12 + whole.readInt32BE(8) + 8)
    for (let bit = start * 8; bit < whole.length * 8; bit++) {
      const disk = killed.processCrash()
      disk.flipBits(firstSegment, bit >> 3, 1 << (bit & 7))
      expect(await recovered(disk), `bit ${bit - start * 8}`).toEqual(['a', 'b', 'c'])
    }
  })

  it.each([1, 16, 17, 61, 4096])('cuts a tail of %i zeros', async (zeros) => {
    const disk = await killedLog(batches)
    const { sizeBytes } = disk.stat(firstSegment) as { sizeBytes: number }
    disk.open(firstSegment, 'write').truncate(sizeBytes + zeros)
    expect(await recovered(disk)).toEqual(batches.flat())
  })
})

describe('recovery of several segments', () => {
  const values = Array.from({ length: 40 }, (_, i) => `${i}-${'x'.repeat(100)}`)
  const several = () => killedLog(values.map((value) => [value]))

  it('drops what follows damage in the middle', async () => {
    const disk = await several()
    const names = disk.readDirectory(directory).filter((name) => name.endsWith('.log'))
    expect(names.length).toBeGreaterThan(3)
    const second = names[1] as string
    disk.flipBits(`${directory}/${second}`, 400, 1)
    const kept = await recovered(disk)
    expect(kept.length).toBeGreaterThanOrEqual(Number(second.slice(0, 20)))
    expect(kept.length).toBeLessThan(Number((names[2] as string).slice(0, 20)))
    expect(kept).toEqual(values.slice(0, kept.length))
  })

  it('rebuilds index files that are missing, garbage, preallocated or torn', async () => {
    const killed = await several()
    const closing = await openOn(killed)
    await closing.close()
    const clean = killed.processCrash()
    const indexes = clean.readDirectory(directory).filter((name) => name.endsWith('index'))
    const kinds: Record<string, (disk: SimFileSystem, path: string) => void> = {
      missing: (disk, path) => disk.remove(path),
      empty: (disk, path) => write(disk, path, Buffer.alloc(0)),
      garbage: (disk, path) => write(disk, path, Buffer.from('not an index file at all!!!!')),
      ones: (disk, path) => write(disk, path, Buffer.alloc(240, 0xff)),
      preallocated: (disk, path) => disk.open(path, 'write').truncate(10 * 1024 * 1024),
    }
    for (const [kind, damage] of Object.entries(kinds)) {
      for (const isClean of [true, false]) {
        const disk = clean.processCrash()
        if (!isClean) disk.remove('/data/.kafka_cleanshutdown')
        for (const name of indexes) damage(disk, `${directory}/${name}`)
        const store = await openOn(disk)
        const log = await store.log('t')
        expect(store.wasClean).toBe(isClean)
        expectDense(log)
        expect(valuesIn(log), kind).toEqual(values)
        expectIndexesEqualScan(log)
        await store.close()
      }
    }
  })

  it('trusts what is below the recovery point, and reports damage there when it is read', async () => {
    const disk = simDisk()
    const store = await openOn(disk)
    const log = await store.log('t')
    for (const value of values) await log.append(value)
    log.trim(1) // cheap way to nothing: the checkpoint below is what counts
    log.truncate(39) // writes the recovery point
    const killed = disk.processCrash()
    killed.flipBits(firstSegment, 300, 1)
    const again = await (await openOn(killed)).log('t')
    expect(again.endOffset).toBe(39)
    expect(() => valuesIn(again)).toThrow(
      /checksum mismatch .* at byte \d+ of \/data\/t-0\/0{20}\.log/,
    )
  })

  it('removes left-overs and indexes without a segment', async () => {
    const disk = await several()
    for (const name of ['99.log.deleted', '0.log.cleaned', '77.index', '77.timeindex']) {
      const path = `${directory}/${name.replace(/^\d+/, (digits) => digits.padStart(20, '0'))}`
      write(disk, path, Buffer.from('left over'))
    }
    expect(await recovered(disk)).toEqual(values)
    const left = disk.readDirectory(directory)
    expect(left.filter((name) => /deleted|cleaned|77/.test(name))).toEqual([])
  })

  it('finishes a swap that had begun', async () => {
    const disk = await several()
    const name = disk.readDirectory(directory).filter((one) => one.endsWith('.log'))[1] as string
    disk.rename(`${directory}/${name}`, `${directory}/${name}.swap`)
    const kept = `${directory}/${name}.0.damaged`
    write(disk, kept, Buffer.from('what a repair took out'))
    expect(await recovered(disk)).toEqual(values)
    expect(disk.stat(kept)).toBeDefined()
  })

  it.each(['recovery-point-offset-checkpoint', 'log-start-offset-checkpoint'])(
    'recovers everything when %s is garbage',
    async (name) => {
      const disk = await several()
      write(disk, `/data/${name}`, Buffer.from('0\n7\nnonsense'))
      expect(await recovered(disk)).toEqual(values)
    },
  )

  it('opens with a garbage leader epoch file', async () => {
    const disk = await several()
    write(disk, `${directory}/leader-epoch-checkpoint`, Buffer.from('what is this'))
    const log = await (await openOn(disk)).log('t')
    expect(valuesIn(log)).toEqual(values)
    expect(log.epochOf(0)).toBe(0)
  })

  it('keeps a log whose checkpointed start lies beyond its end, and says so', async () => {
    const disk = await several()
    const before = filesBelow(disk, directory)
    write(disk, '/data/log-start-offset-checkpoint', Buffer.from('0\n1\nt 0 1000\n'))
    const store = await openOn(disk)
    await expect(store.log('t')).rejects.toMatchObject({ code: 'ERR_LOG_CORRUPT' })
    await store.close()
    for (const [path, bytes] of before) {
      if (path.endsWith('.log')) expect(read(disk, path)).toEqual(bytes)
    }
  })
})

describe('records that were durable', () => {
  const values = Array.from({ length: 40 }, (_, i) => `${i}-${'x'.repeat(100)}`)

  /** A killed store whose first 40 records are below the recovery point, and two more are not. */
  async function killedLater(): Promise<SimFileSystem> {
    const disk = simDisk()
    const store = await openOn(disk)
    const log = await store.log('t')
    for (const value of values) await log.append(value)
    await store.close()
    const again = await openOn(disk)
    await (await again.log('t')).append(['more', 'still more'])
    await (await again.log('other')).append('elsewhere')
    return disk.processCrash()
  }

  it.each([
    ['a base offset', 7],
    ['a length', 8],
    ['a leader epoch', 12],
    ['a format version', 16],
  ])('are not cut because %s among them is damaged, and other logs open', async (_, byte) => {
    const disk = await killedLater()
    const last = disk
      .readDirectory(directory)
      .filter((name) => name.endsWith('.log'))
      .at(-1)
    const path = `${directory}/${last}`
    disk.flipBits(path, byte, 0x10)
    const before = read(disk, path)
    const logger = new RecordingLogger()
    const store = await openOn(disk, { logger })
    await expect(store.log('t')).rejects.toMatchObject({
      code: 'ERR_LOG_CORRUPT',
      path,
      position: 0,
    })
    expect(valuesIn(await store.log('other'))).toEqual(['elsewhere'])
    expect(logger.at('error')[0]).toMatchObject({ fields: { log: 't-0' } })
    expect(read(disk, path)).toEqual(before)
    await store.close()
    // Not clean: the damaged log was not recovered, and what it held beyond must be checked then.
    expect(disk.stat('/data/.kafka_cleanshutdown')).toBeUndefined()
    disk.flipBits(path, byte, 0x10)
    const healed = await openOn(disk)
    expect(valuesIn(await healed.log('t'))).toEqual([...values, 'more', 'still more'])
  })

  it.each([true, false])(
    'are missed when the file ends before them (clean stop: %s)',
    async (isClean) => {
      const disk = await killedLater()
      if (isClean) await (await openOn(disk)).close()
      const last = disk
        .readDirectory(directory)
        .filter((name) => name.endsWith('.log'))
        .at(-1)
      disk.open(`${directory}/${last}`, 'write').truncate(0)
      const store = await openOn(disk)
      await expect(store.log('t')).rejects.toThrow(/ends at offset \d+, though everything below/)
    },
  )

  it('outlive a checkpoint that says that they were trimmed', async () => {
    const disk = await killedLater()
    const files = () => disk.readDirectory(directory).filter((name) => name.endsWith('.log'))
    const before = files()
    write(disk, '/data/log-start-offset-checkpoint', Buffer.from('0\n1\nt 0 40\n'))
    const store = await openOn(disk)
    expect((await store.log('t')).startOffset).toBe(40)
    expect(files()).toEqual(before)
    // A trim removes them: it is asked for, and not what a file without checksum says.
    ;(await store.log('t')).trim(41)
    expect(files()).toEqual([before.at(-1)])
  })
})

describe('a leader epoch file', () => {
  it('is not believed when it contradicts the batches', async () => {
    const disk = simDisk()
    await (await (await openOn(disk)).log('t')).append(['a', 'b'])
    const second = disk.processCrash()
    await (await (await openOn(second)).log('t')).append('c')
    const third = await openOn(second.processCrash(), {})
    await third.close()
    const closed = second.processCrash()
    const store = await openOn(closed)
    await store.log('t')
    await store.close()
    const path = `${directory}/leader-epoch-checkpoint`
    const whole = read(closed, path)
    expect(String(whole)).toBe('0\n2\n0 0\n1 2\n')
    const damages = [
      '',
      '0\n',
      '0\n2\n0 0\n1 1\n',
      '0\n2\n0 0\n3 2\n',
      '0\n1\n0 0\n',
      '0\n1\n1 0\n',
    ]
    for (const text of [...damages, '0\n2\n1 2\n0 0\n', '0\n1\n-1 0\n']) {
      const disk = closed.processCrash()
      write(disk, path, Buffer.from(text))
      const log = await (await openOn(disk)).log('t')
      expect([log.epochOf(1), log.epochOf(2)], JSON.stringify(text)).toEqual([0, 1])
      expect(log.endOfEpoch(0)).toEqual({ epoch: 0, endOffset: 2 })
    }
  })
})

describe('the epoch of a log that was trimmed to its end', () => {
  const endings = {
    'trimmed in its segment': (log: Log) => log.trim(3),
    'trimmed with its segment': (log: Log) => {
      log.roll()
      log.trim(3)
    },
    'truncated there as well': (log: Log) => {
      log.trim(3)
      log.truncate(3)
    },
  }

  it.each(Object.entries(endings))('is known after a restart: %s', async (name, end) => {
    const first = simDisk()
    await openOn(first) // The log's epoch shall not be the first one.
    const disk = first.processCrash()
    const store = await openOn(disk)
    await (await store.log('t')).append(['a', 'b', 'c'])
    end(await store.log('t'))
    const before = (await store.log('t')).endOfEpoch(1)
    await store.close()
    for (let restart = 0; restart < 3; restart++) {
      const logger = new RecordingLogger()
      const again = await openOn(disk, { logger })
      const log = await again.log('t')
      expect([log.startOffset, log.endOffset]).toEqual([3, 3])
      expect(log.endOfEpoch(1)).toEqual(before)
      expect(logger.at('warn')).toEqual([])
      await again.close()
      expect((await verifyStore(dataPath, { fileSystem: disk })).findings).toEqual([])
    }
    if (!name.startsWith('truncated')) expect(before).toEqual({ epoch: 1, endOffset: 3 })
  })
})

describe('the last offsets', () => {
  it('are refused loudly instead of wrapped', async () => {
    const disk = simDisk()
    await (await openOn(disk)).log('t')
    const start = Number.MAX_SAFE_INTEGER - 4
    write(disk, '/data/log-start-offset-checkpoint', Buffer.from(`0\n1\nt 0 ${start}\n`))
    const log = await (await openOn(disk.processCrash())).log('t')
    expect((await log.append(['a', 'b'])).offset).toBe(start)
    await expect(log.append(['c', 'd', 'e'])).rejects.toMatchObject({
      name: 'OffsetExhaustedError',
      code: 'ERR_OFFSET_EXHAUSTED',
    })
    expect(valuesIn(log)).toEqual(['a', 'b'])
  })
})

describe('an idempotent producer', () => {
  const producer = (baseSequence: number, producerEpoch = 0) => ({
    producer: { producerId: 5, producerEpoch, baseSequence },
  })

  it('has its last five batches remembered, and older ones refused', async () => {
    const log = await (await openOn(simDisk())).log('t')
    const batches = Array.from({ length: 6 }, (_, i) => clientBatch(['v'], producer(i)))
    for (const batch of batches) appendClient(log, batch)
    for (let i = 1; i < 6; i++) {
      expect(appendClient(log, batches[i] as Buffer)).toMatchObject({
        baseOffset: i,
        lastOffset: i,
        isDuplicate: true,
      })
    }
    expect(() => appendClient(log, batches[0] as Buffer)).toThrow('expected 6')
    expect(() => appendClient(log, clientBatch(['v', 'w'], producer(5)))).toThrow('expected 6')
    expect(() => appendClient(log, clientBatch(['v'], producer(7)))).toThrow('expected 6')
    expect(log.endOffset).toBe(6)
  })

  it('wraps its sequence, is fenced by epoch, and begins an epoch at 0', async () => {
    const log = await (await openOn(simDisk())).log('t')
    appendClient(log, clientBatch(['v'], producer(2_147_483_647)))
    expect(() => appendClient(log, clientBatch(['v'], producer(1)))).toThrow('expected 0')
    appendClient(log, clientBatch(['v'], producer(0)))
    expect(() => appendClient(log, clientBatch(['v'], producer(1, 1)))).toThrow('expected 0')
    appendClient(log, clientBatch(['v'], producer(0, 1)))
    expect(() => appendClient(log, clientBatch(['v'], producer(1, 0)))).toThrow('newest is 1')
  })

  it('is told why by code', async () => {
    const log = await (await openOn(simDisk())).log('t')
    appendClient(log, clientBatch(['v'], producer(0, 1)))
    const codeOf = (batch: Buffer) => {
      try {
        appendClient(log, batch)
      } catch (error) {
        return (error as { code: string }).code
      }
      return 'appended'
    }
    expect(codeOf(clientBatch(['v'], producer(5, 1)))).toBe('ERR_SEQUENCE_OUT_OF_ORDER')
    expect(codeOf(clientBatch(['v'], producer(1, 0)))).toBe('ERR_PRODUCER_FENCED')
  })

  it.each(['clean', 'killed', 'torn snapshot'])(
    'is known again after a restart: %s',
    async (how) => {
      const disk = simDisk()
      const store = await openOn(disk)
      const log = await store.log('t')
      const last = clientBatch(['v'], producer(1))
      appendClient(log, clientBatch(['v'], producer(0)))
      appendClient(log, last)
      if (how !== 'killed') await store.close()
      const next = disk.processCrash()
      if (how === 'torn snapshot')
        next.flipBits(`${directory}/${'2'.padStart(20, '0')}.snapshot`, 20, 1)
      const again = await (await openOn(next)).log('t')
      expect(appendClient(again, last)).toMatchObject({ baseOffset: 1, isDuplicate: true })
      expect(appendClient(again, clientBatch(['v'], producer(2))).baseOffset).toBe(2)
    },
  )

  it('leaves no snapshot that a crash tore, also behind one that is whole', async () => {
    const disk = simDisk()
    const store = await openOn(disk)
    const log = await store.log('t')
    for (let i = 0; i < 3; i++) {
      appendClient(log, clientBatch(['v'], producer(i)))
      log.roll()
    }
    await store.checkpoint()
    // Snapshots are written in place, and synced by nobody.
    const next = disk.processCrash()
    const torn = `${directory}/${'1'.padStart(20, '0')}.snapshot`
    next.flipBits(torn, 20, 1)
    const again = await openOn(next)
    expect(appendClient(await again.log('t'), clientBatch(['v'], producer(3))).baseOffset).toBe(3)
    await again.close()
    expect(next.stat(torn)).toBeUndefined()
    expect((await verifyStore(dataPath, { fileSystem: next })).findings).toEqual([])
  })

  it.each(['clean', 'killed'])(
    'has its last five batches known again after a restart, over a roll: %s',
    async (how) => {
      const disk = simDisk()
      const store = await openOn(disk)
      const log = await store.log('t')
      const batches = Array.from({ length: 7 }, (_, i) => clientBatch(['v'], producer(i)))
      for (const [i, batch] of batches.entries()) {
        appendClient(log, batch)
        if (i === 4) log.roll()
      }
      if (how === 'clean') await store.close()
      const again = await (await openOn(disk.processCrash())).log('t')
      for (let i = 2; i < 7; i++) {
        const resent = appendClient(again, batches[i] as Buffer)
        expect(resent).toMatchObject({ baseOffset: i, isDuplicate: true })
      }
      expect(() => appendClient(again, batches[1] as Buffer)).toThrow('expected 7')
      expect(appendClient(again, clientBatch(['v'], producer(7))).baseOffset).toBe(7)
    },
  )

  it('is forgotten once it expired and many others came', async () => {
    const log = await (await openOn(simDisk())).log('t')
    const from = (producerId: number, timestamp: number) =>
      clientBatch(['v'], {
        timestamps: [timestamp],
        producer: { producerId, producerEpoch: 0, baseSequence: 0 },
      })
    const old = from(0, 1)
    appendClient(log, old)
    expect(appendClient(log, old)).toMatchObject({ isDuplicate: true })
    for (let id = 1; id <= 1100; id++) appendClient(log, from(id, Date.now()))
    expect(appendClient(log, old)).toMatchObject({ isDuplicate: false })
  })
})
