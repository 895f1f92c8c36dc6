import { StorageError } from '../base/errors.ts'

export type SimFault = {
  /** Name of the error, such as `EIO` or `ENOSPC`. */
  readonly errno: string
  /** For a write: bytes written before the failure. Default: as the seed says. */
  readonly writtenBytes?: number
}

/** What a simulated system call answers when it fails. */
export function simFailure(operation: string, path: string, errno: string): StorageError {
  return new StorageError({ operation, path, errno })
}

/** The moment the simulated machine stopped. Nothing but a test catches it. */
export class SimCrash extends Error {
  override readonly name = 'SimCrash'

  constructor(operation: number) {
    super(`the simulated machine stopped at operation ${operation}`)
  }
}
