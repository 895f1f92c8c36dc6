/**
 * Syncs of files and directories on the thread pool, for a disk where many together cost little more than
 * one (`binding.syncMany`): ten thousand files one by one take ten thousand flushes of the device's cache.
 *
 * A few go one by one, as they are asked for. Of what is asked for meanwhile, few go so too when their
 * turn comes; many go together, and who comes while they do waits until they are done. Directories are
 * open while they do, so that the process must have that many descriptors to spare.
 */
import { poolThreads } from '../base/for-each-limited.ts'
import type { NativeBinding } from '../native/binding.ts'

/** To ask for so many at the same time is worth it where they go together. */
export const syncsTogetherAtOnce = 64
/** So many that wait go together. */
const leastTogether = 16

type Waiting = {
  readonly what: number | string
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

export class SyncQueue {
  readonly #binding: Pick<NativeBinding, 'fdatasync' | 'syncDirectory' | 'syncMany'>
  readonly #mostTogether: number
  readonly #waiting: Waiting[] = []
  #underWay = 0
  #isTogether = false

  /** @param most how many go together at most; fewer than it takes to be worth it: none do. */
  constructor(
    binding: Pick<NativeBinding, 'fdatasync' | 'syncDirectory' | 'syncMany'>,
    most: number = Infinity,
  ) {
    this.#binding = binding
    this.#mostTogether = Math.floor(most)
  }

  /** `binding.fdatasync`. The descriptor must stay open until the promise settles. */
  file(fd: number): Promise<void> {
    return this.#ask(fd)
  }

  /** `binding.syncDirectory`. */
  directory(path: string): Promise<void> {
    return this.#ask(path)
  }

  #ask(what: number | string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ what, resolve, reject })
      this.#begin()
    })
  }

  #begin(): void {
    // One by one would be in the way of those who go together, and soon be done to come again.
    while (this.#waiting.length > 0 && this.#underWay < poolThreads && !this.#isTogether) {
      const count = Math.min(this.#waiting.length, this.#mostTogether)
      if (count >= leastTogether) this.#run(this.#together(this.#waiting.splice(0, count)))
      else this.#run(this.#one(this.#waiting.shift() as Waiting))
    }
  }

  #run(work: Promise<void>): void {
    this.#underWay++
    void work.then(() => {
      this.#underWay--
      this.#begin()
    })
  }

  async #one({ what, resolve, reject }: Waiting): Promise<void> {
    const binding = this.#binding
    try {
      await (typeof what === 'number' ? binding.fdatasync(what) : binding.syncDirectory(what))
      resolve()
    } catch (error) {
      reject(error)
    }
  }

  async #together(waiting: readonly Waiting[]): Promise<void> {
    this.#isTogether = true
    const files = waiting.filter(({ what }) => typeof what === 'number')
    const directories = waiting.filter(({ what }) => typeof what === 'string')
    const all = [...files, ...directories]
    try {
      const errors = await this.#binding.syncMany(
        files.map(({ what }) => what as number),
        directories.map(({ what }) => what as string),
      )
      all.forEach(({ resolve, reject }, i) => {
        if (errors[i] === undefined) resolve()
        else reject(errors[i])
      })
    } catch (error) {
      for (const { reject } of all) reject(error)
    } finally {
      this.#isTogether = false
    }
  }
}
