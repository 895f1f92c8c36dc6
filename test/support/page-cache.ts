/** Whether reads of a file can be made cold here, for tests of what is done then. */
import * as fs from 'node:fs'
import { dropFromCache } from '../../bench/support/page-cache.ts'
import { loadAddon } from '../../src/native/load-binding.ts'
import { makeTemporaryDirectory } from './temporary-directory.ts'

/** And whether anybody can tell: not on tmpfs, nor without the addon. */
export function canDropFromCache(): boolean {
  const directory = makeTemporaryDirectory()
  const path = `${directory.path}/probe`
  fs.writeFileSync(path, Buffer.alloc(100_000))
  const fd = fs.openSync(path, 'r')
  try {
    return dropFromCache(path) && !loadAddon().isCached(fd, 0, 100_000)
  } catch {
    return false
  } finally {
    fs.closeSync(fd)
    directory.remove()
  }
}
