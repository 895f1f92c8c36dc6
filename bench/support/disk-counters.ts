/**
 * What the kernel counted of a disk, whoever used it; Linux only. Not the bytes a process is said to have
 * written: a page cache of large folios counts all of one when a part of it becomes dirty.
 */
import { readFileSync, statSync } from 'node:fs'

export type DiskCounters = {
  writtenBytes: number
  /** Flush requests the device completed. */
  deviceFlushes: number
}

const sectorsWrittenField = 10
const sectorBytes = 512
const flushesField = 19

/** The counters now, or undefined where the kernel does not tell. */
export function diskCounters(directory: string): DiskCounters | undefined {
  try {
    const device = statSync(directory).dev
    const name = `${major(device)} ${minor(device)}`
    const line = readFileSync('/proc/diskstats', 'latin1')
      .split('\n')
      .map((text) => text.trim().split(/\s+/))
      .find(([first, second]) => `${first} ${second}` === name)
    const writtenBytes = Number(line?.[sectorsWrittenField - 1]) * sectorBytes
    const deviceFlushes = Number(line?.[flushesField - 1])
    if (Number.isNaN(writtenBytes) || Number.isNaN(deviceFlushes)) return undefined
    return { writtenBytes, deviceFlushes }
  } catch {
    return undefined // Another system, or a container that hides them: there is no figure then.
  }
}

// A device number as glibc packs it, in 32 bits as nearly all are.
function major(device: number): number {
  return (device >>> 8) & 0xfff
}

function minor(device: number): number {
  return (device & 0xff) | ((device >>> 12) & 0xfff00)
}
