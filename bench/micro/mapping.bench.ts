// Question  What does mapping a file cost, and reading through the mapping: ours, mmap-io, a read?
// Workload  files of 64 KiB, 1 MiB and 64 MiB in the page cache.
// Measures  ns to map and touch the first byte, 2,000 times (ours unmaps at once; the maintained fork of
//           mmap-io has no call for that and leaves it to the garbage collector: mapped for longer, the
//           process runs out of mappings); ns and GB/s to touch one byte of each page of a mapping
//           that is there, and for all bytes of the file by pread into one buffer. Not: cold pages.
import { closeSync, openSync, readSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadAddon } from '../../src/native/load-binding.ts'
import { inDataDirectory } from '../support/data-directory.ts'
import { type MicroRow, type MicroWork, measureMicro, peerOrNone } from '../support/micro.ts'
import { figure } from '../support/table.ts'

type MmapIo = {
  map(size: number, protection: number, flags: number, fd: number): Buffer
  PROT_READ: number
  MAP_SHARED: number
}

const pageBytes = 4096
const maps = 2000

/** Runs the whole file; `tiny` inputs only show that it works. */
export function run(options: { readonly tiny: boolean }): Promise<MicroRow[]> {
  const sizes = options.tiny ? [65_536] : [65_536, 1_048_576, 67_108_864]
  const peer = peerOrNone<MmapIo>('@riaskov/mmap-io', options)
  return inDataDirectory('mapping', options, (directory) =>
    sizes.flatMap((size) => {
      const path = join(directory, `file-${size}`)
      writeFileSync(path, Buffer.alloc(size, 1))
      const fd = openSync(path, 'r')
      try {
        const ways = [ours(fd, size), mmapIo(peer, fd, size)].filter((way) => way !== undefined)
        return [
          ...measureMicro(
            ways.map(({ name, mapOnce }) => ({ what: `${name}: map`, work: mapOnce })),
            { ...options, calls: maps },
          ),
          ...measureMicro(
            [...ways.map(({ name, mapped }) => touch(`${name}: touch`, mapped)), read(fd, size)],
            options,
          ),
        ]
      } finally {
        closeSync(fd)
      }
    }),
  )
}

type Way = {
  readonly name: string
  /** Maps the file and touches its first byte. */
  readonly mapOnce: () => number
  readonly mapped: Buffer
}

function ours(fd: number, size: number): Way | undefined {
  let addon: ReturnType<typeof loadAddon>
  try {
    addon = loadAddon()
  } catch (error) {
    console.log(`skipped: the addon [${String(error).split('\n', 1)[0]}]`)
    return undefined
  }
  const mapOnce = (): number => {
    const region = addon.map(fd, size)
    const first = new Uint8Array(region)[0]!
    addon.unmap(region)
    return first
  }
  return { name: `${figure(size)} B, ours`, mapOnce, mapped: Buffer.from(addon.map(fd, size)) }
}

function mmapIo(peer: MmapIo | undefined, fd: number, size: number): Way | undefined {
  if (peer === undefined) return undefined
  const map = () => peer.map(size, peer.PROT_READ, peer.MAP_SHARED, fd)
  return { name: `${figure(size)} B, mmap-io`, mapOnce: () => map()[0]!, mapped: map() }
}

function touch(what: string, bytes: Buffer): MicroWork {
  const work = (): number => {
    let sum = 0
    for (let at = 0; at < bytes.length; at += pageBytes) sum += bytes[at]!
    return sum
  }
  return { what, bytes: bytes.length, work }
}

function read(fd: number, size: number): MicroWork {
  const into = Buffer.alloc(size)
  return {
    what: `${figure(size)} B, pread`,
    bytes: size,
    work: () => readSync(fd, into, 0, size, 0),
  }
}
