/** Makes the next reads of a file cold, for tests of what is done then. */
import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import { binding } from '../../src/native/load-binding.ts'
import { makeTemporaryDirectory } from './temporary-directory.ts'

/** Writes the file back and drops its pages, but for those that somebody has mapped or locked. */
export function dropFromPageCache(path: string): void {
  const fd = fs.openSync(path, 'r')
  fs.fdatasyncSync(fd)
  fs.closeSync(fd)
  // With no block to copy it is posix_fadvise(DONTNEED) on the whole file.
  spawnSync('dd', [`if=${path}`, 'iflag=nocache', 'count=0', 'status=none'])
}

/** Whether that works here, and this binding can tell: not on tmpfs, nor with the portable one. */
export function canDropFromPageCache(): boolean {
  const directory = makeTemporaryDirectory()
  const path = `${directory.path}/probe`
  fs.writeFileSync(path, Buffer.alloc(100_000))
  dropFromPageCache(path)
  const fd = fs.openSync(path, 'r')
  const isCold = !binding.isCached(fd, 0, 100_000)
  fs.closeSync(fd)
  directory.remove()
  return isCold
}
