/**
 * What every `FileSystem` does. Goal: the engine behaves on the simulated disk as on the real one,
 * so that what the simulation proves holds. Method: the same calls on both, errors by errno.
 */
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { StorageError, StoreLockedError } from '../../src/base/errors.ts'
import type { File, FileSystem, OpenMode } from '../../src/platform/file-system.ts'
import { pageAlignedBuffer } from '../../src/platform/page-aligned-buffer.ts'

export type DiskUnderTest = {
  readonly disk: FileSystem
  /** An empty directory. */
  readonly root: string
  remove(): void
}

export function describeFileSystemContract(name: string, make: () => DiskUnderTest): void {
  describe(`${name} disk`, () => {
    let disk: FileSystem
    let root: string
    let remove: () => void
    const opened: File[] = []

    beforeEach(() => {
      ;({ disk, root, remove } = make())
    })

    afterEach(() => {
      for (const file of opened.splice(0)) file.close()
      remove()
    })

    const open = (path: string, mode: OpenMode = 'open-or-create'): File => {
      const file = disk.open(`${root}/${path}`, mode)
      opened.push(file)
      return file
    }
    const fill = (path: string, text: string): File => {
      const file = open(path)
      file.write(Buffer.from(text), 0)
      return file
    }
    const contentOf = (file: File): string => {
      const bytes = Buffer.alloc(file.size())
      expect(file.read(bytes, 0)).toBe(bytes.length)
      return bytes.toString('latin1')
    }

    describe('open', () => {
      it('tells modes apart by what exists', () => {
        expect(() => open('a', 'read')).toThrow(failing('ENOENT'))
        expect(() => open('a', 'write')).toThrow(failing('ENOENT'))
        open('a', 'create')
        expect(() => open('a', 'create')).toThrow(failing('EEXIST'))
        for (const mode of ['read', 'write', 'open-or-create'] as const) open('a', mode)
        expect(disk.stat(`${root}/a`)).toMatchObject({ kind: 'file', sizeBytes: 0 })
      })

      it('keeps the content of a file that it opens again', () => {
        fill('a', 'text').close()
        expect(contentOf(open('a', 'open-or-create'))).toBe('text')
        expect(contentOf(open('a', 'write'))).toBe('text')
      })

      it('refuses directories and paths that lead nowhere', () => {
        disk.makeDirectory(`${root}/d`)
        fill('f', 'x')
        for (const mode of ['read', 'write', 'open-or-create'] as const) {
          expect(() => open('d', mode)).toThrow(failing('EISDIR'))
          expect(() => open('f/below', mode)).toThrow(failing('ENOTDIR'))
          expect(() => open('missing/below', mode)).toThrow(failing('ENOENT'))
        }
      })

      it('refuses to write what was opened for reading', () => {
        fill('a', 'text')
        const file = open('a', 'read')
        expect(() => file.write(Buffer.from('x'), 0)).toThrow(StorageError)
        expect(() => file.truncate(0)).toThrow(StorageError)
        expect(contentOf(file)).toBe('text')
      })
    })

    describe('file', () => {
      it('reads back what was written, anywhere in it', () => {
        const file = fill('a', '0123456789')
        const part = Buffer.alloc(4)
        expect(file.read(part, 3)).toBe(4)
        expect(part.toString()).toBe('3456')
        file.write(Buffer.from('xy'), 4)
        expect(contentOf(file)).toBe('0123xy6789')
      })

      it('reads less only at the end', () => {
        const file = fill('a', '0123456789')
        const bytes = Buffer.alloc(8, '.')
        expect(file.read(bytes, 6)).toBe(4)
        expect(bytes.toString()).toBe('6789....')
        expect(file.read(bytes, 10)).toBe(0)
        expect(file.read(bytes, 1000)).toBe(0)
        expect(file.read(Buffer.alloc(0), 0)).toBe(0)
      })

      it('fills a gap with zeros', () => {
        const file = fill('a', 'x')
        file.write(Buffer.from('y'), 5)
        expect(contentOf(file)).toBe('x\0\0\0\0y')
      })

      it('does not keep the bytes it was given', () => {
        const file = open('a')
        const bytes = Buffer.from('before')
        file.write(bytes, 0)
        bytes.write('after!')
        expect(contentOf(file)).toBe('before')
      })

      it('writes durably, whatever the memory, the place and the size, among other writes', () => {
        const page = pageAlignedBuffer(8192)
        const memory = [page, Buffer.alloc(8193).subarray(1)]
        const file = fill('a', '')
        const model = Buffer.alloc(20_000)
        file.write(model, 0)
        let round = 0
        fc.assert(
          fc.property(
            fc.constantFrom(...memory),
            fc.constantFrom(0, 1, 4096, 5000, 8192),
            fc.constantFrom(0, 100, 4096, 8192),
            fc.nat(19_900),
            (bytes, size, position, behind) => {
              const source = bytes.subarray(0, size).fill(round++)
              // In the page cache only, maybe in a page that the other write goes past.
              const text = Buffer.from(`round ${round}`)
              file.write(text, behind)
              model.set(text, behind)
              file.writeDurable(source, position)
              model.set(source, position)
              source.fill(0)
              expect(contentOf(file)).toBe(model.toString('latin1'))
            },
          ),
          { numRuns: 60 },
        )
      })

      it('begins to write durably, or says that it cannot', async () => {
        const file = fill('a', '')
        file.write(Buffer.alloc(12_288), 0)
        file.flushSync()
        const page = pageAlignedBuffer(4096).fill('p')
        const durable = file.writeDurableLater(page, 4096)
        if (durable === undefined) file.write(page, 4096)
        else await durable
        const expected = Buffer.alloc(12_288)
        page.copy(expected, 4096)
        expect(contentOf(file)).toBe(expected.toString('latin1'))
        expect(file.writeDurableLater(page.subarray(0, 100), 0)).toBeUndefined()
        expect(file.writeDurableLater(page, 100)).toBeUndefined()
        expect(contentOf(file)).toBe(expected.toString('latin1'))
        // One that is waited for on this thread has its promise as well.
        const waited = file.writeDurableLater(page.fill('q'), 8192)
        file.finishDurableWrites()
        await waited
        page.fill(waited === undefined ? 0 : 'q').copy(expected, 8192)
        expect(contentOf(file)).toBe(expected.toString('latin1'))
        file.finishDurableWrites()
        // One that is under way outlives the descriptor.
        const closing = file.writeDurableLater(page, 0)
        file.close()
        await closing
        expect(contentOf(open('a', 'read')).slice(0, 4096)).toBe(
          (closing === undefined ? Buffer.alloc(4096) : page).toString('latin1'),
        )
      })

      it('cuts and extends, and never shows again what was cut', () => {
        const file = fill('a', '0123456789')
        file.truncate(4)
        expect(contentOf(file)).toBe('0123')
        file.truncate(6)
        expect(contentOf(file)).toBe('0123\0\0')
        file.truncate(0)
        expect(file.size()).toBe(0)
      })

      it('loads what is there, and leaves what is wrong to the read', async () => {
        const file = fill('a', '0123456789')
        await file.load(2, 1_000_000)
        await file.load(100, 5)
        expect(file.isCached(0, 10)).toBe(true)
        expect(contentOf(file)).toBe('0123456789')
        const loads = Array.from({ length: 3 }, () => file.load(0, 10))
        file.close()
        await Promise.all(loads)
        expect(() => file.isCached(0, 10)).toThrow(failing('EBADF'))
      })

      it('reserves blocks without changing anything', () => {
        const file = fill('a', 'text')
        file.reserve(4, 10_000)
        expect(contentOf(file)).toBe('text')
        file.write(Buffer.from(' and more'), 4)
        file.reserve(0, 5)
        expect(contentOf(file)).toBe('text and more')
        file.truncate(4)
        expect(contentOf(file)).toBe('text')
      })

      it('is one file through every descriptor', () => {
        const one = fill('a', 'one')
        const other = open('a', 'read')
        one.write(Buffer.from('two'), 0)
        expect(contentOf(other)).toBe('two')
        one.truncate(1)
        expect(other.size()).toBe(1)
      })

      it('flushes, now or later', async () => {
        const file = fill('a', 'text')
        file.flushSync()
        await file.flush()
        const closing = file.flush()
        file.close()
        await closing
      })

      it('refuses everything once closed, and closes quietly again', async () => {
        const file = fill('a', 'text')
        file.close()
        file.close()
        expect(file.fd).toBe(-1)
        for (const use of [
          () => file.size(),
          () => file.read(Buffer.alloc(1), 0),
          () => file.write(Buffer.alloc(1), 0),
          () => file.writeDurable(Buffer.alloc(1), 0),
          () => file.writeDurableLater(Buffer.alloc(1), 0),
          () => file.truncate(0),
          () => file.reserve(0, 1),
          () => file.flushSync(),
          () => file.map(1),
        ]) {
          expect(use).toThrow(failing('EBADF'))
        }
        await expect(file.flush()).rejects.toThrow(failing('EBADF'))
      })

      it('stays readable after it was removed or replaced', () => {
        const file = fill('a', 'old')
        disk.remove(`${root}/a`)
        expect(contentOf(file)).toBe('old')
        fill('b', 'new')
        const replaced = fill('c', 'replaced')
        disk.rename(`${root}/b`, `${root}/c`)
        expect(contentOf(replaced)).toBe('replaced')
        expect(contentOf(open('c', 'read'))).toBe('new')
      })

      it('does whatever a plain array of bytes does', () => {
        const change = fc.oneof(
          fc.record({ write: fc.uint8Array({ maxLength: 9000 }), at: fc.nat(20_000) }),
          fc.record({ truncate: fc.nat(20_000) }),
          fc.record({ reserve: fc.nat(20_000) }),
        )
        let round = 0
        fc.assert(
          fc.property(fc.array(change, { maxLength: 12 }), (changes) => {
            const file = disk.open(`${root}/model${round++}`, 'create')
            let model = Buffer.alloc(0)
            const grow = (size: number) => {
              if (size > model.length)
                model = Buffer.concat([model, Buffer.alloc(size - model.length)])
            }
            for (const step of changes) {
              if ('write' in step) {
                file.write(step.write, step.at)
                if (step.write.length > 0) grow(step.at + step.write.length)
                model.set(step.write, step.write.length > 0 ? step.at : 0)
              } else if ('truncate' in step) {
                file.truncate(step.truncate)
                grow(step.truncate)
                model = Buffer.from(model.subarray(0, step.truncate))
              } else file.reserve(step.reserve, 1)
            }
            expect(file.size()).toBe(model.length)
            expect(Buffer.from(contentOf(file), 'latin1').equals(model)).toBe(true)
            file.close()
          }),
          { numRuns: 40 },
        )
      })
    })

    describe('map', () => {
      it('shows a first part of the file until it is unmapped', () => {
        const file = fill('a', 'mapped bytes')
        const mapped = file.map(6)
        expect(mapped.bytes.toString()).toBe('mapped')
        mapped.bytes[0] = 0x4d
        expect(contentOf(file)).toBe('mapped bytes')
        file.close()
        expect(mapped.bytes.toString()).toBe('Mapped')
        mapped.unmap()
        expect(mapped.bytes.length).toBe(0)
        mapped.unmap()
      })

      it('refuses more than the file holds', () => {
        const file = fill('a', 'short')
        expect(() => file.map(6)).toThrow(failing('EINVAL'))
        expect(() => file.map(0)).toThrow(RangeError)
      })
    })

    describe('names', () => {
      it('lists a directory in order of code units', () => {
        for (const name of ['b', 'a', 'B', '10', '9', 'é']) fill(name, '')
        disk.makeDirectory(`${root}/d`)
        expect(disk.readDirectory(root)).toEqual(['10', '9', 'B', 'a', 'b', 'd', 'é'])
        expect(() => disk.readDirectory(`${root}/a`)).toThrow(failing('ENOTDIR'))
        expect(() => disk.readDirectory(`${root}/missing`)).toThrow(failing('ENOENT'))
      })

      it('says what stands at a path, or nothing', () => {
        fill('a', 'text')
        disk.makeDirectory(`${root}/d`)
        expect(disk.stat(`${root}/a`)).toMatchObject({ kind: 'file', sizeBytes: 4 })
        expect(disk.stat(`${root}/d`)?.kind).toBe('directory')
        expect(disk.stat(`${root}/missing`)).toBeUndefined()
        expect(disk.stat(`${root}/a/below`)).toBeUndefined()
        expect(disk.stat(`${root}/missing/below`)).toBeUndefined()
      })

      it('makes directories with their parents, and takes one that exists', () => {
        disk.makeDirectory(`${root}/x/y/z`)
        disk.makeDirectory(`${root}/x/y`)
        expect(disk.readDirectory(`${root}/x`)).toEqual(['y'])
        fill('f', '')
        expect(() => disk.makeDirectory(`${root}/f`)).toThrow(failing('EEXIST'))
      })

      it('renames files and directories', () => {
        disk.makeDirectory(`${root}/d`)
        fill('d/a', 'moved').close()
        disk.rename(`${root}/d/a`, `${root}/b`)
        expect(disk.readDirectory(`${root}/d`)).toEqual([])
        disk.rename(`${root}/d`, `${root}/e`)
        disk.rename(`${root}/b`, `${root}/e/c`)
        expect(contentOf(open('e/c', 'read'))).toBe('moved')
        expect(disk.readDirectory(root)).toEqual(['e'])
      })

      it('refuses a rename that would lose or mix something', () => {
        disk.makeDirectory(`${root}/full`)
        disk.makeDirectory(`${root}/empty`)
        fill('full/a', '')
        fill('f', '')
        const rename = (source: string, target: string) => () =>
          disk.rename(`${root}/${source}`, `${root}/${target}`)
        expect(rename('missing', 'g')).toThrow(failing('ENOENT'))
        expect(rename('f', 'missing/g')).toThrow(failing('ENOENT'))
        expect(rename('f', 'full')).toThrow(failing('EISDIR'))
        expect(rename('full', 'f')).toThrow(failing('ENOTDIR'))
        expect(rename('empty', 'full')).toThrow(failing('ENOTEMPTY'))
        rename('full', 'empty')()
        rename('f', 'f')()
        expect(disk.readDirectory(root)).toEqual(['empty', 'f'])
      })

      it('removes files one by one and directories with all in them', () => {
        disk.makeDirectory(`${root}/d/e`)
        fill('d/a', 'x')
        fill('d/e/b', 'y')
        expect(() => disk.remove(`${root}/missing`)).toThrow(failing('ENOENT'))
        expect(() => disk.remove(`${root}/d`)).toThrow(StorageError)
        expect(() => disk.removeTree(`${root}/missing`)).toThrow(failing('ENOENT'))
        expect(() => disk.removeTree(`${root}/d/a`)).toThrow(failing('ENOTDIR'))
        disk.remove(`${root}/d/a`)
        disk.removeTree(`${root}/d`)
        expect(disk.readDirectory(root)).toEqual([])
      })

      it('removes a file off the calling thread, also one that is open', async () => {
        fill('a', 'x')
        const file = disk.open(`${root}/a`, 'read')
        await disk.removeLater(`${root}/a`)
        expect(disk.stat(`${root}/a`)).toBeUndefined()
        expect(file.size()).toBe(1)
        file.close()
        await expect(disk.removeLater(`${root}/a`)).rejects.toThrow(failing('ENOENT'))
        await expect(disk.removeLater(`${root}/missing/a`)).rejects.toThrow(StorageError)
      })

      it('makes names durable, where there is a directory', async () => {
        fill('a', '')
        await disk.syncDirectory(root)
        disk.syncDirectorySync(root)
        await expect(disk.syncDirectory(`${root}/missing`)).rejects.toThrow(failing('ENOENT'))
        expect(() => disk.syncDirectorySync(`${root}/missing`)).toThrow(failing('ENOENT'))
        expect(() => disk.syncDirectorySync(`${root}/a`)).toThrow(failing('ENOTDIR'))
      })

      it('knows how much space there is', () => {
        const { freeBytes, totalBytes } = disk.space(root)
        expect(freeBytes).toBeGreaterThan(0)
        expect(totalBytes).toBeGreaterThanOrEqual(freeBytes)
        expect(() => disk.space(`${root}/missing`)).toThrow(failing('ENOENT'))
      })
    })

    describe('directory lock', () => {
      it('is held once, and can be taken again after its release', () => {
        const lock = disk.lockDirectory(root)
        expect(() => disk.lockDirectory(root)).toThrow(StoreLockedError)
        expect(disk.readDirectory(root)).toEqual(['.lock'])
        lock.release()
        lock.release()
        expect(disk.readDirectory(root)).toEqual([])
        disk.lockDirectory(root).release()
      })

      it('is one per directory', () => {
        disk.makeDirectory(`${root}/x`)
        disk.makeDirectory(`${root}/y`)
        const locks = [disk.lockDirectory(`${root}/x`), disk.lockDirectory(`${root}/y`)]
        for (const lock of locks) lock.release()
      })

      it('needs a directory', () => {
        expect(() => disk.lockDirectory(`${root}/missing`)).toThrow(failing('ENOENT'))
      })
    })
  })
}

function failing(errno: string): Error {
  return expect.objectContaining({ code: 'ERR_STORAGE', errno })
}
