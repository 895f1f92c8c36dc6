/**
 * Goal: a frame that the kernel writes and syncs by itself is durable when the journal says so, and stands
 * on nothing that is not. Method: a device that keeps such frames in hand, crashes of the simulated disk.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Journal } from '../../src/flush/journal.ts'
import { journalPageBytes } from '../../src/flush/journal-format.ts'
import type { File, OpenMode } from '../../src/platform/file-system.ts'
import type { SimFileSystem } from '../../src/platform/sim-file-system.ts'
import {
  a,
  cut,
  frameOf,
  journalId,
  recordsOf,
  regionBytes,
  write,
} from '../support/journal-frames.ts'
import { simDisk } from '../support/log-inspection.ts'

/** Writes past the page cache stay with the device, and nothing can be read of them, until `release`. */
class SlowDevice {
  readonly #waiting: (() => void)[] = []
  readonly #inHand = new Set<{ start: number; end: number }>()

  constructor(disk: SimFileSystem) {
    const open = disk.open.bind(disk)
    disk.open = (path: string, mode: OpenMode): File => {
      const file = open(path, mode)
      const writeDurableLater = (source: Uint8Array, position: number): Promise<void> => {
        const range = { start: position, end: position + source.length }
        this.#inHand.add(range)
        return new Promise<void>((resolve) => {
          this.#waiting.push(() => {
            this.#inHand.delete(range)
            writeDurable(source, position)
            resolve()
          })
        })
      }
      const write = file.write.bind(file)
      const writeDurable = (source: Uint8Array, position: number): void => {
        write(source, position)
        file.flushSync()
      }
      return Object.assign(file, {
        writeDurableLater,
        finishDurableWrites: () => this.release(),
        writeDurable,
        write: (source: Uint8Array, position: number) => {
          // Linux fails the file when it finds such a page dirty.
          for (const { start, end } of this.#inHand) {
            if (start < position + source.length && position < end) throw new Error('it collides')
          }
          write(source, position)
        },
      })
    }
  }

  get held(): number {
    return this.#waiting.length
  }

  release(): void {
    for (const done of this.#waiting.splice(0)) done()
  }
}

describe('a frame that goes ahead', () => {
  it.each(['the same', 'another'])(
    'is waited for on this thread when a cut in %s region needs it',
    async (region) => {
      const disk = simDisk()
      const device = new SlowDevice(disk)
      const journal = await Journal.create(disk, '/data', regionBytes, journalId)
      write(journal, [a, 0, 'durable'])
      await journal.flush()
      journal.writeFlushing(frameOf(journal, [a, 7, 'in hand']))
      const durable = journal.framesDurable()
      expect(device.held).toBe(1)
      expect(journal.isDirty).toBe(true)
      if (region === 'another') journal.turn()
      cut(journal, a, 3)
      journal.flushSync()
      expect(recordsOf(disk.crash({ class: 'nothing-unsynced' }))).toEqual([
        'a-0/id-of-a@0 durable',
        'a-0/id-of-a@7 in hand',
        'a-0/id-of-a@3 ',
      ])
      device.release()
      await durable
      journal.close()
    },
  )

  it('does not send a frame ahead of what it stands on', async () => {
    const disk = simDisk()
    const device = new SlowDevice(disk)
    const journal = await Journal.create(disk, '/data', regionBytes, journalId)
    const isAhead = (text: string): boolean => {
      const before = device.held
      journal.writeFlushing(frameOf(journal, [a, 0, text]))
      return device.held > before
    }
    // The header of the region is not durable; then a frame is not, then one has gone ahead.
    expect(isAhead('first')).toBe(false)
    await journal.framesDurable()
    write(journal, [a, 0, 'second'])
    expect(isAhead('third')).toBe(false)
    await journal.framesDurable()
    expect(isAhead('fourth')).toBe(true)
    expect(isAhead('fifth')).toBe(false)
    const durable = journal.framesDurable()
    device.release()
    await durable
    expect(isAhead('sixth')).toBe(true)
    device.release()
    await journal.framesDurable()
    journal.turn()
    expect(isAhead('seventh')).toBe(false)
    await journal.framesDurable()
    const texts = ['first', 'second', 'third', 'fourth', 'fifth', 'sixth', 'seventh']
    expect(recordsOf(disk.crash({ class: 'nothing-unsynced' }))).toEqual(
      texts.map((text) => `a-0/id-of-a@0 ${text}`),
    )
    // The header of the other region is under way.
    const freed = journal.free(journal.otherRegion)
    expect(isAhead('eighth')).toBe(false)
    await Promise.all([freed, journal.framesDurable()])
    expect(isAhead('ninth')).toBe(true)
  })

  it('fails when the device cannot write what went ahead', async () => {
    const disk = simDisk()
    const journal = await Journal.create(disk, '/data', regionBytes, journalId)
    write(journal, [a, 0, 'durable'])
    await journal.flush()
    disk.planFault = ({ kind }) => (kind === 'flush' ? { errno: 'EIO' } : undefined)
    journal.writeFlushing(frameOf(journal, [a, 7, 'lost']))
    const durable = journal.framesDurable()
    await expect(durable).rejects.toThrow('EIO')
    disk.planFault = undefined
    // The kernel would call a second try a success.
    await expect(journal.framesDurable()).rejects.toThrow('EIO')
    await expect(journal.flush()).rejects.toThrow('EIO')
    expect(() => journal.flushSync()).toThrow('EIO')
    expect(() => journal.framesDurableSync()).toThrow('EIO')
    expect(journal.isDirty).toBe(true)
    expect(recordsOf(disk.crash({ class: 'nothing-unsynced' }))).toEqual(['a-0/id-of-a@0 durable'])
  })

  it('keeps every frame it calls durable, however it was written', async () => {
    const step = fc.constantFrom('write', 'write', 'ahead', 'ahead', 'wait', 'now', 'turn')
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 24 }), fc.nat(), async (steps, seed) => {
        const disk = simDisk(seed)
        const journal = await Journal.create(disk, '/data', regionBytes, journalId)
        const waits: Promise<void>[] = []
        let written = 0
        for (const kind of steps) {
          const hasRoom = journal.hasRoom(journalPageBytes)
          if (kind === 'write' && hasRoom) write(journal, [a, 0, `${written++}`])
          else if (kind === 'ahead' && hasRoom) {
            journal.writeFlushing(frameOf(journal, [a, 0, `${written++}`]))
            waits.push(journal.framesDurable())
          } else if (kind === 'wait') await Promise.race([...waits, Promise.resolve()])
          else if (kind === 'now') journal.flushSync()
          // A region is left when it is full, never empty.
          else if (kind === 'turn' && written > 0) journal.turn()
        }
        const found = recordsOf(disk.crash({ seed }))
        expect(found.length).toBeGreaterThanOrEqual(journal.durableSequence)
        expect(found).toEqual(
          Array.from({ length: written }, (_, i) => `a-0/id-of-a@0 ${i}`).slice(0, found.length),
        )
        await Promise.all(waits)
      }),
      { numRuns: 300 },
    )
  })
})
