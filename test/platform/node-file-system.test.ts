import { afterAll, afterEach, describe, expect, it, vi } from 'vitest'
import { binding } from '../../src/native/load-binding.ts'
import { nodeFileSystem } from '../../src/platform/node-file-system.ts'
import { pageAlignedBuffer } from '../../src/platform/page-aligned-buffer.ts'
import { describeFileSystemContract } from '../contract/file-system-contract.ts'
import { makeTemporaryDirectory } from '../support/temporary-directory.ts'

describeFileSystemContract('real', () => {
  const directory = makeTemporaryDirectory()
  return { disk: nodeFileSystem, root: directory.path, remove: () => directory.remove() }
})

describe('a durable write on the real disk', () => {
  const refusal = Object.assign(new Error('EINVAL: invalid argument, io_submit'), {
    code: 'EINVAL',
  })
  const directory = makeTemporaryDirectory()
  afterEach(() => vi.restoreAllMocks())
  afterAll(() => directory.remove())

  it.each(['its promise', 'this thread'])(
    'goes through the page cache when the file system refuses it, and %s waits',
    async (who) => {
      const file = nodeFileSystem.open(`${directory.path}/file`, 'open-or-create')
      file.write(Buffer.alloc(8192), 0)
      const later = vi.spyOn(binding, 'writeDurableLater')
      later.mockImplementation(() => Promise.reject(refusal))
      vi.spyOn(binding, 'finishDurableWrites').mockImplementation(() => {
        throw refusal
      })
      const page = pageAlignedBuffer(4096).fill(who.length)
      const durable = file.writeDurableLater(page, 4096)
      if (who === 'this thread') {
        file.finishDurableWrites()
        const found = Buffer.alloc(1)
        file.read(found, 4096)
        // Where nothing goes past the page cache there was nothing to wait for.
        expect(found[0]).toBe(durable === undefined ? 0 : who.length)
        file.write(Buffer.from('later'), 4096)
      }
      await durable
      const found = Buffer.alloc(5)
      file.read(found, 4096)
      const isOver = who === 'this thread' || durable === undefined
      expect(found.toString()).toBe(isOver ? 'later' : page.toString('latin1', 0, 5))
      // It is not asked again.
      expect(file.writeDurableLater(page, 4096)).toBeUndefined()
      expect(later.mock.calls.length).toBeLessThanOrEqual(1)
      file.close()
    },
  )

  it('is not taken for done when it failed just before, and nobody has heard of it', async () => {
    const file = nodeFileSystem.open(`${directory.path}/file`, 'open-or-create')
    file.write(Buffer.alloc(8192), 0)
    const failure = Object.assign(new Error('EIO: i/o error, io_submit'), { code: 'EIO' })
    vi.spyOn(binding, 'writeDurableLater').mockImplementation(() => Promise.reject(failure))
    const page = pageAlignedBuffer(4096).fill('p')
    const durable = file.writeDurableLater(page, 4096)
    if (durable !== undefined) {
      file.finishDurableWrites()
      const found = Buffer.alloc(1)
      file.read(found, 4096)
      expect(found.toString()).toBe('p')
      await expect(durable).rejects.toMatchObject({ errno: 'EIO' })
    }
    file.close()
  })

  it('fails with what the device says', async () => {
    const file = nodeFileSystem.open(`${directory.path}/file`, 'open-or-create')
    const failure = Object.assign(new Error('EIO: i/o error, io_submit'), { code: 'EIO' })
    vi.spyOn(binding, 'writeDurableLater').mockImplementation(() => Promise.reject(failure))
    const durable = file.writeDurableLater(pageAlignedBuffer(4096), 0)
    if (durable !== undefined) {
      await expect(durable).rejects.toMatchObject({ code: 'ERR_STORAGE', errno: 'EIO' })
    }
    file.close()
  })
})

describe('makeDirectory on the real disk', () => {
  it.skipIf(process.platform !== 'linux')(
    'fails at once below a directory that takes no children [skipped outside Linux]',
    () => {
      expect(() => nodeFileSystem.makeDirectory('/proc/stratalog/data')).toThrow(
        expect.objectContaining({ code: 'ERR_STORAGE', errno: 'ENOENT' }),
      )
    },
  )
})
