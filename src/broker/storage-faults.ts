/**
 * What the operator hears of requests that fail because of the disk. Clients are told in their
 * answers, and many of them try again without a word; the server's log must say why. One line for the
 * first failure of a kind, then one now and then: a full disk must not become a flood of lines.
 */
import type { Clock } from '../base/clock.ts'
import { type LogError, StorageError } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import { type ErrorCode, errorCodes } from '../protocol/error-codes.ts'
import { errorCodeOf } from './error-mapping.ts'

/** Between two lines of a kind, in ms. */
const lineMs = 10_000

type Kind = { lineAtMs: number; count: number }

export class StorageFaults {
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #kinds = new Map<string, Kind>()

  constructor({ clock, logger }: { readonly clock: Clock; readonly logger: Logger }) {
    this.#clock = clock
    this.#logger = logger
  }

  /** `errorCodeOf`, for errors of work that may have gone to the disk. */
  codeOf(error: unknown): ErrorCode {
    const code = errorCodeOf(error)
    if (code === errorCodes.kafkaStorageError) this.#note(error as LogError)
    return code
  }

  #note(error: LogError): void {
    const name = error instanceof StorageError ? `${error.code} ${error.errno}` : error.code
    const now = this.#clock.elapsedMs()
    let kind = this.#kinds.get(name)
    if (kind === undefined) {
      kind = { lineAtMs: -Infinity, count: 0 }
      this.#kinds.set(name, kind)
    }
    kind.count++
    if (now - kind.lineAtMs < lineMs) return
    const fields = { error: error.message, count: kind.count }
    this.#logger.error(fields, 'clients are answered with a storage error')
    kind.lineAtMs = now
    kind.count = 0
  }
}
