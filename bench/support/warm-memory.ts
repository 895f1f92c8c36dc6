/**
 * Memory as on a machine that has been up for a while. A virtual machine gives what is free back to
 * its host (free page reporting: begun 2 s after it was freed, over within half a minute), and the
 * next to touch it waits for the host: 0.7 to 1.2 s a GB, five to seven times what the write itself
 * costs. It falls on whoever happens to grow the page cache or a heap, so that without this the same
 * server costs 0.7 s a GB in one turn and 3 in the next. On a machine in use little is free: the
 * page cache holds the rest, clean, and gives it up at once without asking a host.
 */
import { ftruncateSync, mkdirSync, openSync, readFileSync, readSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { repositoryRoot } from './machine.ts'

const chunkBytes = 1 << 20
/** Left to the kernel, which begins to take pages back below about as much. */
const leftBytes = 64 << 20
const limitMs = 90_000

/** A file without a name, nothing but a hole, whose pages fill the memory until this process ends. */
let holder: { readonly fd: number; sizeBytes: number } | undefined

/**
 * Fills what memory is free with clean pages of the page cache. The first call takes 2 s a GB at
 * worst (90 s at most), the next ones what was freed since: to be called before every turn that is
 * measured. Linux only; elsewhere it does nothing.
 */
export function warmMemory(): void {
  if (process.platform !== 'linux') return
  const bytes = Math.min(freeBytes(), process.constrainedMemory() * 0.75 || Infinity) - leftBytes
  if (bytes < chunkBytes) return
  holder ??= { fd: openHole(), sizeBytes: 0 }
  const end = holder.sizeBytes + bytes
  ftruncateSync(holder.fd, end)
  const chunk = Buffer.allocUnsafeSlow(chunkBytes)
  const deadline = Date.now() + limitMs
  // Each page once only: those read twice would outlive those of the files that are measured.
  for (; holder.sizeBytes < end && Date.now() < deadline; holder.sizeBytes += chunkBytes) {
    readSync(holder.fd, chunk, 0, chunkBytes, holder.sizeBytes)
  }
}

function openHole(): number {
  const folder = join(repositoryRoot(), '.cache')
  mkdirSync(folder, { recursive: true })
  const path = join(folder, `memory-${process.pid}`)
  const fd = openSync(path, 'w+')
  unlinkSync(path)
  return fd
}

/** In no use at all, not even as page cache. */
function freeBytes(): number {
  const [, kibibytes] = /^MemFree:\s+(\d+) kB/m.exec(readFileSync('/proc/meminfo', 'utf8'))!
  return Number(kibibytes) * 1024
}
