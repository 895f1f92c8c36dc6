/**
 * One process per data directory, by the file `.lock` in it (the name Kafka uses):
 *
 *     .lock := pid " " startTime " " kind "\n"      ASCII
 *       pid        process id of the holder, decimal
 *       startTime  when that process started, as `/proc/<pid>/stat` and the boot id say, or "-"
 *       kind       "kernel": an advisory lock on this file is the truth
 *                  "pid":    the holder could not lock; it holds while that very process lives
 *
 * With the addon the kernel decides: the lock ends with its holder, however that dies, and excludes
 * a Kafka broker too. Without it the file itself is the lock, made complete or not at all by
 * link(2); it cannot see a Kafka broker, nor processes of another pid namespace.
 */
import * as fs from 'node:fs'
import { StoreLockedError } from '../base/errors.ts'
import { binding } from '../native/load-binding.ts'
import { isPidAlive, ownPid } from '../native/process-identity.ts'
import type { DirectoryLock } from './file-system.ts'
import { storageFailure } from './storage-failure.ts'

export const lockFileName = '.lock'

/** Each round lost means that another process released or took the lock in that very moment. */
const maxRounds = 50

type Holder = { pid: number; startTime: string; kind: 'kernel' | 'pid' }

/** Takes the lock of `directory`, or throws StoreLockedError naming the holder. */
export function lockDirectory(directory: string): DirectoryLock {
  const path = `${directory}/${lockFileName}`
  for (let round = 0; round < maxRounds; round++) {
    const lock = tryKernelLock(directory, path)
    if (lock !== undefined) return lock
  }
  throw new StoreLockedError({ path: directory, holderPid: readHolder(path)?.pid })
}

/** One attempt; undefined when the file changed hands meanwhile. */
function tryKernelLock(directory: string, path: string): DirectoryLock | undefined {
  const fd = fs.openSync(path, fs.constants.O_RDWR | fs.constants.O_CREAT, 0o644)
  let keepsOpen = false
  try {
    const locked = binding.tryLock(fd)
    if (locked === undefined) return tryPidLock(directory, path)
    const holder = parseHolder(fs.readFileSync(fd, 'latin1'))
    if (!locked) throw new StoreLockedError({ path: directory, holderPid: holder?.pid })
    // The last holder removed the file after we opened it: what we locked is no longer `.lock`.
    if (!isSameFile(fd, path)) return undefined
    if (holder?.kind === 'pid' && isHolderAlive(holder)) {
      throw new StoreLockedError({ path: directory, holderPid: holder.pid })
    }
    fs.ftruncateSync(fd, 0)
    fs.writeSync(fd, formatHolder('kernel'), 0, 'latin1')
    if (!isSameFile(fd, path)) return undefined
    keepsOpen = true
    return new KernelLock(path, fd)
  } finally {
    if (!keepsOpen) fs.closeSync(fd)
  }
}

class KernelLock implements DirectoryLock {
  readonly #path: string
  #fd: number

  constructor(path: string, fd: number) {
    this.#path = path
    this.#fd = fd
  }

  release(): void {
    if (this.#fd < 0) return
    const fd = this.#fd
    this.#fd = -1
    try {
      // Removed while still locked, so that nobody can lose a lock taken in between.
      if (isSameFile(fd, this.#path)) fs.rmSync(this.#path, { force: true })
    } catch {
      // The disk may be gone, and with it the reason to close. A file left behind keeps nobody out:
      // the lock is the kernel's and ends with the descriptor.
    } finally {
      fs.closeSync(fd)
    }
  }
}

/** One attempt without a kernel lock; undefined when the file changed hands meanwhile. */
function tryPidLock(directory: string, path: string): DirectoryLock | undefined {
  const content = formatHolder('pid')
  const draft = `${path}.${ownPid}.${draftNumber++}`
  fs.writeFileSync(draft, content, { encoding: 'latin1', flag: 'wx' })
  try {
    const holder = readHolder(path)
    if (holder !== undefined && isHolderAlive(holder)) {
      throw new StoreLockedError({ path: directory, holderPid: holder.pid })
    }
    if (!replaceStale(path, draft)) return undefined
  } finally {
    fs.rmSync(draft, { force: true })
  }
  return new PidLock(path, content)
}

let draftNumber = 0

/**
 * Puts `draft` in the place of a dead process's lock file. Contenders take turns by a second file,
 * so that none removes the fresh lock of another for a stale one.
 */
function replaceStale(path: string, draft: string): boolean {
  const turn = `${path}.turn`
  if (!linkIfAbsent(draft, turn)) {
    const contender = readHolder(turn)
    if (contender === undefined || !isHolderAlive(contender)) fs.rmSync(turn, { force: true })
    return false
  }
  try {
    const holder = readHolder(path)
    if (holder !== undefined && isHolderAlive(holder)) return false
    fs.rmSync(path, { force: true })
    return linkIfAbsent(draft, path)
  } finally {
    fs.rmSync(turn, { force: true })
  }
}

function linkIfAbsent(source: string, target: string): boolean {
  try {
    fs.linkSync(source, target)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

class PidLock implements DirectoryLock {
  readonly #path: string
  readonly #content: string
  #isReleased = false

  constructor(path: string, content: string) {
    this.#path = path
    this.#content = content
  }

  release(): void {
    if (this.#isReleased) return
    this.#isReleased = true
    try {
      if (readText(this.#path) === this.#content) fs.rmSync(this.#path, { force: true })
    } catch (error) {
      // Here the file is the lock: left behind, it holds until this process ends.
      throw storageFailure('unlock', this.#path, error)
    }
  }
}

function isSameFile(fd: number, path: string): boolean {
  const named = fs.statSync(path, { throwIfNoEntry: false })
  const held = fs.fstatSync(fd)
  return named !== undefined && named.ino === held.ino && named.dev === held.dev
}

function formatHolder(kind: Holder['kind']): string {
  return `${ownPid} ${startTimeOf(ownPid) ?? '-'} ${kind}\n`
}

/** The holder a lock file names; undefined when there is no file or it says nothing we wrote. */
function readHolder(path: string): Holder | undefined {
  const text = readText(path)
  return text === undefined ? undefined : parseHolder(text)
}

function parseHolder(text: string): Holder | undefined {
  const match = /^([1-9]\d{0,9}) (\S+) (kernel|pid)\n$/.exec(text)
  if (match === null) return undefined
  return { pid: Number(match[1]), startTime: match[2]!, kind: match[3] as Holder['kind'] }
}

function readText(path: string): string | undefined {
  try {
    return fs.readFileSync(path, 'latin1')
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    // /proc answers ESRCH when a process ends between open and read.
    if (code === 'ENOENT' || code === 'ESRCH') return undefined
    throw error
  }
}

/** A process with that id lives, and is not another one that was given the same id later. */
function isHolderAlive(holder: Holder): boolean {
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
  const bootId = readText('/proc/sys/kernel/random/boot_id')
  const ticks = statFields(pid)?.[19]
  return ticks === undefined || bootId === undefined ? undefined : `${ticks}@${bootId.trim()}`
}

/** `/proc/<pid>/stat` from field 3, the state, on (proc(5)); undefined outside Linux. */
function statFields(pid: number): string[] | undefined {
  const stat = readText(`/proc/${pid}/stat`)
  // The command name before them, in parentheses, may hold anything.
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')
}
