import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { crashClasses } from '../../src/platform/sim-crash-class.ts'
import { SimCrash } from '../../src/platform/sim-failure.ts'
import { SimFileSystem, type SimOperation } from '../../src/platform/sim-file-system.ts'
import { describeFileSystemContract } from '../contract/file-system-contract.ts'

describeFileSystemContract('simulated', () => ({
  disk: new SimFileSystem({ seed: 1, directories: ['/data'] }),
  root: '/data',
  remove() {},
}))

const makeDisk = (seed = 1) => new SimFileSystem({ seed, directories: ['/data'] })
const filled = (length: number, byte: number) => Buffer.alloc(length, byte)

function contentOf(disk: SimFileSystem, path: string): Buffer | undefined {
  const found = disk.stat(path)
  if (found === undefined) return undefined
  const bytes = Buffer.alloc(found.sizeBytes)
  disk.open(path, 'read').read(bytes, 0)
  return bytes
}

/** A durable file of `length` bytes `1`, and an open handle to it. */
function makeDurableFile(disk: SimFileSystem, length: number) {
  const file = disk.open('/data/a', 'create')
  file.write(filled(length, 1), 0)
  file.flushSync()
  disk.syncDirectorySync('/data')
  return file
}

describe('crash of a simulated disk', () => {
  it('keeps a write past the page cache that is done, and nothing else that was written', async () => {
    for (let seed = 0; seed < 50; seed++) {
      const disk = makeDisk(seed)
      const file = makeDurableFile(disk, 3 * 4096)
      file.write(filled(3 * 4096, 2), 0)
      const durable = file.writeDurableLater(filled(4096, 3), 4096)
      // Overwritten in the page cache: older than that on stable storage it is never.
      file.write(filled(10, 4), 5000)
      if (seed % 2 === 0) await durable
      const least = contentOf(disk.crash({ class: 'nothing-unsynced' }), '/data/a')
      const expected = Buffer.concat([1, seed % 2 === 0 ? 3 : 1, 1].map((b) => filled(4096, b)))
      expect(least?.equals(expected)).toBe(true)
      const some = contentOf(disk.crash({ class: 'random-pages' }), '/data/a')
      if (seed % 2 === 0) expect([3, 4]).toContain(some?.[5000])
      await durable
      file.flushSync()
      expect(contentOf(disk.crash({ class: 'nothing-unsynced' }), '/data/a')?.[4096]).toBe(3)
    }
  })

  it.each(crashClasses)('keeps what was flushed and named durably (%s)', (crashClass) => {
    for (let seed = 0; seed < 20; seed++) {
      const disk = makeDisk(seed)
      makeDurableFile(disk, 10_000)
      const after = disk.crash({ class: crashClass })
      expect(contentOf(after, '/data/a')?.equals(filled(10_000, 1))).toBe(true)
    }
  })

  it('loses a file whose name was never made durable, and its content whose flush never came', () => {
    const disk = makeDisk()
    disk.open('/data/unnamed', 'create').flushSync()
    const file = disk.open('/data/named', 'create')
    disk.syncDirectorySync('/data')
    disk.open('/data/unnamed2', 'create')
    file.write(filled(100, 7), 0)
    const after = disk.crash({ class: 'nothing-unsynced' })
    expect(after.readDirectory('/data')).toEqual(['named', 'unnamed'])
    expect(contentOf(after, '/data/named')).toHaveLength(0)
  })

  it('forgets renames and removals that were not made durable', () => {
    const disk = makeDisk()
    makeDurableFile(disk, 10)
    disk.rename('/data/a', '/data/b')
    expect(disk.crash({ class: 'nothing-unsynced' }).readDirectory('/data')).toEqual(['a'])
    disk.syncDirectorySync('/data')
    disk.remove('/data/b')
    expect(contentOf(disk.crash({ class: 'data-not-names' }), '/data/b')).toHaveLength(10)
    expect(disk.crash({ class: 'everything' }).readDirectory('/data')).toEqual([])
  })

  it('never tears a rename in two', () => {
    const disk = makeDisk()
    makeDurableFile(disk, 10)
    disk.makeDirectory('/data/d')
    disk.syncDirectorySync('/data')
    disk.rename('/data/a', '/data/d/b')
    for (let seed = 0; seed < 200; seed++) {
      const after = disk.crash({ seed })
      const places = ['/data/a', '/data/d/b'].filter((path) => after.stat(path) !== undefined)
      expect(places).toHaveLength(1)
    }
  })

  it('gives every class its own outcome', () => {
    const outcomes = new Map<string, string>()
    for (const crashClass of crashClasses) {
      const disk = makeDisk()
      const file = makeDurableFile(disk, 4096)
      file.write(filled(8192, 2), 4096)
      disk.open('/data/new', 'create').write(filled(600, 3), 0)
      const after = disk.crash({ class: crashClass, seed: 5 })
      const shape = (path: string) => {
        const bytes = contentOf(after, path)
        return bytes === undefined ? 'none' : `${bytes.length}:${new Set(bytes).size}`
      }
      outcomes.set(crashClass, `${shape('/data/a')} ${shape('/data/new')}`)
    }
    expect(Object.fromEntries(outcomes)).toMatchObject({
      'nothing-unsynced': '4096:1 none',
      everything: '12288:2 600:1',
      'data-not-names': '12288:2 none',
      'names-not-data': '4096:1 0:0',
      'sizes-not-data': '12288:2 600:1',
    })
    expect(outcomes.get('torn-last-write')).toMatch(/^12288:2 (512:1|600:2)$/)
  })

  it('mixes old, new and zero sectors, and only those', () => {
    const seen = new Set<string>()
    const disk = makeDisk()
    const file = makeDurableFile(disk, 2048)
    file.write(filled(1536, 2), 1024)
    for (let seed = 0; seed < 400; seed++) {
      const bytes = contentOf(disk.crash({ class: 'random-sectors', seed }), '/data/a')!
      expect(bytes.length).toBeGreaterThanOrEqual(2048)
      expect(bytes.length).toBeLessThanOrEqual(2560)
      const sectors: string[] = []
      for (let at = 0; at < bytes.length; at += 512) {
        const values = new Set(bytes.subarray(at, at + 512))
        expect(values.size).toBe(1)
        sectors.push([...values].join())
      }
      seen.add(sectors.join(' '))
    }
    expect([...seen].sort()).toEqual([
      '1 1 1 1',
      '1 1 1 1 0',
      '1 1 1 1 2',
      '1 1 1 2',
      '1 1 1 2 0',
      '1 1 1 2 2',
      '1 1 2 1',
      '1 1 2 1 0',
      '1 1 2 1 2',
      '1 1 2 2',
      '1 1 2 2 0',
      '1 1 2 2 2',
    ])
  })

  it('may show any version that a block had since the last flush', () => {
    const disk = makeDisk()
    const file = makeDurableFile(disk, 512)
    for (const byte of [2, 3, 4]) file.write(filled(512, byte), 0)
    const seen = new Set<number>()
    for (let seed = 0; seed < 200; seed++) {
      seen.add(contentOf(disk.crash({ class: 'random-pages', seed }), '/data/a')![0]!)
    }
    expect([...seen].sort()).toEqual([1, 2, 3, 4])
  })

  it('keeps or loses a truncation as a whole, and never mixes it with later data', () => {
    const disk = makeDisk()
    const file = makeDurableFile(disk, 8192)
    file.truncate(0)
    file.write(filled(4096, 2), 0)
    const seen = new Set<string>()
    for (let seed = 0; seed < 300; seed++) {
      const bytes = contentOf(disk.crash({ class: 'random-pages', seed }), '/data/a')!
      seen.add(`${bytes.length} ${[...new Set(bytes)].join()}`)
    }
    expect([...seen].sort()).toEqual(['0 ', '4096 0', '4096 2', '8192 1'])
  })

  it('tears the last write at a sector boundary and keeps all before it', () => {
    const disk = makeDisk()
    const file = makeDurableFile(disk, 100)
    file.write(filled(100, 2), 100)
    file.write(filled(2000, 3), 200)
    for (let seed = 0; seed < 50; seed++) {
      const bytes = contentOf(disk.crash({ class: 'torn-last-write', seed }), '/data/a')!
      expect(bytes.subarray(0, 200).equals(Buffer.concat([filled(100, 1), filled(100, 2)]))).toBe(
        true,
      )
      const firstLost = bytes.indexOf(0)
      const cut = firstLost === -1 ? bytes.length : firstLost
      expect([512, 1024, 1536, 2048]).toContain(cut)
    }
  })

  it('replays exactly from its seed', () => {
    const run = (seed: number) => {
      const disk = makeDisk(seed)
      const file = makeDurableFile(disk, 3000)
      for (let at = 0; at < 20; at++) file.write(filled(700, at), at * 500)
      disk.open('/data/b', 'create')
      disk.open('/data/c', 'create')
      return [0, 1, 2, 3].map(() => {
        const after = disk.crash()
        return `${after.readDirectory('/data')} ${contentOf(after, '/data/a')?.toString('hex')}`
      })
    }
    expect(run(9)).toEqual(run(9))
    expect(run(9)).not.toEqual(run(10))
  })

  it('leaves the crashed disk and its other outcomes alone', () => {
    const disk = makeDisk()
    const file = makeDurableFile(disk, 1000)
    const [one, other] = [disk.crash({ class: 'everything' }), disk.crash({ class: 'everything' })]
    one.open('/data/a', 'write').write(filled(10, 9), 0)
    file.write(filled(10, 8), 0)
    expect(contentOf(other, '/data/a')![0]).toBe(1)
    expect(contentOf(one, '/data/a')![0]).toBe(9)
    expect(contentOf(disk, '/data/a')![0]).toBe(8)
  })

  it('can be crashed again, and then has only durable content', () => {
    const disk = makeDisk()
    makeDurableFile(disk, 100).write(filled(100, 2), 0)
    const once = disk.crash({ class: 'everything' })
    const twice = once.crash({ class: 'nothing-unsynced' })
    expect(contentOf(twice, '/data/a')?.equals(filled(100, 2))).toBe(true)
  })

  it('agrees with a model of two copies, whatever happens', async () => {
    const step = fc.oneof(
      fc.record({
        kind: fc.constant('write'),
        at: fc.nat(6000),
        length: fc.integer({ min: 1, max: 3000 }),
      }),
      fc.record({ kind: fc.constant('truncate'), at: fc.nat(6000), length: fc.constant(0) }),
      fc.record({ kind: fc.constant('flush'), at: fc.constant(0), length: fc.constant(0) }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 15 }), fc.nat(), (steps, seed) => {
        const disk = makeDisk(seed)
        const file = makeDurableFile(disk, 1000)
        let flushed: Buffer = filled(1000, 1)
        let versions: Buffer[] = []
        let byte = 1
        for (const { kind, at, length } of steps) {
          if (kind === 'write') file.write(filled(length, ++byte & 0x7f), at)
          else if (kind === 'truncate') file.truncate(at)
          else file.flushSync()
          const now = contentOf(disk, '/data/a')!
          if (kind === 'flush') {
            flushed = now
            versions = []
          } else {
            versions.push(now)
          }
        }
        const last = versions.at(-1) ?? flushed
        expect(contentOf(disk.crash({ class: 'everything' }), '/data/a')?.equals(last)).toBe(true)
        const strict = disk.crash({ class: 'nothing-unsynced' })
        expect(contentOf(strict, '/data/a')?.equals(flushed)).toBe(true)
        expect(contentOf(disk.processCrash(), '/data/a')?.equals(last)).toBe(true)
        const random = contentOf(disk.crash({ class: 'random-sectors' }), '/data/a')!
        const states = [flushed, ...versions]
        const isKnown = (found: number, position: number) =>
          found === 0 || states.some((state) => state[position] === found)
        expect(random.every(isKnown)).toBe(true)
      }),
      { numRuns: 150 },
    )
  })
})

describe('killed process on a simulated disk', () => {
  it('loses nothing that was written, and nothing becomes durable by it', () => {
    const disk = makeDisk()
    makeDurableFile(disk, 100).write(filled(100, 2), 100)
    disk.open('/data/b', 'create')
    const next = disk.processCrash()
    expect(contentOf(next, '/data/a')).toHaveLength(200)
    expect(next.readDirectory('/data')).toEqual(['a', 'b'])
    const after = next.crash({ class: 'nothing-unsynced' })
    expect(contentOf(after, '/data/a')).toHaveLength(100)
    expect(after.readDirectory('/data')).toEqual(['a'])
  })

  it('lets the next process flush what the killed one wrote', () => {
    const disk = makeDisk()
    makeDurableFile(disk, 100).write(filled(100, 2), 100)
    const next = disk.processCrash()
    next.open('/data/a', 'write').flushSync()
    expect(contentOf(next.crash({ class: 'nothing-unsynced' }), '/data/a')).toHaveLength(200)
  })

  it('frees the lock of its directory', () => {
    const disk = makeDisk()
    disk.lockDirectory('/data')
    disk.processCrash().lockDirectory('/data').release()
    disk.crash({ class: 'everything' }).lockDirectory('/data').release()
  })
})

describe('flush on a simulated disk', () => {
  it('keeps what was written, not what the buffer holds later', async () => {
    const disk = makeDisk()
    const file = makeDurableFile(disk, 10)
    const reused = Buffer.from(filled(10, 2))
    file.write(reused, 0)
    reused.fill(3)
    await file.flush()
    expect(contentOf(disk.crash({ class: 'nothing-unsynced' }), '/data/a')![0]).toBe(2)
  })

  it('resolves later, and covers what was written before the call', async () => {
    const completions: (() => void)[] = []
    const disk = new SimFileSystem({
      seed: 1,
      directories: ['/data'],
      defer: (complete) => completions.push(complete),
    })
    const file = makeDurableFile(disk, 100)
    file.write(filled(100, 2), 100)
    const flushing = file.flush()
    file.write(filled(100, 3), 200)
    const strictSize = () => contentOf(disk.crash({ class: 'nothing-unsynced' }), '/data/a')?.length
    expect(strictSize()).toBe(100)
    completions.shift()!()
    await flushing
    expect(strictSize()).toBe(200)
  })

  it('that fails rejects, makes nothing durable, and is not mended by another', async () => {
    const disk = makeDisk()
    const file = makeDurableFile(disk, 100)
    file.write(filled(50, 2), 0)
    file.write(filled(100, 2), 100)
    disk.failOperation(disk.operationCount + 1, { errno: 'EIO' })
    await expect(file.flush()).rejects.toMatchObject({ code: 'ERR_STORAGE', errno: 'EIO' })
    await file.flush()
    expect(contentOf(disk, '/data/a')![0]).toBe(2)
    const lost = contentOf(disk.crash({ class: 'everything' }), '/data/a')!
    expect(lost.equals(Buffer.concat([filled(100, 1), filled(100, 0)]))).toBe(true)
  })
})

describe('faults of a simulated disk', () => {
  it('fails the operation that was named, and no other', () => {
    const disk = makeDisk()
    const file = disk.open('/data/a', 'create')
    disk.failOperation(disk.operationCount + 2, { errno: 'EIO', writtenBytes: 3 })
    file.write(filled(5, 1), 0)
    expect(() => file.write(filled(5, 2), 5)).toThrow(
      expect.objectContaining({ code: 'ERR_STORAGE', errno: 'EIO' }),
    )
    expect([...contentOf(disk, '/data/a')!]).toEqual([1, 1, 1, 1, 1, 2, 2, 2])
    file.write(filled(1, 4), 8)
    disk.failRead(disk.readCount + 1, { errno: 'EIO' })
    expect(() => file.read(Buffer.alloc(1), 0)).toThrow(expect.objectContaining({ errno: 'EIO' }))
    expect(file.read(Buffer.alloc(1), 0)).toBe(1)
  })

  it('fills up, says ENOSPC, and takes data again when something was removed', () => {
    const disk = new SimFileSystem({ seed: 1, directories: ['/data'], capacityBytes: 10_000 })
    const full = expect.objectContaining({ errno: 'ENOSPC' })
    const first = disk.open('/data/a', 'create')
    const second = disk.open('/data/b', 'create')
    first.write(filled(8000, 1), 0)
    expect(() => second.write(filled(3000, 2), 0)).toThrow(full)
    expect(second.size()).toBe(2000)
    expect(() => second.reserve(2000, 1)).toThrow(full)
    first.write(filled(8000, 3), 0)
    expect(disk.space('/data').freeBytes).toBe(0)
    disk.remove('/data/a')
    expect(() => second.write(filled(1, 2), 2000)).toThrow(full)
    first.close()
    second.write(filled(3000, 2), 0)
    expect(disk.space('/data').freeBytes).toBe(7000)
  })

  it('flips bits in what is stored', () => {
    const disk = makeDisk()
    makeDurableFile(disk, 100)
    disk.flipBits('/data/a', 50, 0x81)
    expect(contentOf(disk, '/data/a')![50]).toBe(1 ^ 0x81)
    expect(contentOf(disk.crash({ class: 'nothing-unsynced' }), '/data/a')![50]).toBe(1 ^ 0x81)
  })

  it('stops at any operation, and for good', async () => {
    const history = async (disk: SimFileSystem) => {
      disk.makeDirectory('/data/d')
      await disk.syncDirectory('/data')
      const file = disk.open('/data/d/a', 'create')
      file.write(filled(10_000, 1), 0)
      await file.flush()
      file.truncate(5000)
      disk.rename('/data/d/a', '/data/d/b')
      disk.remove('/data/d/b')
      disk.removeTree('/data/d')
    }
    const whole = makeDisk()
    const kinds: SimOperation['kind'][] = []
    whole.onOperation = ({ kind }) => kinds.push(kind)
    await history(whole)
    expect(kinds).toEqual([
      'make-directory',
      'sync-directory',
      'create',
      'write',
      'flush',
      'truncate',
      'rename',
      'remove',
      'remove',
    ])
    for (let stop = 1; stop <= whole.operationCount; stop++) {
      const disk = makeDisk()
      disk.stopAt(stop)
      await expect(history(disk)).rejects.toThrow(SimCrash)
      expect(() => disk.open('/data/x', 'create')).toThrow(SimCrash)
      for (const crashClass of crashClasses)
        disk.crash({ class: crashClass }).readDirectory('/data')
      disk.processCrash().readDirectory('/data')
    }
  })

  it('writes nothing once it has stopped', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const disk = new SimFileSystem({ seed, directories: ['/data'] })
      const file = makeDurableFile(disk, 10)
      disk.stopAt(disk.operationCount + 1)
      expect(() => file.truncate(5)).toThrow(SimCrash)
      expect(() => file.write(filled(10, 3), 10)).toThrow(SimCrash)
      expect(disk.processCrash().stat('/data/a')?.sizeBytes).toBe(10)
    }
  })

  it('rejects a flush in flight when it stops', async () => {
    const disk = makeDisk()
    const file = makeDurableFile(disk, 10)
    file.write(filled(10, 2), 0)
    const flushing = file.flush()
    disk.stopAt(disk.operationCount + 1)
    expect(() => file.write(filled(10, 3), 0)).toThrow(SimCrash)
    await expect(flushing).rejects.toThrow(SimCrash)
    expect(contentOf(disk.crash({ class: 'nothing-unsynced' }), '/data/a')![0]).toBe(1)
  })
})
