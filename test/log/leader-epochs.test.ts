/** Goal: the epochs file never goes back, whoever writes it while another write is under way. */
import { describe, expect, it } from 'vitest'
import type { Offset } from '../../src/base/types.ts'
import { LeaderEpochs, leaderEpochFileName } from '../../src/log/leader-epochs.ts'
import { simDisk } from '../support/log-inspection.ts'

const directory = '/data/t-0'

const always = () => true

function epochsOnDisk() {
  const disk = simDisk()
  disk.makeDirectory(directory)
  return { disk, epochs: new LeaderEpochs({ fileSystem: disk, directory }) }
}

function stored(disk: ReturnType<typeof simDisk>) {
  const epochs = new LeaderEpochs({ fileSystem: disk, directory })
  epochs.load()
  return epochs.entries
}

describe('a write off the thread', () => {
  it('replaces the file once its content is durable, and owes the name', async () => {
    const { disk, epochs } = epochsOnDisk()
    epochs.note(3, 10 as Offset)
    const write = epochs.saveLater(always)
    expect(disk.stat(`${directory}/${leaderEpochFileName}`)).toBeUndefined()
    expect(await write).toBe(true)
    expect(stored(disk)).toEqual([{ epoch: 3, startOffset: 10 }])
    expect(await epochs.saveLater(always)).toBe(false)
  })

  it('leaves the file to what was saved meanwhile', async () => {
    const { disk, epochs } = epochsOnDisk()
    epochs.note(3, 10 as Offset)
    const write = epochs.saveLater(always)
    epochs.assign(4, 20 as Offset)
    expect(await write).toBe(false)
    expect(stored(disk)).toEqual([
      { epoch: 3, startOffset: 10 },
      { epoch: 4, startOffset: 20 },
    ])
  })

  it('leaves a change that came meanwhile to the next one', async () => {
    const { disk, epochs } = epochsOnDisk()
    epochs.note(3, 10 as Offset)
    const write = epochs.saveLater(always)
    epochs.cutEnd(5 as Offset)
    expect(await write).toBe(false)
    expect(await epochs.saveLater(always)).toBe(true)
    expect(stored(disk)).toEqual([])
  })

  it('touches nothing once its log is gone', async () => {
    const { disk, epochs } = epochsOnDisk()
    epochs.note(3, 10 as Offset)
    expect(await epochs.saveLater(() => false)).toBe(false)
    expect(disk.stat(`${directory}/${leaderEpochFileName}`)).toBeUndefined()
  })

  it('may fail and be tried again', async () => {
    const { disk, epochs } = epochsOnDisk()
    epochs.note(3, 10 as Offset)
    disk.planFault = ({ kind }) => (kind === 'flush' ? { errno: 'EIO' } : undefined)
    await expect(epochs.saveLater(always)).rejects.toMatchObject({ errno: 'EIO' })
    disk.planFault = undefined
    expect(await epochs.saveLater(always)).toBe(true)
    expect(stored(disk)).toEqual([{ epoch: 3, startOffset: 10 }])
  })
})
