/** A simulated disk whose files are cold, as after a restart, until somebody loads them. */
import { vi } from 'vitest'
import { SimFile } from '../../src/platform/sim-file.ts'

export class ColdDisk {
  readonly #waiting: (() => void)[] = []
  readonly #isCached = vi.spyOn(SimFile.prototype, 'isCached')
  readonly #load = vi.spyOn(SimFile.prototype, 'load')

  constructor() {
    this.#isCached.mockReturnValue(false)
    this.#load.mockImplementation(() => new Promise<void>((resolve) => this.#waiting.push(resolve)))
  }

  /** How many loads have begun and not ended. */
  get loads(): number {
    return this.#waiting.length
  }

  /** Ends all loads that are under way. */
  answer(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }

  /** Nothing is cold any more, for anybody. */
  restore(): void {
    this.answer()
    this.#isCached.mockRestore()
    this.#load.mockRestore()
  }
}
