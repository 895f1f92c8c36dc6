/** Whether reads of a file can be made cold here, for tests of what is done then. */
import * as fs from 'node:fs'
import { dropFromCache } from '../../bench/support/page-cache.ts'
import { loadAddon } from '../../src/native/load-binding.ts'
import { makeTemporaryDirectory } from './temporary-directory.ts'

/** Drops pages until `isCold`; some may stay for a moment, as when other cores have just touched them. */
export function dropUntil(path: string, isCold: () => boolean): boolean {
  for (let tries = 0; tries < 50; tries++) {
    if (!dropFromCache(path)) return false
    if (isCold()) return true
  }
  return false
}

/** And whether anybody can tell: not on tmpfs, nor without the addon. */
export function canDropFromCache(): boolean {
  const directory = makeTemporaryDirectory()
  const path = `${directory.path}/probe`
  fs.writeFileSync(path, Buffer.alloc(100_000))
  const fd = fs.openSync(path, 'r')
  try {
    const addon = loadAddon()
    return dropUntil(path, () => !addon.isCached(fd, 0, 100_000))
  } catch {
    return false
  } finally {
    fs.closeSync(fd)
    directory.remove()
  }
}
