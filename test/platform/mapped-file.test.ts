/** Goal: an index can be read where it cannot be mapped, and other failures stay what they are. */
import { closeSync, openSync, writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { mapFile } from '../../src/platform/mapped-file.ts'
import { withTemporaryDirectory } from '../support/temporary-directory.ts'

/** A system that refuses every mapping. */
const refusing = (code: string) => ({
  map(): ArrayBuffer {
    throw Object.assign(new Error(`mmap: ${code}`), { code })
  },
  unmap() {
    throw new Error('nothing of it was mapped')
  },
})

async function withFile(work: (fd: number, path: string) => void): Promise<void> {
  await withTemporaryDirectory(async (directory) => {
    const path = `${directory}/index`
    writeFileSync(path, 'abcdef')
    const fd = openSync(path, 'r')
    try {
      work(fd, path)
    } finally {
      closeSync(fd)
    }
  })
}

describe('a file that cannot be mapped', () => {
  it('for want of mappings is read instead, and let go like one', async () => {
    await withFile((fd, path) => {
      const mapped = mapFile(fd, path, 4, refusing('ENOMEM'))
      expect(String(mapped.bytes)).toBe('abcd')
      mapped.unmap()
      expect(mapped.bytes.length).toBe(0)
    })
  })

  it('for another reason, or since it is shorter, is a StorageError', async () => {
    await withFile((fd, path) => {
      const failed = (errno: string) =>
        expect.objectContaining({ code: 'ERR_STORAGE', operation: 'map', path, errno })
      expect(() => mapFile(fd, path, 4, refusing('EACCES'))).toThrow(failed('EACCES'))
      expect(() => mapFile(fd, path, 40, refusing('ENOMEM'))).toThrow(failed('EINVAL'))
      expect(() => mapFile(fd, path, 40)).toThrow(failed('EINVAL'))
    })
  })
})
