/** Whether a storage in memory may still be used, and when what it holds is durable. */
import { ClosedError } from '../base/errors.ts'
import { oneOfOption } from '../base/option-fields.ts'
import type { DurabilityLevel } from '../base/types.ts'

const levels: readonly DurabilityLevel[] = ['memory', 'os', 'disk']

export class MemoryOwner {
  readonly #onSynced: () => void
  #state: 'open' | 'closing' | 'closed' = 'open'
  #syncing: Promise<void> | undefined

  /** @param onSynced everything so far is durable now. */
  constructor(onSynced: () => void) {
    this.#onSynced = onSynced
  }

  get isOpen(): boolean {
    return this.#state === 'open'
  }

  assertOpen(): void {
    if (this.#state !== 'open') throw new ClosedError('the storage is closed')
  }

  /** The level asked for. @throws InvalidOptionError. */
  level(level: DurabilityLevel | undefined): DurabilityLevel {
    return oneOfOption('level', level, { default: 'disk', choices: levels })
  }

  /** Resolves when everything so far has reached `level`. */
  async settled(level: DurabilityLevel): Promise<void> {
    if (level !== 'disk') return
    this.#syncing ??= new Promise((resolve, reject) => {
      setImmediate(() => {
        this.#syncing = undefined
        if (this.#state === 'closed') {
          reject(new ClosedError('the storage ended before this was durable'))
          return
        }
        this.#onSynced()
        resolve()
      })
    })
    await this.#syncing
  }

  async close(): Promise<void> {
    if (this.#state === 'open') this.#state = 'closing'
    if (this.#state === 'closing') await this.settled('disk')
    this.end()
  }

  end(): void {
    this.#state = 'closed'
  }
}
