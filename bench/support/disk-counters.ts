/** What the kernel counted of a process's writes and of a disk's flushes; Linux only. */
import { readFileSync, statSync } from 'node:fs'

export type DiskCounters = {
  /** Bytes of the pages this process made dirty. */
  writtenBytes: number
  /** Flush requests the device completed, whoever asked. */
  deviceFlushes: number
}

const flushesField = 19

/** The counters now, or undefined where the kernel does not tell. */
export function diskCounters(directory: string): DiskCounters | undefined {
  try {
    const io = readFileSync('/proc/self/io', 'latin1')
    const writtenBytes = Number(/^write_bytes: (\d+)$/m.exec(io)?.[1])
    const device = statSync(directory).dev
    const name = `${major(device)} ${minor(device)}`
    const line = readFileSync('/proc/diskstats', 'latin1')
      .split('\n')
      .map((text) => text.trim().split(/\s+/))
      .find(([first, second]) => `${first} ${second}` === name)
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
