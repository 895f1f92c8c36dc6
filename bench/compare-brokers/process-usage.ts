/** What the kernel counted of a process and of all it has started; Linux only. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'

/** Clock ticks a second in /proc: USER_HZ, which is 100 wherever Node runs on Linux. */
const ticksPerSecond = 100

/** User and system time so far of the processes and their living descendants, in seconds. */
export function cpuSecondsOf(pids: readonly number[]): number {
  let ticks = 0
  for (const pid of withDescendants(pids)) {
    const fields = statFields(pid)
    // utime, stime, and those of children that have ended and were waited for.
    if (fields !== undefined) for (const at of [11, 12, 13, 14]) ticks += Number(fields[at])
  }
  return ticks / ticksPerSecond
}

/** The most that was resident since `resetPeak`, in bytes; summed, so the processes' own peaks. */
export function peakBytesOf(pids: readonly number[]): number {
  return statusBytes(pids, 'VmHWM')
}

/** What is resident now, in bytes. */
export function residentBytesOf(pids: readonly number[]): number {
  return statusBytes(pids, 'VmRSS')
}

/** Lets the peaks begin anew at what is resident now. */
export function resetPeak(pids: readonly number[]): void {
  for (const pid of withDescendants(pids)) writeFileSync(`/proc/${pid}/clear_refs`, '5')
}

/** The fields of /proc/<pid>/stat from `state` on; undefined when the process is gone. */
function statFields(pid: number): string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // The name before may hold blanks and brackets.
    return text.slice(text.lastIndexOf(')') + 2).split(' ')
  } catch (error) {
    if (isGone(error)) return undefined
    throw error
  }
}

function statusBytes(pids: readonly number[], field: string): number {
  let bytes = 0
  for (const pid of withDescendants(pids)) {
    try {
      const status = readFileSync(`/proc/${pid}/status`, 'latin1')
      const [, kibibytes] = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status) ?? []
      bytes += Number(kibibytes ?? 0) * 1024
    } catch (error) {
      if (!isGone(error)) throw error
    }
  }
  return bytes
}

function withDescendants(pids: readonly number[]): Set<number> {
  const parents = new Map<number, number>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const fields = statFields(Number(name))
    if (fields !== undefined) parents.set(Number(name), Number(fields[1]))
  }
  const found = new Set(pids)
  for (let size = 0; size !== found.size; ) {
    size = found.size
    for (const [pid, parent] of parents) if (found.has(parent)) found.add(pid)
  }
  return found
}

function isGone(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'ENOENT' || code === 'ESRCH'
}
