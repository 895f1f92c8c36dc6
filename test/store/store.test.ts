import { describe, expect, it } from 'vitest'
import type { File } from '../../src/platform/file-system.ts'
import { openStore } from '../../src/store/store.ts'
import { dataPath, openOn, simDisk } from '../support/log-inspection.ts'
import { withTemporaryDirectory } from '../support/temporary-directory.ts'

describe('a store', () => {
  it('keeps everything over a clean stop', async () => {
    await withTemporaryDirectory(async (directory) => {
      const store = await openStore(directory)
      const orders = await store.log('orders')
      const ack = await orders.append({ key: 'o-17', value: 'hello' })
      expect(ack).toEqual({ offset: 0, lastOffset: 0, level: 'disk', isDuplicate: false })
      await orders.append(['a', 'b', 'c'], { level: 'os', compression: 'lz4' })
      await store.close()
      const again = await openStore(directory)
      expect(again.wasClean).toBe(true)
      const values: string[] = []
      for await (const record of (await again.log('orders')).read())
        values.push(String(record.value))
      expect(values).toEqual(['hello', 'a', 'b', 'c'])
      await again.close()
    })
  })

  /** A store whose first sync of the log ends when `release` is called. */
  async function withHeldSync() {
    const disk = simDisk()
    const open = disk.open.bind(disk)
    let begun = (): void => {}
    const hasBegun = new Promise<void>((resolve) => {
      begun = resolve
    })
    let release = (): void => {}
    const isReleased = new Promise<void>((resolve) => {
      release = resolve
    })
    disk.open = (path, mode) => {
      const file = open(path, mode)
      if (!path.includes('/t-0/') || !path.endsWith('.log')) return file
      const flush = file.flush.bind(file)
      return Object.assign(file, {
        async flush() {
          await flush()
          begun()
          await isReleased
        },
      })
    }
    const store = await openOn(disk, { checkpointBytes: 1000, config: {} })
    const log = await store.log('t')
    const fill = async () => {
      for (let i = 0; i < 3; i++) await log.append(Buffer.alloc(500), { level: 'os' })
    }
    return { store, log, fill, hasBegun, release }
  }

  it('makes another checkpoint when as much was written during the last', async () => {
    const { store, log, fill, hasBegun, release } = await withHeldSync()
    await fill()
    await hasBegun
    await fill()
    release()
    for (let turn = 0; turn < 100 && log.recoveryPoint < log.endOffset; turn++) {
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(log.recoveryPoint).toBe(log.endOffset)
    await store.close()
  })

  it('has all that was written before in a checkpoint that is asked for during another', async () => {
    const { store, log, fill, hasBegun, release } = await withHeldSync()
    await fill()
    await hasBegun
    await log.append('one more', { level: 'os' })
    const asked = Promise.all([store.checkpoint(), store.checkpoint()])
    release()
    await asked
    expect(log.recoveryPoint).toBe(log.endOffset)
    await store.close()
  })

  it.each(['close', 'open'] as const)('lets go of every file when %s fails', async (failing) => {
    const disk = simDisk()
    const held = new Set<File>()
    const open = disk.open.bind(disk)
    disk.open = (path, mode) => {
      const file = open(path, mode)
      const close = file.close.bind(file)
      held.add(file)
      file.close = () => {
        held.delete(file)
        close()
      }
      return file
    }
    const isJournalOpen = () => [...held].some(({ path }) => path.endsWith('stratalog.journal'))
    const first = await openOn(disk)
    const log = await first.log('t')
    await log.append('a')
    expect(isJournalOpen()).toBe(true)
    if (failing === 'open') {
      await first.close()
      expect(held.size).toBe(0)
      // As after an unclean stop: opening writes an epoch, and then has a tail to cut.
      disk.remove(`${dataPath}/.kafka_cleanshutdown`)
      const file = open(`${dataPath}/t-0/00000000000000000000.log`, 'write')
      file.write(Buffer.alloc(77), file.size())
      file.close()
      let hasFailed = false
      disk.planFault = ({ kind, path }) => {
        if (kind !== 'truncate' || !path.includes('/t-0/')) return undefined
        hasFailed = true
        return { errno: 'ENOSPC' }
      }
      await expect(openOn(disk)).rejects.toMatchObject({ errno: 'ENOSPC' })
      expect(hasFailed).toBe(true)
    } else {
      disk.planFault = ({ path }) =>
        path.includes('checkpoint') && !path.includes('leader') ? { errno: 'ENOSPC' } : undefined
      await expect(first.close()).rejects.toMatchObject({ errno: 'ENOSPC' })
    }
    expect([...held].map(({ path }) => path)).toEqual([])
    disk.planFault = undefined
    const again = await openOn(disk)
    expect((await again.log('t')).endOffset).toBeGreaterThan(0)
    await again.close()
  })

  it('syncs few logs at a time where the file system does not say how many, and refuses to sync none', async () => {
    const disk = simDisk()
    Object.assign(disk, { syncsAtOnce: undefined })
    const store = await openOn(disk, { journalBytes: 0 })
    const topic = await store.createTopic('t', { partitions: 8 })
    for (let partition = 0; partition < 8; partition++) {
      await topic.log(partition).append('a', { level: 'os' })
    }
    await store.checkpoint()
    await store.close()
    const again = await openOn(disk.crash({ class: 'nothing-unsynced' }), { journalBytes: 0 })
    expect(again.wasClean).toBe(true)
    const ends = Array.from({ length: 8 }, (_, i) => again.topic('t')!.log(i).endOffset)
    expect(ends).toEqual(Array(8).fill(1))
    for (const syncsAtOnce of [0, -1, Number.NaN, 1.5, '4']) {
      const other = Object.assign(simDisk(), { syncsAtOnce })
      await expect(openOn(other)).rejects.toMatchObject({ code: 'ERR_OPTION_INVALID' })
    }
  })
})
