/**
 * Mutual exclusion of processes by a file alone, for systems where none of the kernel's locks can be
 * had. A file is held by the process it names while that process lives:
 *
 *     file := pid " " startTime " " kind "\n"      ASCII
 *       pid        process id of the holder, decimal
 *       startTime  when that process started, as `/proc/<pid>/stat` and the boot id say, or "-"
 *       kind       "pid", or "kernel" where a lock of the kernel on this file is the truth
 *
 * A file appears complete or not at all, by link(2), which fails where one is already. Two rules
 * make removals safe: the file of a live holder is removed by that holder only, the file of a dead
 * one only by who holds `<file>.turn`, which is such a file itself. So of two that saw the same dead
 * holder the slower one cannot remove what the quicker one put there.
 */
import { randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import { isPidAlive, ownPid } from '../native/process-identity.ts'

export type Holder = { pid: number; startTime: string; kind: 'kernel' | 'pid' }

/** A complete file of this process, of a name of its own, to take others with. The caller removes it. */
export function writeDraft(path: string): string {
  const draft = `${path}.${ownPid}.${randomBytes(4).toString('hex')}`
  fs.writeFileSync(draft, formatHolder('pid'), { encoding: 'latin1', flag: 'wx' })
  return draft
}

/** Removes the drafts for `directory/name` that processes left when they died. */
export function removeDeadDrafts(directory: string, name: string): void {
  for (const entry of fs.readdirSync(directory)) {
    if (!entry.startsWith(`${name}.`)) continue
    const draft = /^([1-9]\d{0,9})\.[0-9a-f]{8}$/.exec(entry.slice(name.length + 1))
    if (draft === null || isPidAlive(Number(draft[1]))) continue
    fs.rmSync(`${directory}/${entry}`, { force: true })
  }
}

/** Takes `path` unless a live process holds it, or its turn. Whoever took it removes it to release it. */
export function takePidFile(path: string, draft: string): boolean {
  if (linkIfAbsent(draft, path)) return true
  if (isHeldOrGone(path)) return false
  const turn = turnOf(path)
  if (!takePidFile(turn, draft)) return false
  try {
    if (isHeldOrGone(path)) return false
    fs.rmSync(path, { force: true })
    return linkIfAbsent(draft, path)
  } finally {
    fs.rmSync(turn, { force: true })
  }
}

/** The file that gives the right to replace what a dead process left at `path`. */
export function turnOf(path: string): string {
  return `${path}.turn`
}

/** Gives the file `source` the name `target` too, unless there is one of that name. */
export function linkIfAbsent(source: string, target: string): boolean {
  try {
    fs.linkSync(source, target)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

function isHeldOrGone(path: string): boolean {
  const text = readText(path)
  if (text === undefined) return true
  const holder = parseHolder(text)
  return holder !== undefined && isHolderAlive(holder)
}

export function formatHolder(kind: Holder['kind']): string {
  return `${ownPid} ${startTimeOf(ownPid) ?? '-'} ${kind}\n`
}

/** The holder a file names; undefined when there is no file or it says nothing we wrote. */
export function readHolder(path: string): Holder | undefined {
  const text = readText(path)
  return text === undefined ? undefined : parseHolder(text)
}

export function parseHolder(text: string): Holder | undefined {
  const match = /^([1-9]\d{0,9}) (\S+) (kernel|pid)\n$/.exec(text)
  if (match === null) return undefined
  return { pid: Number(match[1]), startTime: match[2]!, kind: match[3] as Holder['kind'] }
}

/** The text of a file; undefined when there is none. */
export function readText(path: string): string | undefined {
  try {
    return fs.readFileSync(path, 'latin1')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/**
 * The same for what the system says of itself. Undefined where it does not: on another system, of a
 * process that has just ended, or in a sandbox that shows no /proc.
 */
function readProc(path: string): string | undefined {
  try {
    return fs.readFileSync(path, 'latin1')
  } catch {
    return undefined
  }
}

/** A process with that id lives, and is not another one that was given the same id later. */
export function isHolderAlive(holder: Holder): boolean {
  if (!isPidAlive(holder.pid) || isZombie(holder.pid)) return false
  const startTime = startTimeOf(holder.pid)
  return startTime === undefined || holder.startTime === '-' || startTime === holder.startTime
}

/** The process has ended and only waits for a parent that may never ask (as pid 1 of a container). */
function isZombie(pid: number): boolean {
  const state = statFields(pid)?.[0]
  return state === 'Z' || state === 'X'
}

/** Ticks since boot at which a process started, and which boot; undefined outside Linux. */
function startTimeOf(pid: number): string | undefined {
  const bootId = readProc('/proc/sys/kernel/random/boot_id')
  const ticks = statFields(pid)?.[19]
  return ticks === undefined || bootId === undefined ? undefined : `${ticks}@${bootId.trim()}`
}

/** `/proc/<pid>/stat` from field 3, the state, on (proc(5)); undefined outside Linux. */
function statFields(pid: number): string[] | undefined {
  const stat = readProc(`/proc/${pid}/stat`)
  // The command name before them, in parentheses, may hold anything.
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')
}
