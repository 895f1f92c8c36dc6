/**
 * One process per data directory, by the file `.lock` in it (the name Kafka uses), whose form is
 * that of pid-file.ts.
 *
 * With the addon the kernel decides: an advisory lock on the file ends with its holder, however
 * that dies, and excludes a Kafka broker too. Without it the file itself is the lock; it cannot see
 * a Kafka broker, nor processes of another pid namespace. Both kinds may want the same directory,
 * so either changes a file that is there only while it has `.lock.turn`: what the one has just
 * locked must not be a dead process's file that the other is about to remove.
 */
import * as fs from 'node:fs'
import { systemClock } from '../base/clock.ts'
import { StoreLockedError } from '../base/errors.ts'
import { binding } from '../native/load-binding.ts'
import type { DirectoryLock } from './file-system.ts'
import {
  formatHolder,
  isHolderAlive,
  linkIfAbsent,
  parseHolder,
  readHolder,
  readText,
  removeDeadDrafts,
  takePidFile,
  turnOf,
  writeDraft,
} from './pid-file.ts'
import { storageFailure } from './storage-failure.ts'

export const lockFileName = '.lock'

/** What link(2) fails with on a file system that has none, as exFAT. */
const linklessCodes: readonly string[] = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EINVAL']

/** A turn takes some calls of the system, so who waits this long waits for a process that is stopped. */
const maxWaitMs = 10_000

/**
 * Takes the lock of `directory`, or throws StoreLockedError naming the holder. Blocks the thread
 * while others are about to take or release it, at most 10 s.
 */
export function lockDirectory(directory: string): DirectoryLock {
  const path = `${directory}/${lockFileName}`
  const draft = writeDraft(path)
  try {
    const deadline = systemClock.elapsedMs() + maxWaitMs
    for (;;) {
      const lock = tryLock(directory, path, draft)
      if (lock !== undefined) return lock
      if (systemClock.elapsedMs() > deadline) {
        const holder = readHolder(path) ?? readHolder(turnOf(path))
        throw new StoreLockedError({ path: directory, holderPid: holder?.pid })
      }
      pause(1)
    }
  } finally {
    fs.rmSync(draft, { force: true })
  }
}

/** One attempt; undefined when another process has the turn, or the file changed hands meanwhile. */
function tryLock(directory: string, path: string, draft: string): DirectoryLock | undefined {
  const turn = turnOf(path)
  try {
    if (!takePidFile(turn, draft)) return undefined
  } catch (error) {
    // Where there are no hard links nobody can lock without the kernel, and it needs no turns.
    if (!linklessCodes.includes((error as NodeJS.ErrnoException).code ?? '')) throw error
    return lockInTurn(directory, path, draft)
  }
  try {
    return lockInTurn(directory, path, draft)
  } finally {
    fs.rmSync(turn, { force: true })
  }
}

function lockInTurn(directory: string, path: string, draft: string): DirectoryLock | undefined {
  const fd = fs.openSync(path, fs.constants.O_RDWR | fs.constants.O_CREAT, 0o644)
  let keepsOpen = false
  try {
    const locked = binding.tryLock(fd)
    const holder = parseHolder(fs.readFileSync(fd, 'latin1'))
    if (locked === false) throw new StoreLockedError({ path: directory, holderPid: holder?.pid })
    // A holder that releases needs no turn: what we opened, and perhaps locked, may be gone by now.
    if (!isSameFile(fd, path)) return undefined
    // Where the kernel locks, it knows better than a line that names one of its holders.
    if (holder !== undefined && (locked === undefined || holder.kind === 'pid')) {
      if (isHolderAlive(holder)) {
        throw new StoreLockedError({ path: directory, holderPid: holder.pid })
      }
    }
    if (holder !== undefined) removeDeadDrafts(directory, lockFileName)
    if (locked === undefined) {
      fs.rmSync(path, { force: true })
      return linkIfAbsent(draft, path) ? new PidLock(path) : undefined
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

class PidLock implements DirectoryLock {
  readonly #path: string
  #isReleased = false

  constructor(path: string) {
    this.#path = path
  }

  release(): void {
    if (this.#isReleased) return
    this.#isReleased = true
    try {
      if (readText(this.#path) === formatHolder('pid')) fs.rmSync(this.#path, { force: true })
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

/** Blocks this thread: nothing of a store can go on before its directory is ours. */
function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}
