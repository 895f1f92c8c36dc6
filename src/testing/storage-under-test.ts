/** What `storageContract` is given: places to store in, and how they end. */
import type { LogStorage } from '../store/log-storage.ts'

/** A storage without `atomic` leaves out the sections on groups. */
export type TestedStorage = Omit<LogStorage, 'atomic'> & Partial<Pick<LogStorage, 'atomic'>>

/** One place to store in, empty at first. One storage at a time is open on it. */
export type StorageUnderTest = {
  /** Opens the storage; again after `close`, `kill` or `cutPower` with what is left of it. */
  open(): Promise<TestedStorage>
  /**
   * Ends the open storage as `kill -9` ends a process: what the kernel has is still there. What
   * was under way may fail or never end.
   */
  kill?(): void | Promise<void>
  /** Ends it as a loss of power does: what is not on stable storage may be gone. */
  cutPower?(): void | Promise<void>
  /** Takes the place away after the test; the storage is closed, or was killed. */
  remove?(): void | Promise<void>
}

/** Makes one empty place; called once for each test. */
export type StorageFactory = () => StorageUnderTest | Promise<StorageUnderTest>
