/** Makes the next reads cold, without a touch on what other processes have cached. */
import { spawnSync } from 'node:child_process'
import { closeSync, fdatasyncSync, openSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Writes back the log segments below a directory and drops their pages. Pages that a process has
 * mapped stay, so a server that maps its segments keeps those it has touched. Linux only.
 */
export function dropSegmentsFromCache(directory: string): void {
  for (const entry of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
    if (!entry.endsWith('.log')) continue
    const path = join(directory, entry)
    if (!dropFromCache(path)) throw new Error(`the pages of ${path} were not dropped`)
  }
}

/** The same of one file. @returns whether there was a `dd` that can. */
export function dropFromCache(path: string): boolean {
  const fd = openSync(path, 'r')
  fdatasyncSync(fd)
  closeSync(fd)
  // With no block to copy it is posix_fadvise(DONTNEED) on the whole file.
  const args = [`if=${path}`, 'iflag=nocache', 'count=0', 'status=none']
  return spawnSync('dd', args).status === 0
}
