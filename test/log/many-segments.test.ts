/**
 * Goal: what is done for one segment does not grow with the segments that a log has: no roll reads
 * the directory, and the files of a deleted log go one by one, off the event loop.
 * Method: calls counted on a simulated disk, with and without producers that are remembered.
 */
import { describe, expect, it } from 'vitest'
import { openOn, simDisk, valuesIn } from '../support/log-inspection.ts'

const rolls = 20

function listings(disk: ReturnType<typeof simDisk>): { count: number } {
  const read = disk.readDirectory.bind(disk)
  const seen = { count: 0 }
  disk.readDirectory = (path) => {
    if (path.endsWith('/t-0')) seen.count++
    return read(path)
  }
  return seen
}

describe('a log of many segments', () => {
  it.each([false, true])(
    'rolls without a look at its directory, producers: %s',
    async (isKnown) => {
      const disk = simDisk()
      const store = await openOn(disk)
      const log = await store.log('t')
      await log.append('a', { level: 'os' })
      const seen = listings(disk)
      for (let i = 0; i < rolls; i++) {
        const producer = { id: 7, epoch: 0, sequence: i }
        await log.append('a', isKnown ? { level: 'os', producer } : { level: 'os' })
        log.roll()
      }
      expect(seen.count).toBe(0)
      const snapshots = disk.readDirectory('/data/t-0').filter((name) => name.endsWith('.snapshot'))
      expect(snapshots).toHaveLength(isKnown ? rolls : 0)
      log.trim(log.endOffset)
      await store.close()
      const left = disk.readDirectory('/data/t-0').filter((name) => name.endsWith('.snapshot'))
      expect(left).toHaveLength(isKnown ? 1 : 0)
    },
  )

  it('knows of a snapshot that could not be written whole', async () => {
    const disk = simDisk()
    const store = await openOn(disk)
    const log = await store.log('t')
    await log.append('a', { level: 'os', producer: { id: 7, epoch: 0, sequence: 0 } })
    disk.planFault = ({ kind, path }) =>
      kind === 'write' && path.endsWith('.snapshot') ? { errno: 'EIO' } : undefined
    expect(() => log.roll()).toThrow('EIO')
    disk.planFault = undefined
    log.truncate(0)
    const left = disk.readDirectory('/data/t-0').filter((name) => name.endsWith('.snapshot'))
    expect(left).toEqual([])
    await log.append('b')
    expect(valuesIn(log)).toEqual(['b'])
    await store.close()
  })

  it('goes file by file when it is deleted', async () => {
    const disk = simDisk()
    const store = await openOn(disk)
    const log = await store.log('t')
    for (let i = 0; i < rolls; i++) {
      await log.append('a', { level: 'os' })
      log.roll()
    }
    const files = disk.readDirectory('/data/t-0').length
    const removed: string[] = []
    const remove = disk.removeLater.bind(disk)
    disk.removeLater = (path) => {
      removed.push(path)
      return remove(path)
    }
    const trees: string[] = []
    const removeTree = disk.removeTree.bind(disk)
    disk.removeTree = (path) => {
      trees.push(...disk.readDirectory(path))
      removeTree(path)
    }
    await store.deleteTopic('t')
    await store.close()
    expect(removed.length).toBeGreaterThanOrEqual(files)
    expect(trees).toEqual([])
    expect(disk.readDirectory('/data').filter((name) => name.includes('t-0'))).toEqual([])
  })
})
