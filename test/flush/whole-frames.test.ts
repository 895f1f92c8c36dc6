/** Goal: the file of whole frames says what was written, and anything else is refused. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  readWholeFrames,
  wholeFramesFileName,
  writeWholeFrames,
} from '../../src/flush/whole-frames.ts'
import { openOn, simDisk } from '../support/log-inspection.ts'

const path = `/data/${wholeFramesFileName}`
const number = fc.nat(2 ** 32 - 1)
const frames = fc.array(
  fc.record({ journalId: number, sequence: number, takenBack: fc.array(number) }),
)

describe('the file of whole frames', () => {
  it('is read as it was written, whatever a crash keeps of what nobody synced', () => {
    fc.assert(
      fc.property(frames, frames, (before, after) => {
        const disk = simDisk()
        writeWholeFrames(disk, '/data', before)
        writeWholeFrames(disk, '/data', after)
        const found = disk.crash({ class: 'nothing-unsynced' })
        expect(readWholeFrames(found, '/data')).toEqual(after)
        expect(found.stat(path) === undefined).toBe(after.length === 0)
      }),
    )
  })

  it.each([
    '1\n0\n',
    '0\n2\n1 1 -\n',
    '0\n1\n1 1\n',
    '0\n1\n1 x -\n',
    '0\n1\n1 1 1,\n',
    '0\n1\n1 1 \n',
  ])('is refused when it is %j, as is the store', async (text) => {
    const disk = simDisk()
    const file = disk.open(path, 'create')
    file.write(Buffer.from(text), 0)
    file.close()
    expect(() => readWholeFrames(disk, '/data')).toThrow(path)
    await expect(openOn(disk)).rejects.toMatchObject({ code: 'ERR_STORE_FORMAT', path })
  })
})
