/**
 * Goal: a store has at most `maxOpenFiles` segment files open, whatever it is used for; only what is
 * being sent or flushed goes beyond it, no file is closed before it is durable, and a failed flush
 * on the way is the log's. Method: files counted by the kernel on the real disk, and by their
 * open and close on the simulated one.
 */
import { readdirSync, readlinkSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { File, OpenMode } from '../../src/platform/file-system.ts'
import { nodeFileSystem } from '../../src/platform/node-file-system.ts'
import { simFailure } from '../../src/platform/sim-failure.ts'
import { openStore } from '../../src/store/store.ts'
import { openOn, simDisk, valuesIn } from '../support/log-inspection.ts'
import { RecordingLogger } from '../support/recording-logger.ts'
import { withTemporaryDirectory } from '../support/temporary-directory.ts'

const logCount = 24
const maxOpenFiles = 5

describe('segment files of a store on the real disk', () => {
  it.skipIf(nodeFileSystem.maxOpenFiles?.() === undefined)(
    'are bounded and opened again under appends, reads, slices and flushes [needs /proc]',
    async () => {
      await withTemporaryDirectory(async (directory) => {
        const store = await openStore(directory, { maxOpenFiles })
        const topic = await store.createTopic('t', { partitions: logCount })
        const logs = Array.from({ length: logCount }, (_, i) => topic.log(i))
        for (let round = 0; round < 12; round++) {
          for (const log of logs) {
            await log.append(`${log.name} ${round}`, { level: 'os' })
            expect(openLogs(directory)).toBeLessThanOrEqual(maxOpenFiles)
          }
        }
        for (const log of logs) log.roll()
        await store.checkpoint()
        expect(openLogs(directory)).toBeLessThanOrEqual(maxOpenFiles)

        const slices = logs.map(
          (log) => log.readSlice(0, 1 << 20, { upTo: 12, minOneBatch: true })!,
        )
        // Each is of another file, and none may be closed.
        expect(openLogs(directory)).toBeGreaterThanOrEqual(logCount)
        const bytes = Buffer.alloc(slices[0]!.length)
        expect(slices[0]!.file.read(bytes, slices[0]!.position)).toBe(bytes.length)
        for (const slice of slices) slice.release()

        await Promise.all(logs.map((log) => log.append('durable', { level: 'disk' })))
        await store.checkpoint()
        for (const log of logs) {
          const values: string[] = []
          for await (const { value } of log.read()) values.push(String(value))
          const written = Array.from({ length: 12 }, (_, round) => `${log.name} ${round}`)
          expect(values).toEqual([...written, 'durable'])
          expect(openLogs(directory)).toBeLessThanOrEqual(maxOpenFiles)
        }
        await store.close()
        expect(openLogs(directory)).toBe(0)
      })
    },
  )
})

describe('segment files of a store on the simulated disk', () => {
  it('are flushed before they are closed', async () => {
    const { disk, openFiles, closed } = countingDisk()
    const store = await openOn(disk, { maxOpenFiles })
    const topic = await store.createTopic('t', { partitions: logCount })
    let unflushed: string[] = []
    disk.planFault = ({ kind, path }) => {
      if (!path.endsWith('.log')) return undefined
      if (kind === 'write') unflushed.push(path)
      if (kind === 'flush') unflushed = unflushed.filter((other) => other !== path)
      return undefined
    }
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < logCount; i++) await topic.log(i).append('a', { level: 'os' })
    }
    expect(closed.length).toBeGreaterThan(2 * logCount)
    expect(unflushed.filter((path) => !openFiles().includes(path))).toEqual([])
    expect(openFiles().length).toBeLessThanOrEqual(maxOpenFiles)
    await store.close()
    expect(openFiles()).toEqual([])
  })

  it('whose flush fails stay open, and fail their log at its next flush', async () => {
    const { disk } = countingDisk()
    const store = await openOn(disk, { maxOpenFiles, journalBytes: 0 })
    const topic = await store.createTopic('t', { partitions: logCount })
    let failures = 0
    disk.planFault = ({ kind, path }) => {
      if (kind !== 'flush' || !path.includes('/t-3/') || failures > 0) return undefined
      failures++
      return { errno: 'EIO' }
    }
    for (let i = 0; i < logCount; i++) await topic.log(i).append('a', { level: 'os' })
    expect(failures).toBe(1)
    // Nobody waited for it yet; the fault is over, and must not be forgotten all the same.
    await expect(topic.log(3).append('b', { level: 'disk' })).rejects.toMatchObject({
      code: 'ERR_LOG_FAILED',
    })
    const others = Array.from({ length: logCount }, (_, i) => topic.log(i)).filter(
      (_, i) => i !== 3,
    )
    for (const log of others) await log.append('b', { level: 'disk' })
    expect(others.every((log) => log.durableOffset === 2)).toBe(true)
    await store.close()
  })

  it('stay open while they are flushed', async () => {
    const { disk, openFiles } = countingDisk()
    const store = await openOn(disk, { maxOpenFiles: 1, journalBytes: 0 })
    const topic = await store.createTopic('t', { partitions: 4 })
    const acks = [0, 1, 2, 3].map((i) => topic.log(i).append('a', { level: 'disk' }))
    await Promise.all(acks)
    expect(openFiles().length).toBeLessThanOrEqual(4)
    await store.checkpoint()
    await topic.log(0).append('b', { level: 'os' })
    expect(openFiles().length).toBe(1)
    await store.close()
  })

  it('are closed for others when the process has no descriptors left', async () => {
    const { disk, openFiles, allFiles } = countingDisk()
    Object.assign(disk, { syncsAtOnce: 4 })
    const open = disk.open.bind(disk)
    let refusals = 0
    disk.open = (path: string, mode: OpenMode) => {
      // The lock and the journal take their share.
      if (allFiles() >= 20) {
        refusals++
        throw simFailure('open', path, 'EMFILE')
      }
      return open(path, mode)
    }
    const store = await openOn(disk)
    const topic = await store.createTopic('t', { partitions: logCount })
    const logs = Array.from({ length: logCount }, (_, i) => topic.log(i))
    for (const log of logs) await log.append('a', { level: 'os' })
    await Promise.all(logs.map((log) => log.append('b')))
    expect(refusals).toBeGreaterThan(0)
    for (const log of logs) expect(log.endOffset).toBe(2)
    // From here on some are left to others, who can only fail without: sockets.
    await store.checkpoint()
    const before = refusals
    for (const log of logs) await log.append('c', { level: 'os' })
    expect(refusals).toBe(before)
    expect(allFiles()).toBeLessThan(20)
    await store.close()
    expect(openFiles()).toEqual([])
    const again = await openOn(disk)
    expect(again.wasClean).toBe(true)
    await again.close()
  })

  it('are few while a log of many segments is synced', async () => {
    const { disk, most } = diskThatCounts(4)
    const store = await openOn(disk, { maxOpenFiles, journalBytes: 0 })
    const log = await store.log('t')
    for (let i = 0; i < 100; i++) {
      await log.append('a', { level: 'os' })
      log.roll()
    }
    await log.append('b', { level: 'disk' })
    await store.checkpoint()
    // Of each segment its file and one index or two; the store's own log and the lock.
    expect(most()).toBeLessThanOrEqual(maxOpenFiles + 3 * 4 + 2)
    expect(log.durableOffset).toBe(101)
    await store.close()
  })

  describe('of a log that is synced when no file can be opened', () => {
    /** Two segments whose index files are not durable, and a disk that opens none of those. */
    async function shortOf(refusals: number) {
      const { disk } = countingDisk()
      const logger = new RecordingLogger()
      const store = await openOn(disk, { journalBytes: 0, logger })
      const log = await store.log('t')
      for (const value of ['a', 'b']) {
        await log.append(value, { level: 'os' })
        log.roll()
      }
      const open = disk.open.bind(disk)
      const seen = { refusals: 0 }
      disk.open = (path, mode) => {
        if (/t-0.*index$/.test(path) && mode === 'write' && seen.refusals < refusals) {
          seen.refusals++
          throw simFailure('open', path, 'EMFILE')
        }
        return open(path, mode)
      }
      return { disk, store, log, logger, seen }
    }

    it('make it wait until one can be, and say so once', async () => {
      const { disk, store, log, logger, seen } = await shortOf(5)
      await log.append('c', { level: 'disk' })
      expect([seen.refusals, log.durableOffset]).toEqual([5, 3])
      const lines = logger.at('warn').filter(({ message }) => message.includes('descriptor'))
      expect(lines).toHaveLength(1)
      expect(await valuesAfterPowerLoss(disk)).toEqual(['a', 'b', 'c'])
      await store.close()
    })

    it('fail it in the end', async () => {
      const { log, store } = await shortOf(Infinity)
      await expect(log.append('c', { level: 'disk' })).rejects.toMatchObject({
        code: 'ERR_LOG_FAILED',
        cause: { errno: 'EMFILE' },
      })
      await store.close()
    })

    it('do not hide that a sync has failed, which is never tried again', async () => {
      const { disk, log, store } = await shortOf(1)
      let failures = 0
      disk.planFault = ({ kind, path }) => {
        if (kind !== 'flush' || !path.endsWith('index') || failures++ > 0) return undefined
        return { errno: 'EIO' }
      }
      await expect(log.append('c', { level: 'disk' })).rejects.toMatchObject({
        code: 'ERR_LOG_FAILED',
        cause: { errno: 'EIO' },
      })
      await store.close()
    })
  })

  it('may be trimmed while the log is synced', async () => {
    const { disk } = countingDisk()
    Object.assign(disk, { syncsAtOnce: 1 })
    const store = await openOn(disk, { maxOpenFiles: 1, journalBytes: 0 })
    const log = await store.log('t')
    for (let i = 0; i < 20; i++) {
      await log.append('a', { level: 'os' })
      log.roll()
    }
    let flushes = 0
    disk.planFault = ({ kind, path }) => {
      if (kind === 'flush' && path.endsWith('.log') && ++flushes === 5) log.trim(15)
      return undefined
    }
    await log.append('b', { level: 'disk' })
    expect([flushes > 5, log.startOffset, log.durableOffset]).toEqual([true, 15, 21])
    await store.close()
  })

  it('stay open for every slice of a segment that was removed', async () => {
    const { disk } = countingDisk()
    const store = await openOn(disk, { maxOpenFiles: 1, journalBytes: 0 })
    const [log, other] = [await store.log('t'), await store.log('u')]
    await log.append('a', { level: 'os' })
    await other.append('b', { level: 'os' })
    const slices = [0, 1].map(() => log.readSlice(0, 1 << 20, { upTo: 1, minOneBatch: true })!)
    const kept = other.readSlice(0, 1 << 20, { upTo: 1, minOneBatch: true })!
    log.roll()
    await log.flush()
    log.trim(1)
    slices[0]!.release()
    const { file, position, length } = slices[1]!
    expect(file.read(Buffer.alloc(length), position)).toBe(length)
    slices[1]!.release()
    kept.release()
    await store.close()
  })

  it('are few while many topics are made', async () => {
    const { disk, most } = diskThatCounts(4)
    const store = await openOn(disk, { maxOpenFiles })
    await Promise.all(Array.from({ length: 100 }, (_, i) => store.createTopic(`t-${i}`)))
    expect(most()).toBeLessThanOrEqual(maxOpenFiles + 4 + 2)
    await store.close()
  })

  it('leave the error to the caller when there is none to close', async () => {
    const { disk } = countingDisk()
    const store = await openOn(disk)
    const log = await store.log('t')
    await log.append('a')
    const slice = log.readSlice(0, 1 << 20, { upTo: 1, minOneBatch: true })!
    const { open } = disk
    disk.open = (path: string) => {
      throw simFailure('open', path, 'EMFILE')
    }
    const failed = store.createTopic('u')
    await expect(failed).rejects.toMatchObject({ code: 'ERR_STORAGE', errno: 'EMFILE' })
    disk.open = open
    slice.release()
    await store.close()
  })
})

/** A disk that syncs so many files at once, and how many were open, at the most, while it did. */
function diskThatCounts(syncsAtOnce: number) {
  const { disk, allFiles } = countingDisk()
  Object.assign(disk, { syncsAtOnce })
  let most = 0
  disk.planFault = ({ kind }) => {
    if (kind === 'flush') most = Math.max(most, allFiles())
    return undefined
  }
  return { disk, most: () => most }
}

async function valuesAfterPowerLoss(disk: ReturnType<typeof simDisk>): Promise<string[]> {
  const store = await openOn(disk.crash())
  const values = valuesIn(await store.log('t'))
  await store.close()
  return values
}

/** A simulated disk that knows which files are open. */
function countingDisk(): {
  disk: ReturnType<typeof simDisk>
  /** Paths of open `.log` files, without the store's own log. */
  openFiles: () => string[]
  closed: string[]
  allFiles: () => number
} {
  const disk = simDisk()
  const held = new Set<File>()
  const closed: string[] = []
  const open = disk.open.bind(disk)
  disk.open = (path, mode) => {
    const file = open(path, mode)
    const close = file.close.bind(file)
    held.add(file)
    file.close = () => {
      held.delete(file)
      if (path.endsWith('.log')) closed.push(path)
      close()
    }
    return file
  }
  const openFiles = (): string[] =>
    [...held].map(({ path }) => path).filter((path) => path.endsWith('.log'))
  return { disk, openFiles, closed, allFiles: () => held.size }
}

/** Descriptors of this process that are `.log` files below `directory`. */
function openLogs(directory: string): number {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      const path = readlinkSync(`/proc/self/fd/${fd}`)
      return path.startsWith(directory) && path.endsWith('.log')
    } catch {
      return false // The descriptor that the listing itself used.
    }
  }).length
}
